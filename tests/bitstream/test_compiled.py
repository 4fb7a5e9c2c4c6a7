"""Slices by compiled code: the same bytes and errors as interpreted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdac import cache
from hdac.bitstream import codecache, compiled, models, native, table
from hdac.bitstream.compiled import INTERPRETED
from hdac.bitstream.container import Packet, PacketType
from hdac.bitstream.hevc.parameters import (
    PPS_UNIT,
    SPS_UNIT,
    UnsupportedError,
    read_pps,
    read_sps,
)
from hdac.bitstream.hevc.pcm import with_flags
from hdac.bitstream.hevc.rewriting import allow_pcm
from hdac.bitstream.models import Mixer
from hdac.bitstream.nal import NalCompressor, is_slice, split
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.bitstream.recoding import HevcMixer, Recoder, SliceRecoder
from hdac.bitstream.running import Code
from hdac.bitstream.stream import read_stream
from hdac.bitstream.vvc.mixing import VvcMixer
from hdac.bitstream.vvc.recoder import VvcSliceRecoder
from hdac.codec.syntax import BaseReader, BaseWriter
from hdac.errors import DamagedError

GOLDEN = Path(__file__).parents[1] / "golden"
#: Files of each codec: Kvazaar's and x265's HEVC, libvvenc's VVC, and both in a stream.
FILES = ["base-quarter", "base-x265", "base-vvc", "base-mixed", "hybrid-auto"]


@pytest.fixture(scope="session")
def codes() -> dict[str, Code]:
    """Compiled once, into the user's cache; other processes of the tests wait for it."""
    pytest.importorskip("numba")
    folder = codecache.folder()
    folder.mkdir(parents=True, exist_ok=True)
    while not codecache.complete(folder):
        if codecache.locked(folder):
            time.sleep(0.5)
        else:
            command = [sys.executable, "-m", "hdac.bitstream.compiling", str(folder)]
            subprocess.run(command, check=True)
    return native.load(folder)


@contextmanager
def running(codes: dict[str, Code]) -> Iterator[None]:
    before, compiled._chooser.codes = compiled._chooser.codes, codes
    try:
        yield
    finally:
        compiled._chooser.codes = before


def read(data: bytes) -> list[list[bytes]]:
    """The access units of a file's packets."""
    header, packets = read_stream(data)
    reader = BaseReader(header)
    return [
        reader.read(packet).units
        for packet in packets
        if packet.type in (PacketType.BASE, PacketType.REFERENCE)
    ]


def written(data: bytes) -> list[bytes]:
    """The packets of a file's base layer, written again from what was read of them."""
    header, packets = read_stream(data)
    reader, writer, found = BaseReader(header), BaseWriter(header), list[Packet]()
    for packet in packets:
        if packet.type is PacketType.BASE:
            of = reader.read(packet)
            if of.gop_start:
                writer.start(of.qp_intra, of.qp_base)
            for unit in of.units:
                writer.add(unit)
            found += writer.take()
    return [packet.payload for packet in found]


@pytest.mark.parametrize("name", FILES)
def test_golden_files(name: str, codes: dict[str, Code]) -> None:
    data = (GOLDEN / f"{name}.hdac").read_bytes()
    with running(dict(INTERPRETED)):
        units, packets = read(data), written(data)
    with running(codes):
        assert read(data) == units
        assert written(data) == packets
    assert packets == [p.payload for p in read_stream(data)[1] if p.type is PacketType.BASE]


@pytest.mark.parametrize("name", ["base-quarter", "base-vvc", "base-mixed"])
def test_code_may_change_within_a_gop(name: str, codes: dict[str, Code]) -> None:
    data = (GOLDEN / f"{name}.hdac").read_bytes()
    header, _ = read_stream(data)
    units = [unit for packet in read(data) for unit in packet]
    codec, found = header.base_codec.name.lower(), []
    for change in (0, 2, len(units)):
        coder, slices = Writer(), Writer()
        compressor, stored = NalCompressor(codec, 4, header.base_size), []
        for number, unit in enumerate(units):
            with running(codes if number >= change else dict(INTERPRETED)):
                stored.append(compressor.write(coder, slices, unit))
        back = NalCompressor(codec, 4, header.base_size)
        reader, recoded = Reader(coder.finish()), Reader(slices.finish(), slices.bits)
        for number, unit in enumerate(units):
            with running(codes if number >= change else dict(INTERPRETED)):
                assert back.read(reader, recoded, memoryview(stored[number]))[0] == unit
        found.append((coder.finish(), slices.finish(), slices.spent, stored))
    assert found[0] == found[1] == found[2]


def payloads(name: str) -> list[bytes]:
    """The NAL units of a golden file's base layer."""
    data = (GOLDEN / f"{name}.hdac").read_bytes()
    units = [unit for packet in read(data) for unit in packet]
    return [unit.payload for data in units for unit in split(data) or []]


def recoder(name: str) -> Recoder[Any, Any, Any]:
    size = read_stream((GOLDEN / f"{name}.hdac").read_bytes())[0].base_size
    return (VvcSliceRecoder if "vvc" in name else SliceRecoder)(*size)


