"""Sets of clips: found by name, known by hash."""

import json
import re
from pathlib import Path

import pytest

from hdac.bench.codecs import load_codec
from hdac.bench.datasets import file_hash, find_sources
from hdac.bench.point import PointTask, find_clip
from hdac.errors import UsageError
from tests.conftest import Run, synthetic, write_video


def test_carphone_is_always_there() -> None:
    (source,) = find_sources("carphone")
    assert (source.name, source.media) == ("carphone", "public")
    assert source.sha256 == file_hash(source.path)


def test_talking_heads(data: Path) -> None:
    sources = find_sources("talking-heads:test", str(data.parent))
    assert len(sources) == 12
    assert {s.media for s in sources} == {"private"}
    (one,) = find_sources("talking-heads:val", str(data), (sources and "ct_id108_0",))
    assert one.path.name == "ct_id108_0.mp4"
    with pytest.raises(UsageError, match="has no sequence nobody"):
        find_sources("talking-heads:val", str(data), ("nobody",))


def test_missing_data_says_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hdac: Run
) -> None:
    monkeypatch.delenv("HDAC_DATA", raising=False)
    with pytest.raises(UsageError, match=r"where is it\? Give --data DIR or set HDAC_DATA"):
        find_sources("talking-heads:test")
    with pytest.raises(UsageError, match="is missing below"):
        find_sources("talking-heads:test", str(tmp_path))
    with pytest.raises(UsageError, match="voxceleb-test: where is it"):
        find_sources("voxceleb-test")
    write_video(tmp_path / "holiday.mkv", synthetic(2))  # which is in none of these sets
    for name, hint in (("gfvc", "4:2:0 sequences"), ("voxceleb-test", "256x256 crops")):
        below = tmp_path / name.replace("-", "_")
        with pytest.raises(
            UsageError, match=rf"{name}: {re.escape(str(below))} is no folder. Put .*{hint}"
        ):
            find_sources(name, str(tmp_path))
        below.mkdir()
        for data in (tmp_path, below):
            with pytest.raises(UsageError, match=rf"{name}: .* no videos in it.* Put .*{hint}"):
                find_sources(name, str(data))
    code, out, _ = hdac("datasets", "verify")
    assert code == 0
    assert "carphone: 1 of 1 clips are there" in out
    code, _, err = hdac("datasets", "verify", "talking-heads")
    assert (code, "HDAC_DATA" in err) == (2, True)


def test_list_and_verify(hdac: Run, tmp_path: Path) -> None:
    code, out, _ = hdac("datasets", "list")
    assert code == 0
    assert {"carphone", "bikes", "talking-heads", "voxceleb-test", "gfvc", "folder:PATH"} <= {
        line.split()[0] for line in out.splitlines()
    }
    code, out, _ = hdac("datasets", "list", "carphone", "--json")
    assert json.loads(out)["sequences"][0]["frames"] == 120
    code, out, _ = hdac("datasets", "verify", "carphone", "bikes")
    assert (code, "carphone: 1 of 1" in out, "bikes: 1 of 1" in out) == (0, True, True)


def test_prepare_fixes_a_set_by_its_hashes(hdac: Run, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mkv", synthetic(4))
    out = tmp_path / "set"
    code, text, _ = hdac(
        "datasets",
        "prepare",
        f"folder:{clips}",
        "--out",
        out,
        "--scale",
        "48x48",
        "--frames",
        2,
        "--json",
    )
    assert code == 0
    recipe = json.loads(text)["recipe"]
    (source,) = find_sources(recipe)
    assert (source.name, source.media) == ("a", "private")
    code, _, err = hdac("datasets", "prepare", f"folder:{clips}", "--out", out)
    assert (code, "dataset.toml exists" in err) == (2, True)
    (out / "a.mkv").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"a.mkv has SHA-256 .* the recipe says"):
        find_sources(recipe)
    code, text, _ = hdac("datasets", "verify", recipe)
    assert (code, "0 of 1 clips are there" in text) == (1, True)


def test_nodes_without_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node takes the clip from where the recipe saw it, from its own HDAC_DATA, from the task, or
    says what is missing."""
    (source,) = find_sources("carphone")
    name = f"[a] {source.path.name}"
    elsewhere = type(source)(source.name, Path("/not/here") / name, source.sha256)
    task = PointTask("p", "k", elsewhere, load_codec("x265-tuned"), 30, 1, ("psnr-y",), "c")
    monkeypatch.delenv("HDAC_DATA", raising=False)
    with pytest.raises(
        UsageError,
        match=r"no \[a\] carphone_pristine.mp4 with SHA-256 1c4add7838b0\.\.\. and it is too large",
    ):
        find_clip(task, tmp_path)
    sent = PointTask(**{**vars(task), "data": source.path.read_bytes()})
    assert file_hash(find_clip(sent, tmp_path)) == source.sha256
    own = tmp_path / "data" / "deep"
    own.mkdir(parents=True)
    (own / name).write_bytes(source.path.read_bytes())
    monkeypatch.setenv("HDAC_DATA", str(tmp_path / "data"))
    assert find_clip(task, tmp_path) == own / name
