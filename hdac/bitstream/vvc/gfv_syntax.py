"""The syntax of GFV messages, said once for both directions.

    message     := gfv_id | gfv_cnt | [base picture flag | [network] | [chroma key]]
                   | [fusion flag] | confidence flag | [coordinates] | [matrices]
                   | [payload bytes of a network that the message carries]

(Rec. ITU-T H.274, generative face video SEI message.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from hdac.bitstream.vvc import gfv
from hdac.bitstream.vvc.gfv import (
    CarriedNetwork,
    ChromaKey,
    Coordinates,
    GfvMessage,
    Matrices,
    Matrix,
    MatrixType,
    NamedNetwork,
    Point,
    References,
)
from hdac.bitstream.vvc.gfv_bits import ElementReader, Elements, ElementWriter

_CARRIED, _NAMED = range(2)  # gfv_nn_mode_idc
_ALIGNMENT = "gfv_nn_alignment_zero_bit"
_NOTHING = Fraction(0)


def read(payload: bytes, references: References, picture: int = 0) -> GfvMessage | None:
    """The message of an SEI payload of type 223; None if its id is reserved.

    picture: number of the coded picture that carries it. Raises `TruncatedError`, `DamagedError`.
    """
    message = read_elements(ElementReader(payload), references)
    if message is None:
        return None
    message = replace(message, picture=picture)
    references.remember(message)
    return message


def read_elements(reader: ElementReader, references: References) -> GfvMessage | None:
    """The message that a reader holds, of picture 0."""
    gfv_id = reader.number("gfv_id", 0)
    if gfv.is_reserved(gfv_id):
        return None
    return _code(reader, gfv_id, GfvMessage(), references)


def write(message: GfvMessage, references: References) -> bytes:
    """The SEI payload of a message, which the next ones may be predicted from. Raises `UsageError`
    for what cannot be written."""
    data = pack(message, references)
    references.remember(message)
    return data


def pack(message: GfvMessage, references: References) -> bytes:
    """The SEI payload that `write` would write."""
    writer = ElementWriter()
    if gfv.is_reserved(writer.number("gfv_id", message.id)):
        raise writer.wrong(f"gfv_id is {message.id}, which is reserved")
    coded = replace(_code(writer, message.id, message, references), picture=message.picture)
    if coded != message:
        raise writer.wrong(f"what would be read is another message: {_difference(coded, message)}")
    return writer.finish()


def _difference(coded: GfvMessage, message: GfvMessage) -> str:
    names = [name for name, value in vars(message).items() if getattr(coded, name) != value]
    return ", ".join(f"{name} {getattr(message, name)!r:.60}" for name in names)


class _Context(NamedTuple):
    """base: whether the message is a base picture's; own: the base picture's message, and
    reference: the one that is predicted from, where it is another's."""

    base: bool
    own: GfvMessage | None
    reference: GfvMessage | None


def _code(c: Elements, gfv_id: int, given: GfvMessage, references: References) -> GfvMessage:
    """A message behind its id. `given`: what a writer writes."""
    cnt = c.number("gfv_cnt", given.cnt)
    base = fusion = False
    network: NamedNetwork | CarriedNetwork | None = None
    chroma_key = None
    if cnt == 0:
        base = c.flag("gfv_base_picture_flag", given.base_picture)
    if base:
        if c.flag("gfv_nn_present_flag", given.network is not None):
            network = _network(c, given.network)
        if c.flag("gfv_chroma_key_info_present_flag", given.chroma_key is not None):
            chroma_key = _chroma_key(c, given.chroma_key or ChromaKey(0, (None, None, None)))
    elif cnt == 0:
        fusion = c.flag("gfv_fusion_pic_flag", given.fusion)
    low = c.flag("gfv_low_confidence_face_parameter_flag", given.low_confidence)
    context = _Context(base, None, None)
    if not base:
        context = _Context(base, references.base(gfv_id), references.reference(gfv_id, cnt))
    coordinates = matrices = None
    if c.flag("gfv_coordinate_present_flag", given.coordinates is not None):
        coordinates = _coordinates(c, given.coordinates or Coordinates((), 1), context)
    if c.flag("gfv_matrix_present_flag", given.matrices is not None):
        matrices = _matrices(c, given.matrices or Matrices((), 1), context, coordinates)
    if coordinates is None and matrices is None:
        raise c.wrong("neither coordinates nor matrices are there")
    if isinstance(network, CarriedNetwork):
        c.align(_ALIGNMENT)
        network = CarriedNetwork(c.rest(network.payload))
    return GfvMessage(gfv_id, cnt, base, network, chroma_key, fusion, low, coordinates, matrices)


