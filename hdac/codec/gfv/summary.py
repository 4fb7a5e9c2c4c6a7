"""What the GFV messages of a stream say together, and each of them as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from hdac.bitstream.vvc.gfv import (
    CarriedNetwork,
    Coordinates,
    GfvMessage,
    Matrices,
    MatrixType,
    NamedNetwork,
)
from hdac.bitstream.vvc.sei import Located

#: `gfv_matrix_type_idx` in words.
_MATRICES = (
    "affine", "covariance", "mouth", "eyes", "rotation", "translation", "location", "compact",
)  # fmt: skip


@dataclass
class GfvSummary:
    """points, matrices: kinds in words, and how many messages have them. bits: of the messages
    without what is around them; precision: the finest of all coordinates, in bits behind the
    binary point. first: points of the first base picture's message."""

    count: int = 0
    bits: int = 0
    base_pictures: int = 0
    fusions: int = 0
    low_confidence: int = 0
    precision: int = 1
    first: Coordinates | None = None
    networks: dict[NamedNetwork | CarriedNetwork, int] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    matrices: dict[str, int] = field(default_factory=dict)

    def add(self, located: Located) -> None:
        message = located.message
        self.count += 1
        self.bits += located.bits
        self.base_pictures += message.base_picture
        self.fusions += message.fusion
        self.low_confidence += message.low_confidence
        if message.network is not None:
            self.networks[message.network] = self.networks.get(message.network, 0) + 1
        coordinates = message.coordinates
        if coordinates is not None:
            self.precision = max(self.precision, coordinates.precision)
            kind = f"{len(coordinates.points)} in {coordinates.axes}D"
            self.points[kind] = self.points.get(kind, 0) + 1
            if message.base_picture and self.base_pictures == 1:
                self.first = coordinates
        for of in () if message.matrices is None else message.matrices.types:
            kind = matrix_kind(of)
            self.matrices[kind] = self.matrices.get(kind, 0) + 1

    def to_json(self) -> dict[str, object]:
        return {
            "messages": self.count, "message_bits": self.bits, "base_pictures": self.base_pictures,
            "fusions": self.fusions, "low_confidence": self.low_confidence,
            "networks": [network_to_json(network) for network in self.networks],
            "points": self.points, "matrices": self.matrices,
        }  # fmt: skip


def matrix_kind(of: MatrixType) -> str:
    name = _MATRICES[of.type] if of.type < len(_MATRICES) else "application's"
    rows = of.matrices[0]
    return f"{len(of.matrices)} of {len(rows)}x{len(rows[0])}, type {of.type} ({name})"


def network_to_json(network: NamedNetwork | CarriedNetwork) -> dict[str, object]:
    if isinstance(network, NamedNetwork):
        return {"tag": network.tag, "uri": network.uri}
    return {"payload_bytes": len(network.payload)}


def to_json(located: Located) -> dict[str, object]:
    """One message. Numbers are rounded to double precision; a carried network is its size."""
    message = located.message
    return {
        "picture": message.picture, "gfv_id": message.id, "gfv_cnt": message.cnt,
        "bits": located.bits, "base_picture": message.base_picture, "fusion": message.fusion,
        "low_confidence": message.low_confidence,
        "network": None if message.network is None else network_to_json(message.network),
        "chroma_key": _chroma_key(message),
        "coordinates": _coordinates(message.coordinates), "matrices": _matrices(message.matrices),
    }  # fmt: skip


def _chroma_key(message: GfvMessage) -> dict[str, object] | None:
    return None if message.chroma_key is None else vars(message.chroma_key)


def _coordinates(coordinates: Coordinates | None) -> dict[str, object] | None:
    if coordinates is None:
        return None
    points = [[float(value) for value in point] for point in coordinates.points]
    return {**vars(coordinates), "points": points}


def _matrices(matrices: Matrices | None) -> dict[str, object] | None:
    if matrices is None:
        return None
    types = [
        {
            "type": of.type,
            "matrices": [[[float(v) for v in row] for row in matrix] for matrix in of.matrices],
        }
        for of in matrices.types
    ]
    return {**vars(matrices), "types": types}
