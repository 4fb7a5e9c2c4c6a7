"""`--gfv`, and .266 files, on the command line."""

import json
from pathlib import Path

import pytest

from hdac.cli.main import main
from hdac.video.ffmpeg import has_encoder
from tests.conftest import Run, synthetic, write_video

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video `v.mkv`, its stream `s.hdac` and that as `s.266`."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    folder = tmp_path_factory.mktemp("gfv")
    write_video(folder / "v.mkv", synthetic(4))
    settings = ["--mode", "animation", "--model", "hdac-s", "--qp-intra", "36"]
    video, stream = str(folder / "v.mkv"), str(folder / "s.hdac")
    assert main(["encode", video, "-o", stream, "--base-codec", "vvc", *settings]) == 0
    assert main(["encode", video, "-o", str(folder / "s.266"), *settings]) == 0
    return folder


def test_export_is_what_encode_writes(hdac: Run, made: Path, tmp_path: Path) -> None:
    code, out, _ = hdac("export", made / "s.hdac", "-o", tmp_path / "e.266", "--gfv", "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["pictures"], said["messages"]) == (1, 4)
    assert said["gfv_kbps"] > said["hdac_kbps"] > 0
    assert (tmp_path / "e.266").read_bytes() == (made / "s.266").read_bytes()


def test_it_decodes_to_the_same_pictures(hdac: Run, made: Path, tmp_path: Path) -> None:
    for name in ("s.hdac", "s.266"):
        assert hdac("decode", made / name, "-o", tmp_path / f"{name}.y4m")[0] == 0
    assert (tmp_path / "s.hdac.y4m").read_bytes() == (tmp_path / "s.266.y4m").read_bytes()
    code, out, _ = hdac("decode", made / "s.266", "-o", tmp_path / "b.y4m", "--level", "base")
    assert (code, "1 frames of 64x48 (1 base)" in out) == (0, True)


def test_info(hdac: Run, made: Path) -> None:
    code, out, _ = hdac("info", made / "s.266")
    assert (code, "10 in 2D (4 times)" in out, "hdac:hdac-s-animation-" in out) == (0, True, True)
    code, out, _ = hdac("info", made / "s.266", "--json")
    assert (code, json.loads(out)["messages"]) == (0, 4)
    code, out, _ = hdac("info", made / "s.266", "--messages")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["gfv_cnt"] for line in lines] == [0, 1, 2, 3]
    assert len(lines[0]["coordinates"]["points"]) == 10


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["export", "{golden}/hybrid-hevc.hdac", "-o", "{out}/x.266", "--gfv"],
         "encode with --base-codec vvc"),
        (["export", "{golden}/hybrid-vvc.hdac", "-o", "{out}/x.vvc", "--gfv"],
         "choose one of .266"),
        (["export", "{golden}/hybrid-vvc.hdac", "-o", "-", "--gfv"], "give a file name, .266"),
        (["export", "{golden}/hybrid-vvc.hdac", "-o", "{out}/x.266"], "choose one of .vvc, .mp4"),
        (["encode", "{out}/v.mkv", "-o", "{out}/x.266", "--base-codec", "hevc"],
         "needs --base-codec vvc"),
        (["encode", "{out}/v.mkv", "-o", "{out}/x.266", "--mode", "base"], "--mode hybrid or"),
        (["decode", "{golden}/base-hevc.hdac", "-o", "{out}/x.y4m", "--model", "hdac-s"],
         "names its own network"),
        (["info", "{golden}/base-hevc.hdac", "--messages"], "export it with --gfv"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(hdac: Run, tmp_path: Path, command: list[str], words: str) -> None:
    code, _, err = hdac(*(word.format(golden=GOLDEN, out=tmp_path) for word in command))
    assert (code, words in err) == (2, True), err
