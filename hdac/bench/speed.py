"""Speed of encoder and decoder by stage, in several number formats and backends, in turn.

What counts are ratios of one run: machines differ, and are seldom idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from statistics import median

from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.files import base_units, decode, encode
from hdac.codec.synthesiser import CORES, network_for
from hdac.layers.codecs import open_decoder
from hdac.runtime.backends import open_backend
from hdac.runtime.models import ModelFile
from hdac.runtime.planes import picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Backend, Reference
from hdac.video.picture import Picture

#: Number format and device.
CONFIGURATIONS = (("int8", "cpu"), ("fp32", "cpu"), ("fp32", "torch"))
#: Pictures that a backend computes before time counts: it compiles for their size.
_WARM = 2


@dataclass(frozen=True)
class Row:
    """One stage: milliseconds a picture, median, least and most of the runs. `side_by_side`:
    pictures that were in the making at once."""

    stage: str
    precision: str
    device: str
    milliseconds: float
    least: float
    most: float
    side_by_side: int

    @property
    def pictures_per_second(self) -> float:
        return 1000 / self.milliseconds


class _Network:
    """A backend with a reference, ready to fuse."""

    def __init__(self, model: ModelFile, device: str, pictures: Sequence[Picture]) -> None:
        self.backend: Backend = open_backend(model, device, 1)
        self.backend.enter()
        self._planes = [planes_from_picture(picture) for picture in pictures]
        there = self._planes[0]
        features = self.backend.encode(there, 38)
        self._reference = Reference(there, features, self.backend.detect(there))
        self.run(_WARM)

    def run(self, count: int) -> None:
        for planes in self._planes[:count]:
            points = self.backend.detect(planes)
            self.backend.fuse(planes, 44, self._reference, points)


def _decode(stream: bytes, device: str) -> None:
    for _ in decode(stream, device=device):
        pass


def measure(
    pictures: Sequence[Picture], fps: Fraction, config: EncoderConfig, runs: int
) -> list[Row]:
    """Stages of all configurations, `runs` times in turn; `config`: of the encoder."""
    count, (height, width) = len(pictures), pictures[0].y.shape
    networks, streams = {}, {}
    for precision, device in CONFIGURATIONS:
        settings = {**vars(config), "precision": precision, "device": device}
        chosen = EncoderConfig(**settings)
        model = network_for(
            config.network, config.mode, config.tune, precision, device, config.base_scale or 1
        )
        networks[precision, device] = _Network(model, device, pictures)
        streams[precision, device] = chosen, encode(pictures, width, height, fps, chosen)
    data = streams[CONFIGURATIONS[0]][1]
    units, header = list(base_units(data)), read_stream(data)[0]

    def base() -> None:
        decoder = open_decoder(header.base_codec.name.lower(), *header.base_size)
        for unit in units:
            decoder.push(unit)

    def conversion() -> None:
        for picture in pictures:
            picture_from_planes(planes_from_picture(picture), height, width)

    stages: list[tuple[str, str, str, int, Callable[[], object]]] = [
        ("slices", "", "", 1, lambda: list(base_units(data))),
        ("base decoder", "", "", 1, base),
        ("conversion", "", "", 1, conversion),
    ]
    for (precision, device), network in networks.items():
        chosen, stream = streams[precision, device]
        stages += [
            ("network", precision, device, 1, partial(network.run, count)),
            ("decoder", precision, device, CORES, partial(_decode, stream, device)),
            (
                "encoder", precision, device, CORES,
                partial(encode, pictures, width, height, fps, chosen),
            ),
        ]  # fmt: skip
    spent: list[list[float]] = [[] for _ in stages]
    for _ in range(runs):
        for times, (*_, run) in zip(spent, stages, strict=True):
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start) / count)
    return [
        Row(stage, precision, device, median(t), min(t), max(t), side_by_side)
        for t, (stage, precision, device, side_by_side, _) in zip(spent, stages, strict=True)
    ]