def _network(
    c: Elements, given: NamedNetwork | CarriedNetwork | None
) -> NamedNetwork | CarriedNetwork:
    """A network's name; where the message carries it, it follows at the end."""
    carried = given if isinstance(given, CarriedNetwork) else CarriedNetwork(b"")
    named = given if isinstance(given, NamedNetwork) else NamedNetwork("", "")
    if c.number("gfv_nn_mode_idc", _CARRIED if carried is given else _NAMED, 0, 1) == _CARRIED:
        return carried
    c.align(_ALIGNMENT)
    tag = c.text("gfv_nn_tag_uri", named.tag)
    return NamedNetwork(tag, c.text("gfv_nn_uri", named.uri))


def _chroma_key(c: Elements, given: ChromaKey) -> ChromaKey:
    purpose = c.number("gfv_chroma_key_purpose_idc", given.purpose, 0, gfv.PURPOSES - 1)

    def value(known: int | None) -> int | None:
        if not c.flag("gfv_chroma_key_value_present_flag", known is not None):
            return None
        return c.bits("gfv_chroma_key_value", 8, known or 0)

    luma, blue, red = (value(known) for known in given.values)
    thresholds = None
    if c.flag("gfv_chroma_key_thr_present_flag", given.thresholds is not None):
        lower, delta = given.thresholds or (0, 1)
        lower = c.bits("gfv_chroma_key_thr_lower", 8, lower)
        delta = 1 + c.number("gfv_chroma_key_thr_upper_delta_minus1", delta - 1, 0, 255)
        thresholds = lower, delta
    return ChromaKey(purpose, (luma, blue, red), thresholds)


# ---- coordinates


def _coordinates(c: Elements, given: Coordinates, context: _Context) -> Coordinates:
    predicted = c.flag("gfv_kps_pred_flag", given.predicted)
    if context.base or not predicted:
        precision = 1 + c.number(
            "gfv_coordinate_precision_factor_minus1", given.precision - 1, 0, gfv.MAX_PRECISION - 1
        )
        count = 1 + c.number("gfv_num_kps_minus1", len(given.points) - 1, 0, gfv.MAX_POINTS - 1)
        z_max = None
        if c.flag("gfv_coordinate_z_present_flag", given.z_max is not None):
            z_max = 1 + c.number("gfv_coordinate_z_max_value_minus1", (given.z_max or 1) - 1)
        shape = Coordinates((), precision, z_max, predicted)
        before: Sequence[Point] | None = None
    else:
        own = None if context.own is None else context.own.coordinates
        reference = None if context.reference is None else context.reference.coordinates
        if own is None or reference is None:
            raise c.wrong("points are predicted from a message that is not there or has none")
        count = len(own.points)
        if (len(reference.points), reference.axes) != (count, own.axes):
            raise c.wrong(
                f"{count} points of {own.axes} axes are predicted from {len(reference.points)} of "
                f"{reference.axes}"
            )
        shape = Coordinates((), own.precision, own.z_max, predicted)
        before = reference.points
    points = _points(c, given.points, count, shape, before)
    return replace(shape, points=tuple(points))


def _points(
    c: Elements,
    given: Sequence[Point],
    count: int,
    shape: Coordinates,
    before: Sequence[Point] | None,
) -> Iterator[Point]:
    """So many points; where they are predicted, from `before` or, in a base picture, each from the
    one before it."""
    origin = (_NOTHING,) * shape.axes
    last = origin
    for i in range(count):
        point = given[i] if i < len(given) else origin
        if len(point) != shape.axes:
            raise c.wrong(f"point {i} has {len(point)} coordinates instead of {shape.axes}")
        predictor = origin if not shape.predicted else last if before is None else before[i]
        last = tuple(
            _coordinate(c, f"gfv_coordinate_{axis}", value, from_, shape.precision)
            for axis, value, from_ in zip("xyz", point, predictor, strict=False)
        )
        yield last


def _coordinate(
    c: Elements, name: str, value: Fraction, predictor: Fraction, precision: int
) -> Fraction:
    steps = c.steps(name, value, predictor, precision)
    size = c.number(f"{name}_abs", abs(steps))
    if not size:
        return predictor
    negative = c.flag(f"{name}_sign_flag", steps < 0)
    return predictor + Fraction(-size if negative else size, 1 << precision)


# ---- matrices


def _matrices(
    c: Elements, given: Matrices, context: _Context, coordinates: Coordinates | None
) -> Matrices:
    predicted = not context.base and c.flag("gfv_matrix_pred_flag", given.predicted)
    if not predicted:
        precision = 1 + c.number(
            "gfv_matrix_element_precision_factor_minus1",
            given.precision - 1,
            0,
            gfv.MAX_PRECISION - 1,
        )
        shapes = _shapes(c, given.types, coordinates)
        befores: Sequence[MatrixType | None] = [None] * len(shapes)
    else:
        reference = None if context.reference is None else context.reference.matrices
        if reference is None:
            raise c.wrong("matrices are predicted from a message that is not there or has none")
        precision, befores = reference.precision, reference.types
        shapes = [_shape(each) for each in reference.types]
    types = []
    for i, (shape, before) in enumerate(zip(shapes, befores, strict=True)):
        known = given.types[i].matrices if i < len(given.types) else ()
        types.append(_elements(c, known, shape, precision, before))
    return Matrices(tuple(types), precision, predicted)


