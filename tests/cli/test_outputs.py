"""Where results go: never over an input, found out before the work, and nothing half-made stays."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hdac.atomic import part_of
from hdac.cli import main as cli
from tests.conftest import Run, synthetic, write_video

BASE = ("--mode", "base", "--preset", "fast")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video `v.mkv`, the same as pictures in `f`, and its stream `s.hdac`."""
    folder = tmp_path_factory.mktemp("made")
    write_video(folder / "v.mkv", synthetic(3))
    write_video(folder / "f", synthetic(3))
    assert cli.main(["encode", f"{folder}/v.mkv", "-o", f"{folder}/s.hdac", *BASE]) == 0
    return folder


# ---- an output that is an input


@pytest.fixture
def names(made: Path, tmp_path: Path) -> Path:
    """Inputs under several names."""
    for suffix in (".mp4", ".png", ".hdac", ".csv"):
        (tmp_path / f"self{suffix}").write_bytes((made / "v.mkv").read_bytes())
        os.link(tmp_path / f"self{suffix}", tmp_path / f"hard{suffix}")
        (tmp_path / f"soft{suffix}").symlink_to(tmp_path / f"self{suffix}")
    for suffix in (".mkv", ".hevc", ".y4m"):
        (tmp_path / f"stream{suffix}").write_bytes((made / "s.hdac").read_bytes())
    write_video(tmp_path / "f", synthetic(3))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "self.mp4", "hard.mp4", "-o", "self.mp4", "-f"],
        ["compare", "self.mp4", "{v}", "-o", "hard.mp4", "-f"],
        ["compare", "{v}", "self.mp4", "-o", "soft.mp4", "-f"],
        ["compare", "{v}", "{v}", "soft.png", "-o", "self.png", "-f"],
        ["compare", "{v}", "f", "-o", "f/000001.png", "-f"],
        ["compare", "self.mp4", "{v}", "-o", "../{here}/./self.mp4", "-f"],
        ["compare", "self.mp4", "{v}", "-o", "self.mp4"],
        ["encode", "self.hdac", "-o", "self.hdac", "-f", *BASE],
        ["encode", "soft.hdac", "-o", "hard.hdac", "-f", *BASE],
        ["decode", "stream.mkv", "-o", "stream.mkv", "-f"],
        ["decode", "stream.y4m", "-o", "./stream.y4m", "-f"],
        ["export", "stream.hevc", "-o", "stream.hevc", "-f"],
        ["measure", "self.csv", "{v}", "--per-frame", "hard.csv", "-f"],
    ],
)  # fmt: skip
def test_no_output_is_an_input(
    hdac: Run, made: Path, names: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(names)
    before = {p: p.read_bytes() for p in names.rglob("*") if p.is_file()}
    words = [w.format(v=made / "v.mkv", here=names.name) for w in command]
    code, _, err = hdac(*words)
    assert (code, "is an input too" in err) == (2, True)
    assert {p: p.read_bytes() for p in names.rglob("*") if p.is_file()} == before


def test_stdin_is_an_input(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.y4m"
    path.write_bytes((made / "s.hdac").read_bytes())
    with path.open("rb") as file:
        command = [sys.executable, "-m", "hdac", "decode", "-", "-o", str(path), "-f"]
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=60)
    assert (done.returncode, b"is an input too" in done.stderr) == (2, True)
    assert path.read_bytes() == (made / "s.hdac").read_bytes()


def test_another_output_beside_the_input_is_fine(hdac: Run, made: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "f", synthetic(3))
    new = tmp_path / "f" / "sheet.png"
    assert hdac("compare", tmp_path / "f", made / "v.mkv", "-o", new)[0] == 0
    assert hdac("decode", made / "s.hdac", "-o", "/dev/null")[0] == 0


def test_compare_says_what_was_odd_in_its_sources(hdac: Run, made: Path, tmp_path: Path) -> None:
    raw = write_video(tmp_path / "v_64x48.yuv", synthetic(3))
    code, _, err = hdac("compare", made / "v.mkv", raw, "-o", tmp_path / "c.png")
    assert (code, "25 frames per second assumed" in err) == (0, True)
    assert "v.mkv: no MS-SSIM of pictures under 161 pixels a side" in err


def test_compare_names_the_stream_that_is_damaged(hdac: Run, made: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.hdac"
    bad.write_bytes((made / "s.hdac").read_bytes()[:40])
    code, _, err = hdac("compare", made / "v.mkv", bad, "-o", tmp_path / "c.png")
    assert (code, f"hdac: {bad}: " in err) == (2, True)


# ---- places that cannot be written


@pytest.mark.parametrize("verb", ["encode", "decode", "compare", "export"])
@pytest.mark.parametrize("place", ["/proc/self", "closed", "long"])
def test_a_place_that_cannot_be_written_is_found_first(
    hdac: Run, made: Path, tmp_path: Path, verb: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdac.codec.files.encode", lambda *_, **__: pytest.fail("it was coded"))
    folder = Path(place)
    if place == "closed":
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere")
        folder = tmp_path / place
        folder.mkdir(mode=0o500)
    stem = "v"
    if place == "long":
        folder, stem = tmp_path, "v" * 252
    suffix, source = {
        "encode": (".hdac", [made / "v.mkv"]), "decode": (".mkv", [made / "s.hdac"]),
        "compare": (".png", [made / "v.mkv"] * 2), "export": (".hevc", [made / "s.hdac"]),
    }[verb]  # fmt: skip
    code, out, err = hdac(verb, *source, "-o", folder / f"{stem}{suffix}")
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert "space" not in err
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*.part")) == []


LIMITED = """
import io, json, os, resource, signal, sys
from contextlib import redirect_stderr
from pathlib import Path
from hdac.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
for command in json.loads(sys.argv[1]):
    with redirect_stderr(io.StringIO()) as said:
        code = main(command)
    print(json.dumps([code, said.getvalue(), os.listdir(Path(command[-1]).parent)]))
"""


def test_a_full_disk_leaves_nothing(made: Path, tmp_path: Path) -> None:
    commands = [
        ["encode", "v.mkv", "--qp-base", "0", *BASE, "-o", "a.hdac"],
        *(["decode", "s.hdac", "-o", name] for name in ("a.mkv", "a.mp4", "a.y4m", "pictures")),
        *(["compare", "v.mkv", "s.hdac", "-o", name] for name in ("full.png", "full.mp4")),
        ["export", "s.hdac", "-o", "a.mp4"],
    ]
    words = json.dumps([[*c[:-1], str(tmp_path / c[-1])] for c in commands])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, words], cwd=made, capture_output=True, text=True, timeout=90
    )
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(results) == len(commands), done.stderr
    for (code, err, left), command in zip(results, commands, strict=True):
        assert (code, left) == (1, []), command
        assert f"hdac: {command[-1]} could not be written" in err
        assert "(File too large)" in err
        assert "free space" in err


def test_parts_of_long_names_differ_and_are_cleaned_up(tmp_path: Path) -> None:
    a, b = (part_of(tmp_path / ("n" * 240 + end)) for end in ("a.mkv", "b.mkv"))
    assert a != b
    for part in (a, b):
        part.touch()
    dead = a.with_name(a.name.replace(f"-{os.getpid()}.", "-99999999."))
    dead.touch()
    part_of(tmp_path / "other.mkv")
    assert (a.exists(), b.exists(), dead.exists()) == (True, True, False)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.hevc"), "\u65e5.hevc"])
def test_names_that_are_no_text_are_printed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["export", str(made / "s.hdac"), "-o", str(tmp_path / name)]) == 0
    assert b"3 pictures" in out.buffer.getvalue()  # type: ignore[attr-defined]
    assert (tmp_path / name).exists()
