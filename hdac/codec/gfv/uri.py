"""The URI by which a GFV message of ours names its network, and what the network is told.

    hdac:NAME-HASH?qp=INTRA,BASE&fps=RATE[&size=WxH][&scale=N][&colour=M,P,T][&precision=bf16|int8]

A URI is a name: its parts are compared with what is here, and nothing is fetched or opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from hdac.bitstream.container import MAX_SIDE, Colour, Header, NumberFormat
from hdac.bitstream.vvc.gfv import NamedNetwork
from hdac.errors import DamagedError
from hdac.layers.base import QP_MAX

#: What kind of name the URI is (RFC 4151).
TAG = "tag:hdac,2026:gfv"
_URI = re.compile(r"hdac:([!-~]{1,64})-([0-9a-f]{8})\?([!-~]*)")
_DEFAULTS = {"size": "0x0", "scale": "1", "colour": "2,2,2", "precision": "fp32"}


@dataclass(frozen=True)
class NetworkName:
    """A network and what it is told of the pictures.

    size: width and height of what is shown; None: that of the coded pictures, times `scale`.
    """

    model: str
    digest: str
    qp_intra: int
    qp_base: int
    fps: Fraction
    size: tuple[int, int] | None = None
    scale: int = 1
    colour: Colour = Colour()  # noqa: RUF009
    number_format: NumberFormat = NumberFormat.FP32

    @classmethod
    def of(cls, header: Header, qp_intra: int, qp_base: int) -> NetworkName:
        """That of a GOP of an .hdac stream."""
        size = header.width, header.height
        return cls(
            header.model, header.model_hash, qp_intra, qp_base, header.fps,
            None if size == header.padded_size else size, header.base_scale, header.colour,
            header.number_format,
        )  # fmt: skip

    def to_network(self) -> NamedNetwork:
        fields = {
            "qp": f"{self.qp_intra},{self.qp_base}",
            "fps": str(self.fps),
            "size": "{}x{}".format(*(self.size or (0, 0))),
            "scale": str(self.scale),
            "colour": ",".join(map(str, self.colour)),
            "precision": self.number_format.name.lower(),
        }
        said = "&".join(f"{k}={v}" for k, v in fields.items() if _DEFAULTS.get(k) != v)
        return NamedNetwork(TAG, f"hdac:{self.model}-{self.digest}?{said}")

    @classmethod
    def parse(cls, network: object) -> NetworkName | None:
        """What a message's network says; None where it is no name of ours. Raises
        `DamagedError`."""
        if not isinstance(network, NamedNetwork) or network.tag != TAG:
            return None
        try:
            return cls._parse(network.uri)
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise DamagedError(
                f"network {network.uri[:200]!r}: not a name as hdac writes it ({error})"
            ) from error

    @classmethod
    def _parse(cls, uri: str) -> NetworkName:
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError("expected hdac:NAME-HASH?...")
        said = dict(pair.split("=") for pair in match[3].split("&"))
        if unknown := said.keys() - {"qp", "fps", *_DEFAULTS}:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}")
        said = _DEFAULTS | said
        intra, base = _numbers(said["qp"], ",", 2, 0, QP_MAX)
        fps = Fraction(*_numbers(said["fps"], "/", said["fps"].count("/") + 1, 1, 10**6))
        width, height = _numbers(said["size"], "x", 2, 0, MAX_SIDE)
        (scale,) = _numbers(said["scale"], ",", 1, 1, 4)
        if scale == 3 or (width == 0) != (height == 0):
            raise ValueError("a scale or size that cannot be")
        return cls(
            match[1], match[2], intra, base, fps, (width, height) if width else None, scale,
            Colour(*_numbers(said["colour"], ",", 3, 0, 255)),
            NumberFormat[said["precision"].upper()],
        )  # fmt: skip


def _numbers(text: str, between: str, count: int, low: int, high: int) -> list[int]:
    """So many numbers of a range."""
    parts = text.split(between)
    if len(parts) != count or not all(re.fullmatch("[0-9]{1,7}", part) for part in parts):
        raise ValueError(f"{text!r} is not {count} numbers")
    numbers = [int(part) for part in parts]
    if not all(low <= number <= high for number in numbers):
        raise ValueError(f"{text}; allowed are {low} to {high}")
    return numbers
