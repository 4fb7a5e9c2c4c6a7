"""Where results go: never over an input, found out before the work, and nothing half-made stays."""

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


LIMIT = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
from hdac.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["encode", "v.mkv", "-o", "{}/a.hdac", "--qp-base", "0", *BASE],
        ["decode", "s.hdac", "-o", "{}/a.mkv"], ["decode", "s.hdac", "-o", "{}/a.mp4"],
        ["decode", "s.hdac", "-o", "{}/a.y4m"], ["decode", "s.hdac", "-o", "{}/pictures"],
        ["compare", "v.mkv", "s.hdac", "-o", "{}/full.png"],
        ["compare", "v.mkv", "s.hdac", "-o", "{}/full.mp4"],
        ["export", "s.hdac", "-o", "{}/a.mp4"],
    ],
)  # fmt: skip
def test_a_full_disk_leaves_nothing(made: Path, tmp_path: Path, command: list[str]) -> None:
    words = [w.format(tmp_path) for w in command]
    done = subprocess.run(
        [sys.executable, "-c", LIMIT, *words], cwd=made, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, os.listdir(tmp_path)) == (1, []), done.stderr
    assert "could not be written (File too large)" in done.stderr
    assert "free space" in done.stderr
    assert "Traceback" not in done.stderr


def test_parts_of_long_names_differ_and_are_cleaned_up(tmp_path: Path) -> None:
    a, b = (part_of(tmp_path / ("n" * 240 + end)) for end in ("a.mkv", "b.mkv"))
    assert a != b
    for part in (a, b):
        part.touch()
    dead = a.with_name(a.name.replace(f"-{os.getpid()}.", "-99999999."))
    dead.touch()
    part_of(tmp_path / "other.mkv")
    assert (a.exists(), b.exists(), dead.exists()) == (True, True, False)


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_that_are_no_text_are_printed(made: Path, tmp_path: Path, encoding: str) -> None:
    for name in (os.fsdecode(b"caf\xe9.hdac"), "\u65e5.hdac"):
        command = [sys.executable, "-m", "hdac", "encode", "v.mkv", "-o", str(tmp_path / name)]
        done = subprocess.run(
            [*command, *BASE], cwd=made, capture_output=True, timeout=60,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"3 frames" in done.stdout
        assert (tmp_path / name).exists()