def parsed(name: str, units: list[bytes]) -> list[Any]:
    """What parsing says of each slice: its bins, or the error."""
    one, found = recoder(name), list[Any]()
    for unit in units:
        if not is_slice(unit[0], unit[1], "vvc" if "vvc" in name else "hevc"):
            one.parameters(unit)
            continue
        try:
            head = one._head(unit)
            bins = one._state.parse(unit[head.first :], head, 3000)
            found.append(None if bins is None else list(bins))
        except (UnsupportedError, DamagedError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def damaged(name: str, dice: random.Random) -> list[bytes]:
    """A file's NAL units, with bits of slices' data flipped, or noise or a run of bytes there."""
    codec, found = "vvc" if "vvc" in name else "hevc", []
    for unit in payloads(name):
        broken = bytearray(unit)
        if is_slice(unit[0], unit[1], codec):
            kind, first = dice.randrange(4), min(12, len(unit) - 1)
            if kind == 0:
                broken[dice.randrange(first, len(unit))] ^= 1 << dice.randrange(8)
            elif kind == 1:
                broken[first:] = dice.randbytes(dice.choice([1, 30, 300]))
            elif kind == 2:
                broken[first:] = bytes([dice.randrange(256)]) * dice.choice([10, 500])
        found.append(bytes(broken))
    return found


@pytest.mark.parametrize("name", ["base-quarter", "base-x265", "base-vvc"])
def test_damaged_slices_end_in_the_same_way(name: str, codes: dict[str, Code]) -> None:
    dice, errors = random.Random(2), set()
    for _ in range(30):
        units = damaged(name, dice)
        with running(dict(INTERPRETED)):
            one = parsed(name, units)
        with running(codes):
            assert parsed(name, units) == one
        errors.update(found for found in one if isinstance(found, str))
    assert len(errors) >= 2


@pytest.mark.parametrize("name", ["base-quarter", "base-x265", "base-vvc"])
def test_noise_for_recoded_slices_ends_in_the_same_way(name: str, codes: dict[str, Code]) -> None:
    dice, units = random.Random(4), payloads(name)

    def outcome(data: bytes, limit: int) -> list[Any]:
        one, reader, found = recoder(name), Reader(data, limit), list[Any]()
        for unit in units:
            if not is_slice(unit[0], unit[1], "vvc" if "vvc" in name else "hevc"):
                one.parameters(unit)
                continue
            try:
                found.append(one.read(reader, unit[: one._head(unit).first]))
            except DamagedError as error:
                return [*found, str(error), reader.bits_left]
        return [*found, reader.bits_left, reader.spent]

    for _ in range(20):
        data, limit = dice.randbytes(dice.choice([0, 50, 2000])), dice.choice([100, 5000, 10**6])
        with running(dict(INTERPRETED)):
            one = outcome(data, limit)
        with running(codes):
            assert outcome(data, limit) == one


@pytest.mark.parametrize("name", ["base-quarter", "base-x265"])
def test_flags_of_pcm_blocks(name: str, codes: dict[str, Code]) -> None:
    units = {unit[0] >> 1 & 63: unit for unit in payloads(name)}
    sps, pps = read_sps(allow_pcm(units[SPS_UNIT])), read_pps(units[PPS_UNIT])
    slices = [unit for unit in payloads(name) if is_slice(unit[0], unit[1], "hevc")]
    with running(dict(INTERPRETED)):
        flagged = [with_flags(unit, sps, pps) for unit in slices]
    with running(codes):
        assert [with_flags(unit, sps, pps) for unit in slices] == flagged
    assert flagged != slices


@pytest.mark.parametrize("make", [HevcMixer, VvcMixer])
def test_tables_start_with_first_guesses(make: Callable[[], Mixer]) -> None:
    """Each is found where code looks for it, also those that go round the table's end."""
    mixer = make()
    memory = mixer._first.tabled.tolist()
    for key, (probability, count) in mixer._first._guesses.items():
        at = table.place(memory, key)
        assert memory[at - 1 : at + 2] == [key + 1, probability, count]
    keys = np.arange(1 << 12)
    places, order = models._laid(keys, 1 << 12)
    assert sorted(places) == list(keys), "a full table: each place once"
    homes = table.home(keys, 1 << 12)
    assert (places < homes[order]).any(), "some went round"


@pytest.mark.parametrize("make", [HevcMixer, VvcMixer])
def test_tables_grow(make: Callable[[], Mixer]) -> None:
    """Interpreted, with many more models than first guesses."""
    code = Code(*INTERPRETED["hevc"][:2], arrays=True)
    memory = make().memory(code, 50_000).tolist()
    used, room = memory[table.USED], memory[table.ROOM]
    keys = range(1 << 33, (1 << 33) + 4 * used)
    for key in keys:
        if 2 * (memory[table.USED] + 1) > memory[table.ROOM]:
            table.grow(memory, 1)
        table.insert(memory, key, key % 1000, 7)
    assert memory[table.ROOM] > room
    assert memory[table.USED] == used + len(keys)
    assert all(memory[table.insert(memory, key, -1, 0)] == key % 1000 for key in keys)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache directory with nothing in it, and no process that fills it."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "fill_in_background", lambda folder: None)
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    return tmp_path / "cache"


def test_few_bins_ask_for_nothing(empty: Path) -> None:
    chooser = compiled._Chooser()
    chooser.count(0)
    chooser.count(59_999)
    assert not empty.exists()
    assert chooser.codes == INTERPRETED


def test_cache_is_looked_for_again(
    empty: Path, codes: dict[str, Code], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First it is not there, then incomplete, then complete."""
    asked = list[Path]()
    monkeypatch.setattr(compiled, "fill_in_background", asked.append)
    chooser = compiled._Chooser()
    chooser.count(60_000)
    assert asked == [codecache.folder()]
    assert codecache.lock(asked[0])
    chooser.count(60_000)
    assert len(asked) == 1, "another process fills it"
    monkeypatch.setattr(native, "load", lambda folder: codes)
    monkeypatch.setattr(codecache, "complete", lambda folder: True)
    chooser.count(1)
    assert chooser.codes == INTERPRETED
    chooser.count(120_000)
    assert chooser.codes == codes


@pytest.mark.parametrize("why", ["HDAC_JIT", "no Numba", "frozen"])
def test_interpreted_without_compiler(
    why: str, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "HDAC_JIT":
        monkeypatch.setenv("HDAC_JIT", "0")
    elif why == "no Numba":
        monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    chooser = compiled._Chooser()
    chooser.count(10**6)
    assert chooser.codes == INTERPRETED
    assert not empty.exists()


def test_cache_that_cannot_be_written(empty: Path) -> None:
    empty.write_text("a file where a folder should be")
    chooser = compiled._Chooser()
    with pytest.warns(RuntimeWarning, match="slices .*interpreted, with the same bytes") as found:
        list(map(chooser.count, [10**6] * 5))
    assert len(found) == 1
    assert chooser.codes == INTERPRETED


def test_cache_of_another_compiler(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What says that it is complete has no code: nothing is compiled here and now."""
    pytest.importorskip("numba")
    monkeypatch.setattr(codecache, "complete", lambda folder: True)
    chooser = compiled._Chooser()
    with pytest.warns(RuntimeWarning, match="interpreted"):
        chooser.count(10**6)
    assert chooser.codes == INTERPRETED


def test_what_does_not_compile_is_not_tried_again(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    from hdac.bitstream import compiling

    def fail(folder: Path) -> None:
        raise ValueError("a compiler that has changed")

    monkeypatch.setattr(compiling, "fill", fail)
    monkeypatch.setattr(os, "nice", lambda step: None, raising=False)
    folder = codecache.folder()
    folder.mkdir(parents=True)
    with pytest.raises(ValueError, match="has changed"):
        compiling.main(folder)
    assert "has changed" in (folder / codecache.FAILED).read_text()
    assert not codecache.locked(folder)
    asked = list[Path]()
    monkeypatch.setattr(compiled, "fill_in_background", asked.append)
    chooser = compiled._Chooser()
    chooser.count(10**6)
    chooser.count(10**9)
    assert (chooser.codes, asked) == (INTERPRETED, [])


def test_complete_caches_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    assert not codecache.complete(folder)
    (folder / f"a{codecache.SUFFIX}").write_bytes(b"code")
    codecache.finish(folder)
    assert codecache.complete(folder)
    (folder / f"a{codecache.SUFFIX}").write_bytes(b"cods")
    assert not codecache.complete(folder)
    if hasattr(os, "getuid"):
        codecache.finish(folder)
        monkeypatch.setattr(os, "getuid", lambda: -1)
        assert not codecache.complete(folder), "another user's"
        monkeypatch.undo()
    for number in range(8):
        (tmp_path / str(number)).mkdir()
    codecache.finish(folder)
    assert len(list(tmp_path.iterdir())) == 5, "old caches go"


def test_locks_go_stale(tmp_path: Path) -> None:
    assert codecache.lock(tmp_path)
    assert not codecache.lock(tmp_path)
    os.utime(tmp_path / codecache.LOCK, (1, 1))
    assert not codecache.locked(tmp_path)
    assert codecache.lock(tmp_path)
    codecache.unlock(tmp_path)
    assert not codecache.locked(tmp_path)


def test_caches_are_not_filled_for_ever(tmp_path: Path) -> None:
    for _ in range(5):
        assert not codecache.hopeless(tmp_path)
        assert codecache.lock(tmp_path)
        codecache.unlock(tmp_path)  # without a cache: the process has died
    assert codecache.hopeless(tmp_path)


def test_compiled_code_needs_no_compiler(codes: dict[str, Code]) -> None:
    """A process that codes with it imports no Numba."""
    script = (
        "import sys; from hdac.bitstream import codecache, native;"
        "native.check(codecache.folder()); sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
