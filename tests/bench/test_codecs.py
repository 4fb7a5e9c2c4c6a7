"""Anchors and hdac as command lines."""

import importlib.metadata
import itertools
import os
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

import hdac
from hdac.bench.codecs import CODE, Anchor, AnchorRecipe, Hdac, HdacRecipe, Job, load_codec
from hdac.bench.environment import _code_version, code_version, code_was_edited
from hdac.codec.operating import default_qp_intra
from hdac.errors import UsageError
from hdac.layers.base import CASCADE
from tests.scripts import ROOT

JOB = Job(
    Path("/x/source.yuv"),
    Path("/x/coded.bin"),
    Path("/x/decoded.yuv"),
    256,
    256,
    Fraction(30000, 1001),
    9,
    32,
)


def words(command: list[str]) -> str:
    return " ".join(command)


def test_ffmpeg_anchor() -> None:
    command = load_codec("x265-tuned").encode_command(JOB)
    text = words(command)
    raw = "-f rawvideo -pix_fmt yuv420p -r 30000/1001 -s 256x256 -i /x/source.yuv"
    assert f"{raw} -c:v libx265 -preset veryslow -tune psnr" in text
    assert text.endswith("qp=32 -f hevc /x/coded.bin")
    assert words(load_codec("x265-tuned").decode_command(JOB)).endswith(
        "-f rawvideo /x/decoded.yuv"
    )


def test_best_anchor_has_the_qps_of_our_base_layer() -> None:
    text = words(load_codec("x265-best").encode_command(JOB))
    ratio = float(text.split("ipratio=")[1].split(":")[0].split()[0])
    assert 2 ** ((32 - default_qp_intra(32)) / 6) == pytest.approx(ratio)
    zones = {
        int(z.split(",")[0]): int(z.split("q=")[1])
        for z in text.split("zones=")[1].split()[0].split("/")
    }
    assert zones == {
        i + 1: 32 + CASCADE[(i - 1) % len(CASCADE)]
        for i in range(1, 9)
        if CASCADE[(i - 1) % len(CASCADE)]
    }


@pytest.mark.parametrize(
    ("name", "program"), [("hm-ldb", "TAppEncoderStatic"), ("vtm-ldb", "EncoderAppStatic")]
)
def test_reference_software(
    name: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    codec = load_codec(name)
    assert isinstance(codec, Anchor)
    command = codec.encode_command(JOB)
    assert command[0] == program
    config = Path(command[command.index("-c") + 1])
    frames = [line for line in config.read_text().splitlines() if line.startswith("Frame")]
    assert len(frames) == 8
    assert [line.split()[2] for line in frames] == [str(i) for i in range(1, 9)]
    pairs = {
        ("-wdt", "256"),
        ("-hgt", "256"),
        ("-fr", "30"),
        ("-f", "9"),
        ("-q", "32"),
        ("-i", "/x/source.yuv"),
        ("-b", "/x/coded.bin"),
    }
    assert pairs <= set(itertools.pairwise(command))
    assert "not on PATH" in str(codec.unavailable())
    assert program in str(codec.unavailable())
    for needed in codec.recipe.needs:
        (tmp_path / needed).write_text("#!/bin/sh\necho version 1\n")
        (tmp_path / needed).chmod(0o755)
    assert codec.unavailable() is None
    assert config.name in codec.decides()["files"]


def test_hdac_is_a_codec() -> None:
    codec = Hdac("h", HdacRecipe("t", (4,), "bitrate", mode="animation", level="animation"))
    text = words(codec.encode_command(JOB))
    raw = "encode /x/source.yuv --size 256x256 --fps 30000/1001 --no-audio"
    assert f"{raw} -o /x/coded.bin --json --mode animation" in text
    assert "--bitrate 32k" in text
    assert "--precision auto" in text
    assert words(codec.decode_command(JOB)).endswith(
        "decode /x/coded.bin -o /x/decoded.yuv --level animation --json"
    )
    assert codec.unavailable() is None
    assert "unknown model" in str(Hdac("h", HdacRecipe("t", (4,), model="hdac-xxl")).unavailable())


def test_what_decides_a_result() -> None:
    a, b = (Hdac("h", HdacRecipe("t", (4,), refresh=r)) for r in ("auto", "never"))
    assert a.decides() != b.decides()
    assert a.decides() == Hdac("other", HdacRecipe("another title", (9,), base="b")).decides()


def test_code_version_ignores_comments_and_layout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = []
    texts = ('"""a"""\nx = 1\n', '"""b"""\n# why\nx  =  1\n', '"""c"""\nx = 2\n')
    for i, text in enumerate(texts):
        (tmp_path / f"{i}").mkdir()
        (tmp_path / f"{i}" / "m.py").write_text(text)
        monkeypatch.setattr(hdac, "__file__", str(tmp_path / f"{i}" / "__init__.py"))
        versions.append(code_version("m"))
    assert versions[0] == versions[1] != versions[2]


def test_code_that_is_edited_while_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hdac, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "m.py").write_text("x = 1\n")
    assert not code_was_edited("m")
    os.utime(tmp_path / "m.py", (1, 1))
    assert code_was_edited("m")


