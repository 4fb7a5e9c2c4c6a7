"""Batches of files: resumable, atomic, with a list and a summary."""

import csv
import json
from pathlib import Path

import pytest

from hdac.bench import batch
from hdac.bench.batch import (
    BatchOutcome,
    BatchTask,
    decode_tasks,
    encode_tasks,
    find_inputs,
    run_batch,
)
from hdac.errors import HdacError, UsageError
from hdac.video.reader import VideoReader
from tests.conftest import Run, batches_here, synthetic, write_video


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_encode_then_decode(tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mkv", synthetic(3))
    write_video(clips / "b.mp4", synthetic(2))
    (clips / "broken.mp4").write_bytes(b"no video at all")
    out = tmp_path / "coded"
    words = ("--out", out, "-q", "40,48", "--mode", "base", "--preset", "fast", "--json")
    code, text, err = hdac("batch", "encode", clips, *words, "-j", 2)
    assert code == 1
    told = json.loads(text)
    assert sorted(Path(p).name for p in told["made"]) == [
        "a_qp40.hdac",
        "a_qp48.hdac",
        "b_qp40.hdac",
        "b_qp48.hdac",
    ]
    assert [Path(p).name for p in told["failed"]] == ["broken.mp4"]
    assert "broken.mp4 failed" in err
    table = rows(out / "batch.csv")
    assert [r["status"] for r in table] == ["made"] * 4 + ["failed"] * 2
    assert all(int(r["bytes"]) == (out / r["output"]).stat().st_size for r in table[:4])
    assert {p.name for p in out.iterdir()} == {
        "a_qp40.hdac",
        "a_qp48.hdac",
        "b_qp40.hdac",
        "b_qp48.hdac",
        "batch.csv",
    }
    # again: what is there is kept, bytes and all; what was lost is made
    before = {p.name: p.read_bytes() for p in out.glob("*.hdac")}
    (out / "a_qp48.hdac").unlink()
    (clips / "broken.mp4").unlink()
    with pytest.MonkeyPatch.context() as patch:
        batches_here(patch)
        code, text, _ = hdac("batch", "encode", clips / "*.m*", *words, "-j", 1)
    assert code == 0
    assert [Path(p).name for p in json.loads(text)["made"]] == ["a_qp48.hdac"]
    assert {p.name: p.read_bytes() for p in out.glob("*.hdac")} == before
    code, text, _ = hdac(
        "batch",
        "decode",
        out,
        "--out",
        tmp_path / "decoded",
        "--format",
        "mkv",
        "--level",
        "base",
        "-j",
        1,
    )
    assert code == 0
    assert "4 made, 0 kept, 0 failed" in text
    assert len(list(VideoReader(tmp_path / "decoded" / "a_qp40.mkv"))) == 3


@pytest.mark.usefixtures("no_cluster")
def test_what_is_there_of_another_input_is_not_kept(tmp_path: Path, hdac: Run) -> None:
    write_video(tmp_path / "a.mp4", synthetic(2))
    write_video(tmp_path / "a.mkv", synthetic(3))
    write_video(tmp_path / "b.mkv", synthetic(1))
    out = tmp_path / "out"
    words = ("--out", out, "--mode", "base", "--preset", "fast", "-j", 1)
    code, _, err = hdac("batch", "encode", tmp_path / "a.*", *words)
    assert (code, "would both become a.hdac" in err) == (2, True)
    assert hdac("batch", "encode", tmp_path / "a.mp4", *words)[0] == 0
    assert hdac("batch", "encode", tmp_path / "b.mkv", *words)[0] == 0
    before = (out / "a.hdac").read_bytes()
    code, _, err = hdac("batch", "encode", tmp_path / "a.mkv", *words)
    assert (code, "a.hdac is there, made of a.mp4 (batch.csv), not of a.mkv" in err) == (2, True)
    assert (out / "a.hdac").read_bytes() == before
    assert hdac("batch", "encode", tmp_path / "a.mp4", *words)[0] == 0
    assert [(r["input"], r["status"]) for r in rows(out / "batch.csv")] == [
        ("b.mkv", "made"),
        ("a.mp4", "kept"),
    ]
    assert hdac("batch", "encode", tmp_path / "a.mkv", *words, "-f")[0] == 0
    assert (out / "a.hdac").read_bytes() != before


def test_a_full_disk_keeps_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [BatchTask(Path(f"{n}.mp4"), tmp_path / f"{n}.hdac", ("encode",)) for n in "ab"]

    def run_here(
        client: object, function: object, waiting: list[BatchTask], failed: object, done: object
    ) -> None:
        done(BatchOutcome(waiting[0], b"whole", 0.1, ""))  # type: ignore[operator]

        def full(self: Path, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        done(BatchOutcome(waiting[1], b"lost", 0.1, ""))  # type: ignore[operator]

    monkeypatch.setattr(batch, "run_tasks", run_here)
    with pytest.raises(HdacError, match=r"b\.hdac could not be written"):
        run_batch(tasks, 1, None, False, lambda *_: None)
    assert [p.name for p in tmp_path.iterdir()] == ["a.hdac"]
    assert (tmp_path / "a.hdac").read_bytes() == b"whole"


def test_names() -> None:
    made = encode_tasks(
        [Path("x/a.mp4")], Path("out"), [("--bitrate", "5k"), ("--bitrate", "10k")], ()
    )
    assert [t.output.name for t in made] == ["a_bitrate5k.hdac", "a_bitrate10k.hdac"]
    assert made[0].arguments == ("encode", "--bitrate", "5k")
    assert encode_tasks([Path("a.mp4")], Path("o"), [("", "")], ())[0].output.name == "a.hdac"
    with pytest.raises(
        UsageError, match=r"x/a.mp4 and y/a.mp4 would both become a.hdac; use two --out folders"
    ):
        encode_tasks([Path("x/a.mp4"), Path("y/a.mp4")], Path("o"), [("", "")], ())
    with pytest.raises(UsageError, match="would both become"):
        decode_tasks([Path("x/a.hdac"), Path("y/a.hdac")], Path("o"), ".mp4", ())
    with pytest.raises(UsageError, match="no files; give files, folders or patterns"):
        find_inputs(["nothing/*.mp4"], (".mp4",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-q", "40", "--bitrate", "5k"], "-q and --bitrate contradict each other"),
        (["-q", "99"], "--qp-base 99; allowed are 0"),
        (["-q", "4.5"], "-q 4.5; expected whole numbers"),
        (["-q", ","], "-q ','; give numbers"),
        (["--bitrate", "fast"], "--bitrate fast; expected a number"),
        (["--mode", "magic"], "--mode magic"),
        (["-j", "0"], "-j 0; allowed are 1"),
    ],
)
def test_bad_options(
    hdac: Run, clip: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    code, _, err = hdac("batch", "encode", clip, "--out", tmp_path / "o", *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "o").exists()


def test_out_is_a_file(hdac: Run, clip: Path) -> None:
    code, _, err = hdac("batch", "encode", clip, "--out", clip)
    assert (code, "is a file; name a folder" in err) == (2, True)
    code, _, err = hdac("batch", "decode", clip, "--out", clip.parent, "--format", "gif")
    assert (code, "--format gif; choose one of mp4" in err) == (2, True)
