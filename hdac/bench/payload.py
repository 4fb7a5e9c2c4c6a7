"""What of a coded file is payload: all but start codes, headers of NAL units or OBUs, and the
container.

Parameter sets, slice headers and emulation prevention are payload. Of an .hdac file it is what is
neither file header, packet head, time nor checksum.
"""

from __future__ import annotations

from typing import Any

from hdac.bitstream.nal import spans

#: Bytes of a NAL unit's header. (Rec. ITU-T H.264 7.3.1, H.265 7.3.1.2, H.266 7.3.1.2)
_NAL = {".h264": 1, ".264": 1, ".hevc": 2, ".265": 2, ".vvc": 2, ".266": 2}
_OBU = ".obu"


def stream_payload(suffix: str, data: bytes) -> int | None:
    """Payload of an elementary stream in bits; None of another kind of file, or one that is not
    what its suffix says."""
    if suffix == _OBU:
        return 8 * (_obu_payload(data) or 0) or None
    found = spans(data) if suffix in _NAL else []
    size = sum(max(0, span.end - span.first - _NAL[suffix]) for span in found)
    return 8 * size or None


def _obu_payload(data: bytes) -> int | None:
    """Bytes of OBUs without their headers and sizes; None where that does not add up. (AV1
    Bitstream & Decoding Process Specification, 5.3 and Annex B's low-overhead format)"""
    at, payload = 0, 0
    while at < len(data):
        head = data[at]
        if head & 0x81 or not head & 2:  # reserved bits; each OBU of a file has its size
            return None
        at += 2 if head & 4 else 1
        size = shift = 0
        while True:  # leb128
            if at >= len(data) or shift > 28:
                return None
            byte = data[at]
            size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
            if not byte & 128:
                break
        at, payload = at + size, payload + size
    return payload if at == len(data) else None


def payload_kbps(record: dict[str, Any]) -> float | None:
    """Rate of a point's payload; None where the point does not keep what is needed."""
    bits, whole = record.get("payload_bits"), 8 * record["bytes"]
    layers = record.get("bits")
    if bits is None and layers and "header" in layers:
        bits = whole - layers["header"]
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits <= whole:
        return None
    return float(record["results"]["bitrate"][0]) * bits / whole
