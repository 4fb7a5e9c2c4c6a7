"""Streams that format 7 has to read for ever: a change of the format breaks these tests."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hdac.bitstream.container import VERSION, Header, Keypoints, Mode, Packet, PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.audio import Audio, pack_audio, parse_audio
from hdac.codec.files import decode, encode, inspect
from hdac.codec.syntax import (
    BaseReader,
    BaseWriter,
    EnhancementReader,
    EnhancementWriter,
    TimesReader,
    TimesWriter,
)
from hdac.runtime.models import find_model
from hdac.video.sound import decode_audio
from tests.conftest import synthetic
from tests.fuzz.mutate import taken, written
from tests.golden.make import CASES, FRAMES, HERE, MANIFEST, TIMES, record, settings, sha256

GOLDEN: dict[str, Any] = json.loads(MANIFEST.read_text())
FILES = {name: (HERE / f"{name}.hdac").read_bytes() for name in GOLDEN["files"]}
OF_BASE = [name for name in FILES if not name.startswith("animation")]


def test_the_manifest_is_of_these_files_and_this_format() -> None:
    assert GOLDEN["format"] == VERSION
    assert set(FILES) == set(CASES) == {path.stem for path in HERE.glob("*.hdac")}
    assert all(len(data) < 2000 for data in FILES.values())
    for name, entry in GOLDEN["files"].items():
        assert entry["settings"] == json.loads(json.dumps(CASES[name]))


@pytest.mark.parametrize("name", FILES)
def test_bytes_mean_the_same_pictures(name: str) -> None:
    """Of the base layer, which is exact everywhere; in mode `animation`, of the references."""
    entry = GOLDEN["files"][name]
    assert record(name, FILES[name]) == {**entry, "settings": CASES[name]}
    assert entry["frames"] == FRAMES


@pytest.mark.parametrize("name", OF_BASE)
def test_level_base(name: str) -> None:
    frames = list(decode(FILES[name], "base"))
    assert [frame.number for frame in frames] == list(range(FRAMES))
    header = frames[0].header
    if header.base_scale == 1:
        pictures = sha256(frame.picture.tobytes() for frame in frames)
        assert pictures == GOLDEN["files"][name]["base"]
    sizes = {(f.picture.width, f.picture.height) for f in frames}
    assert sizes == {header.padded_size}
    assert {f.to_rgb().shape for f in frames} == {(header.height, header.width, 3)}


@pytest.mark.parametrize("name", FILES)
def test_header_says_what_was_set(name: str) -> None:
    config, size, rate, times = settings(name)
    header = inspect(FILES[name]).header
    assert header.mode.name.lower() == config.mode
    assert config.base_codec in ("auto", header.base_codec.name.lower())
    assert (header.width, header.height) == size
    assert header.fps == Fraction(rate)
    assert header.tune.name.lower() == config.tune
    assert header.base_scale == (config.base_scale or 1)
    assert header.live == config.live
    assert header.clock == (1000 if times else 0)
    assert config.cascade in (None, header.cascade)
    if config.mode == "base":
        assert (header.motion, header.model) == (None, "")
    else:
        assert header.motion == Keypoints(10, 64)
        own = {"animation": "-animation", "perceptual": "-perceptual"}
        assert header.model == "hdac-s" + own.get(config.mode, own.get(config.tune, ""))
        assert config.precision in ("auto", header.number_format.name.lower())


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("times")])
def test_times(name: str) -> None:
    header, packets = read_stream(FILES[name])
    assert any(p.type is PacketType.TIMES for p in packets) != header.live
    if header.mode is Mode.BASE:
        assert [f.time for f in decode(FILES[name])] == [Fraction(t, 1000) for t in TIMES]


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("base")])
def test_networks_decode_it(name: str) -> None:
    """With the network of that name that is here: pictures of networks are not the same on every
    machine, and weights are replaced."""
    header, packets = taken(FILES[name])
    model = find_model(header.model, number_format=header.number_format)
    here = replace(header, model_hash=model.digest)
    data = written(here, packets)
    for level in ("fused", "animation"):
        frames = list(decode(data, level))  # type: ignore[arg-type]
        assert [frame.number for frame in frames] == list(range(FRAMES))
        assert "concealed" not in {frame.level for frame in frames}
        assert frames[0].level == "base"


class Again:
    """Writes packets again, from what was read of them."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.readers = BaseReader(header), EnhancementReader(header), TimesReader(header)
        kind = PacketType.REFERENCE if header.mode is Mode.ANIMATION else PacketType.BASE
        self.base = BaseWriter(header, kind)

    def packet(self, packet: Packet) -> list[Packet]:
        base, enhancement, times = self.readers
        if packet.type is PacketType.AUDIO:
            sound = parse_audio(packet.payload, 7)
            return [Packet(PacketType.AUDIO, pack_audio(sound, 7))]
        if packet.type is PacketType.TIMES:
            if packet.gop_start:
                self.times = TimesWriter()
            for time in times.read(packet):
                self.times.add(time)
            return self.times.take()
        if packet.type is PacketType.ENHANCEMENT:
            if packet.payload[0] & 1:
                self.enhancement = EnhancementWriter(self.header)
            for frame in enhancement.read(packet).frames:
                self.enhancement.add(*frame)
            return self.enhancement.take()
        read = base.read(packet)
        if read.gop_start:
            self.base.start(read.qp_intra, read.qp_base)
        for unit in read.units:
            self.base.add(unit)
        return self.base.take()


@pytest.mark.parametrize("name", FILES)
def test_what_was_read_is_written_as_the_same_bytes(name: str) -> None:
    """Pins the writing side too, without the encoders of the base layer."""
    header, packets = read_stream(FILES[name])
    again = Again(header)
    for packet in packets:
        assert [p.payload for p in again.packet(packet)] == [packet.payload]


def test_sound() -> None:
    """When each Opus packet is played, and its bytes."""
    packets = list(Audio(FILES["base-audio"]))
    assert [packet.time for packet in packets] == [-3, 21, 45, 69, 93]
    assert sha256(packet.data for packet in packets) == (
        "73d93b9adee0833e5dc94056ef9707e046a932058c604b58aff202e39e839a43"
    )
    heard = np.concatenate([samples for _, samples in decode_audio(packets)])
    assert 0.15 < np.sqrt((heard[2000:11_000] ** 2).mean()) < 0.25


def test_encoding_is_repeatable() -> None:
    config, (width, height), rate, _ = settings("base-hevc")
    one, two = (encode(synthetic(FRAMES), width, height, rate, config) for _ in range(2))
    assert one == two