class _Shape(NamedTuple):
    """How many matrices of which height and width a type has."""

    type: int
    number: int
    height: int
    width: int


def _shape(of: MatrixType) -> _Shape:
    first = of.matrices[0] if of.matrices else ()
    return _Shape(of.type, len(of.matrices), len(first), len(first[0]) if first else 0)


def _shapes(
    c: Elements, given: Sequence[MatrixType], coordinates: Coordinates | None
) -> list[_Shape]:
    number = 1 + c.number("gfv_num_matrix_types_minus1", len(given) - 1, 0, gfv.MAX_TYPES - 1)
    shapes, elements = list[_Shape](), 0
    for i in range(number):
        known = _shape(given[i]) if i < len(given) else _Shape(0, 1, 1, 1)
        kind = c.bits("gfv_matrix_type_idx", 6, known.type)
        shapes.append(_sizes(c, known._replace(type=kind), coordinates))
        elements += shapes[-1].number * shapes[-1].height * shapes[-1].width
        if elements > gfv.MAX_ELEMENTS:
            raise c.wrong(f"{elements} matrix elements; allowed are {gfv.MAX_ELEMENTS}")
    return shapes


def _sizes(c: Elements, known: _Shape, coordinates: Coordinates | None) -> _Shape:
    """The number and size of a type's matrices."""
    points = 0 if coordinates is None else len(coordinates.points)
    axes = 2 if coordinates is None else coordinates.axes
    if known.type <= gfv.COVARIANCE:
        return known._replace(number=_number(c, known.number, points), height=axes, width=axes)
    if gfv.ROTATION <= known.type <= gfv.LOCATION:
        if coordinates is None:
            axes = 2 + c.flag("gfv_matrix_3d_space_flag", known.height == 3)
        width = axes if known.type == gfv.ROTATION else 1
        return known._replace(number=1, height=axes, width=width)
    number = 1
    if known.type >= gfv.COMPACT:
        number += c.number("gfv_num_matrices_minus1", known.number - 1, 0, gfv.MAX_MATRICES - 1)
    width = 1 + c.number("gfv_matrix_width_minus1", known.width - 1, 0, gfv.MAX_SIDE - 1)
    height = 1 + c.number("gfv_matrix_height_minus1", known.height - 1, 0, gfv.MAX_SIDE - 1)
    return known._replace(number=number, height=height, width=width)


def _number(c: Elements, known: int, points: int) -> int:
    """How many matrices there are of a type that has one a point, or another number."""
    if c.flag("gfv_num_matrices_equal_to_num_kps_flag", known == points):
        if not points:
            raise c.wrong("one matrix a point, without points")
        return points
    info = known - (1 if known < points else 2)
    info = c.number("gfv_num_matrices_info", info, 0, gfv.MAX_MATRICES - 2)
    return info + (1 if info < points - 1 else 2)


def _elements(
    c: Elements,
    given: Sequence[Matrix],
    shape: _Shape,
    precision: int,
    before: MatrixType | None,
) -> MatrixType:
    """All matrices of a type, row by row."""

    def value(i: int, y: int, x: int) -> Fraction:
        try:
            known = given[i][y][x] if given else _NOTHING
        except IndexError:
            raise c.wrong(f"matrices of type {shape.type} are not all of one size") from None
        if before is None:
            return _element(c, "gfv_matrix_element", known, _NOTHING, precision, False)
        predictor = before.matrices[i][y][x]
        return _element(c, "gfv_matrix_delta_element", known, predictor, precision, True)

    matrices = (
        tuple(tuple(value(i, y, x) for x in range(shape.width)) for y in range(shape.height))
        for i in range(shape.number)
    )
    return MatrixType(shape.type, tuple(matrices))


def _element(
    c: Elements, name: str, value: Fraction, predictor: Fraction, precision: int, predicted: bool
) -> Fraction:
    steps = c.steps(name, value, predictor, precision)
    whole, part = divmod(abs(steps), 1 << precision)
    whole = c.number(f"{name}_int", whole)
    dec = f"{name}_dec"
    part = c.number(dec, part) if predicted else c.bits(dec, precision, part)
    if not whole + part:
        return predictor
    size = whole + Fraction(part, 1 << precision)
    return predictor - size if c.flag(f"{name}_sign_flag", steps < 0) else predictor + size
