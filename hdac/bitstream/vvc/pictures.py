"""Picture units of VVC streams of one layer.

(Rec. ITU-T H.266, clauses 7.4.2.2 and 7.4.2.4.3.)
"""

from __future__ import annotations

from hdac.bitstream.nal import Span, spans

LAST_SLICE, SUFFIX_APS, PICTURE_HEADER, PREFIX_SEI, SUFFIX_SEI = 11, 18, 19, 23, 24
_FIRST_SET = 12  # of NAL units that start an access unit behind a picture, with `PREFIX_SEI` last


def unit_type(data: bytes, span: Span) -> int:
    """nal_unit_type; that of a unit without a whole header is an unspecified one."""
    return data[span.first + 1] >> 3 if span.end - span.first > 1 else 31


def layer(data: bytes, span: Span) -> int:
    """nuh_layer_id; that of a unit without a header is 0."""
    return data[span.first] & 63 if span.end > span.first else 0


def temporal_id(data: bytes, span: Span) -> int:
    """TemporalId of a unit with a whole header."""
    return max(0, (data[span.first + 1] & 7) - 1)


def is_slice(data: bytes, span: Span) -> bool:
    """Whether a NAL unit is a slice of layer 0."""
    return unit_type(data, span) <= LAST_SLICE and not layer(data, span)


def picture_units(data: bytes) -> list[list[Span]]:
    """The NAL units of each coded picture of layer 0 of an Annex B stream, and those around it;
    what follows the last picture may be a unit without one.

    A picture of several slices starts with a picture header NAL unit (type 19); a single-slice
    picture is one slice NAL unit.
    """
    units: list[list[Span]] = []
    has_picture = headed = True
    for span in spans(data):
        kind, basic = unit_type(data, span), not layer(data, span)
        starts = kind <= LAST_SLICE and not headed
        starts |= _FIRST_SET <= kind <= PREFIX_SEI and kind != SUFFIX_APS
        if not units or (has_picture and basic and starts):
            units.append([])
            has_picture = headed = False
        units[-1].append(span)
        has_picture |= basic and kind <= LAST_SLICE
        headed |= basic and kind == PICTURE_HEADER
    return units


def split_access_units(data: bytes) -> list[bytes]:
    """Annex B bytes of a VVC stream -> access units, one coded picture each."""
    return [data[unit[0].start : unit[-1].end] for unit in picture_units(data)]