@pytest.mark.parametrize(
    ("model", "decides"),
    [
        ("hdac-face", {"landmarks"}),
        ("motion-spade-map", {"landmarks"}),
        ("fv2v", {"landmarks"}),
        ("cfte", set()),
        ("dac-w4", {"torch"}),
    ],
)
def test_what_runs_a_network_and_finds_landmarks_for_it_decides(
    model: str, decides: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDAC_MODELS", str(ROOT / "models"))
    found = Hdac("h", HdacRecipe("t", (4,), mode="animation", model=model)).decides()
    assert {"landmarks"} & found.keys() | {"torch"} & found["libraries"].keys() == decides


def test_the_cascade_of_ours_decides_an_anchor_that_has_it() -> None:
    found = {name: load_codec(name).decides() for name in ("x265-best", "x265-tuned")}
    assert [name for name, decides in found.items() if "cascade" in decides] == ["x265-best"]


@pytest.mark.parametrize("module", ["movie", "opened", "stills", "filters", "timing", "remux"])
def test_how_videos_are_read_and_written_decides_a_result(module: str, tmp_path: Path) -> None:
    video = tuple(part for part in CODE if part.split("/")[0] == "video")
    shutil.copytree(Path(hdac.__file__).parent / "video", tmp_path / "a" / "video")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with (tmp_path / "b" / "video" / f"{module}.py").open("a") as file:
        file.write("CHANGED = 1\n")
    assert _code_version(tmp_path / "a", video) != _code_version(tmp_path / "b", video)


def test_code_that_is_edited_while_it_runs_is_what_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Points of one run were of two versions, or failed on half a file, while somebody edited."""
    monkeypatch.setattr(hdac, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "m.py").write_text("x = 1\n")
    before = code_version("m")
    (tmp_path / "m.py").write_text("x = (\n")
    assert code_version("m") == before


def test_bad_rate_point_and_placeholder() -> None:
    with pytest.raises(UsageError, match="x265-tuned: qp 99; allowed are 0 to 51"):
        load_codec("x265-tuned").encode_command(Job(**{**vars(JOB), "value": 99}))
    anchor = Anchor("a", AnchorRecipe("t", ("enc", "{wdith}"), ("dec",), ".x", (1,)), Path())
    with pytest.raises(
        UsageError,
        match=r"anchor a: '{wdith}' has an unknown placeholder 'wdith'; known are source, stream",
    ):
        anchor.encode_command(JOB)


def test_encoder_that_this_ffmpeg_lacks() -> None:
    anchor = Anchor(
        "a", AnchorRecipe("t", ("enc",), ("dec",), ".x", (1,), encoder="libx277"), Path()
    )
    assert "no libx277; set HDAC_FFMPEG" in str(anchor.unavailable())


@pytest.mark.parametrize("library", ["av", "numpy", "openvino"])
def test_a_point_of_other_libraries_is_another(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    codec, anchor = load_codec("hdac-base"), load_codec("x265-tuned")
    before = codec.decides(), anchor.decides()
    version = importlib.metadata.version
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "0.0.1" if name == library else version(name)
    )
    assert codec.decides() != before[0]
    assert (anchor.decides() != before[1]) == (library != "openvino")


def test_a_point_of_another_x265_libavcodec_or_ffmpeg_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hevc, auto = load_codec("hdac-hybrid"), load_codec("hdac-hybrid-auto")
    before = hevc.decides(), auto.decides()
    monkeypatch.setattr("av.library_versions", {"libavcodec": (1, 2, 3)})
    assert hevc.decides()["libraries"]["libavcodec"] == "1.2.3"
    monkeypatch.undo()
    assert (hevc.decides(), auto.decides()) == before
    monkeypatch.setattr("hdac.bench.codecs.tool_version", lambda _: "another FFmpeg")
    assert (hevc.decides() == before[0], auto.decides() == before[1]) == (True, False)
    assert "x265 (build" in hevc.decides()["x265"]
    monkeypatch.setattr("hdac.bench.codecs.x265_version", lambda: "another x265")
    assert hevc.decides() != before[0]
