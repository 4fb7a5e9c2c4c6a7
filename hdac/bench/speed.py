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
from typing import NamedTuple

from hdac.bitstream.container import PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.files import base_units, decode, encode
from hdac.codec.syntax import EnhancementReader
from hdac.codec.synthesiser import CORES, network_for
from hdac.errors import UsageError
from hdac.layers.codecs import open_decoder
from hdac.layers.resample import pad_to
from hdac.motion.kinds import open_motion
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


class _Fusion:
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


class _Animation:
    """A backend with a reference, ready to animate what a stream says."""

    def __init__(self, model: ModelFile, device: str, first: Picture, stream: bytes) -> None:
        header, packets = read_stream(stream)
        assert header.motion is not None
        reader = EnhancementReader(header)
        read = [reader.read(p) for p in packets if p.type is PacketType.ENHANCEMENT]
        self._parameters = [frame.parameters for one in read for frame in one.frames]
        backend = open_backend(model, device, 1)
        backend.enter()
        self._motion = open_motion(header.motion, model, backend, None)
        self._reference = self._motion.refer(pad_to(first, 2), 38, self._parameters[0])
        self.run(_WARM)

    def run(self, count: int) -> None:
        for parameters in self._parameters[:count]:
            self._motion.synthesise(self._reference, parameters, None)


def decode_all(stream: bytes, device: str = "cpu") -> None:
    """A stream's pictures, one after the other, kept nowhere."""
    for _ in decode(stream, device=device):
        pass


def in_turn(jobs: Sequence[Callable[[], object]], runs: int) -> list[list[float]]:
    """Seconds of each job, run by run: all of them once, all of them again, ..."""
    spent: list[list[float]] = [[] for _ in jobs]
    for _ in range(runs):
        for times, job in zip(spent, jobs, strict=True):
            start = time.perf_counter()
            job()
            times.append(time.perf_counter() - start)
    return spent


class _Coded(NamedTuple):
    config: EncoderConfig
    model: ModelFile
    stream: bytes


def _coded(
    pictures: Sequence[Picture], fps: Fraction, config: EncoderConfig
) -> dict[tuple[str, str], _Coded]:
    """By number format and device, those that the network has. Raises `UsageError` where it has
    none."""
    height, width = pictures[0].y.shape
    found, reason = dict[tuple[str, str], _Coded](), None
    for precision, device in CONFIGURATIONS:
        chosen = EncoderConfig(**{**vars(config), "precision": precision, "device": device})
        try:
            model = network_for(
                config.network, config.mode, config.tune, precision, device, config.base_scale or 1
            )
        except UsageError as error:
            reason = reason or error
            continue
        stream = encode(pictures, width, height, fps, chosen)
        found[precision, device] = _Coded(chosen, model, stream)
    if not found and reason:
        raise reason
    return found


def measure(
    pictures: Sequence[Picture], fps: Fraction, config: EncoderConfig, runs: int
) -> list[Row]:
    """Stages of all configurations, `runs` times in turn; `config`: of the encoder. Raises
    `UsageError` for a network that does not serve it."""
    count, (height, width) = len(pictures), pictures[0].y.shape
    coded = _coded(pictures, fps, config)
    data = next(iter(coded.values())).stream
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
    for (precision, device), (chosen, model, stream) in coded.items():
        network = (
            _Animation(model, device, pictures[0], stream)
            if config.mode == "animation"
            else _Fusion(model, device, pictures)
        )
        stages += [
            ("network", precision, device, 1, partial(network.run, count)),
            ("decoder", precision, device, CORES, partial(decode_all, stream, device)),
            (
                "encoder", precision, device, CORES,
                partial(encode, pictures, width, height, fps, chosen),
            ),
        ]  # fmt: skip
    spent = [
        [1000 * seconds / count for seconds in times]
        for times in in_turn([run for *_, run in stages], runs)
    ]
    return [
        Row(stage, precision, device, median(t), min(t), max(t), side_by_side)
        for t, (stage, precision, device, side_by_side, _) in zip(spent, stages, strict=True)
    ]
