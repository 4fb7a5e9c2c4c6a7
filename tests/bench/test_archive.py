"""Points of codecs that this machine lacks, made where they are."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from hdac.bench.archive import read_archive, write_archive
from hdac.bench.codecs import Anchor
from hdac.bench.experiment import load_experiment
from hdac.bench.results import Store
from hdac.cli.main import main
from tests.bench.conftest import experiment, run_inline, write_clips, x264
from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("inline")

ROOT = Path(__file__).parents[2]
SOFTWARE = 'software = "x264 1"\n'
ABSENT = 'needs = ["no-such-program"]\n'


def reports(out: Path) -> list[dict[str, str]]:
    with (out / "rd.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two clips, the run of codecs a and b, and an archive of b's points."""
    folder = tmp_path_factory.mktemp("archive")
    clips, whole = write_clips(folder), folder / "whole"
    recipe = experiment(folder, clips, x264("a") + x264("b") + SOFTWARE)
    with pytest.MonkeyPatch.context() as patch:
        run_inline(patch)
        command = ("experiment", "run", recipe, "--out", whole, "--no-players")
        assert main([str(word) for word in command]) == 0
    codec = load_experiment(str(recipe)).codecs[1]
    assert isinstance(codec, Anchor)
    records = [
        record
        for name in Store(whole).names()
        if "_b_" in name and (record := Store(whole).load(name)) is not None
    ]
    write_archive(folder / "b.jsonl", "a machine with b", codec, records)
    return folder


@pytest.fixture
def clips(made: Path, tmp_path: Path) -> Path:
    """A folder of two clips."""
    return shutil.copytree(made / "clips", tmp_path / "clips")


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Path:
    """Points of codec b, and `whole`: the run that they are from."""
    shutil.copytree(made / "whole", tmp_path / "whole")
    return Path(shutil.copy(made / "b.jsonl", tmp_path))


def test_points_of_fewer_frames_than_here_are_not_taken(
    made: Path, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    """An experiment of all frames: a mean would be of other pictures."""
    short = {"frames": 2, "anchors": '["b"]'}
    recipe = experiment(tmp_path, clips, x264("b") + SOFTWARE, '["b"]', **short)
    out = tmp_path / "short"
    assert hdac("experiment", "run", recipe, "--out", out, "--no-players")[0] == 0
    codec = load_experiment(str(recipe)).codecs[0]
    assert isinstance(codec, Anchor)
    records = [Store(out).load(name) or {} for name in Store(out).names()]
    write_archive(tmp_path / "short.jsonl", "elsewhere", codec, records)
    code, said = lacking(
        tmp_path, clips, hdac, x264("b") + SOFTWARE, "--archive", tmp_path / "short.jsonl"
    )
    assert code == 2
    assert "2 frames; points here have" in said


def lacking(tmp_path: Path, clips: Path, hdac: Run, b: str, *words: object) -> tuple[int, str]:
    recipe, out = experiment(tmp_path, clips, x264("a") + b + ABSENT), tmp_path / "out"
    code, _, said = hdac("experiment", "run", recipe, "--out", out, "--no-players", *words)
    return code, said


def test_archived_points_stand_in_every_table(
    archive: Path, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    code, _ = lacking(tmp_path, clips, hdac, x264("b") + SOFTWARE, "--archive", archive)
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert code == 0
    rows = [{k: v for k, v in row.items() if "seconds" not in k} for row in reports(out)]
    before = [{k: v for k, v in row.items() if "seconds" not in k} for row in reports(whole)]
    assert sorted(map(str, rows)) == sorted(map(str, before))
    assert (out / "bd.csv").read_bytes() == (whole / "bd.csv").read_bytes()
    told = (out / "bd.md").read_text()
    assert "Made elsewhere: b (8 points of b.jsonl: a machine with b)." in told
    assert "| b (archived) |" in told
    assert "| a |" in told
    # without the archive the row is gone, and said; a report may have it too
    assert lacking(tmp_path, clips, hdac, x264("b") + SOFTWARE)[0] == 0
    assert "Not run: b (not on PATH: no-such-program)." in (out / "bd.md").read_text()
    recipe = tmp_path / "e.toml"
    words = ("experiment", "report", out, "--no-players", "--archive", archive)
    assert hdac(*words, "--recipe", recipe)[0] == 0
    assert (out / "bd.csv").read_bytes() == (whole / "bd.csv").read_bytes()
    code, _, said = hdac(*words)
    assert code == 2
    assert "there is no recipe of b here" in said


@pytest.mark.parametrize(
    ("b", "reason"),
    [
        (x264("b") + 'software = "x264 2"\n', "b of x264 1; the recipe is for x264 2"),
        (x264("b"), "b of x264 1; the recipe is for any"),
        (x264("b", "faster") + SOFTWARE, "b was run by another recipe"),
        (x264("c") + SOFTWARE, "the experiment has no b"),
    ],
)
def test_points_of_others_are_refused(
    b: str, reason: str, archive: Path, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    names = '["a", "c"]' if "codec.c" in b else '["a", "b"]'
    recipe, out = experiment(tmp_path, clips, x264("a") + b + ABSENT, names), tmp_path / "out"
    code, _, said = hdac(
        "experiment", "run", recipe, "--out", out, "--no-players", "--archive", archive
    )
    assert code == 2
    assert f"8 points not taken: {reason}" in said
    assert not [name for name in Store(out).names() if "_b_" in name]


def test_a_codec_that_runs_here_is_not_taken_from_elsewhere(
    archive: Path, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    recipe = experiment(tmp_path, clips, x264("a") + x264("b") + SOFTWARE)
    code, _, said = hdac(
        "experiment", "run", recipe, "--out", tmp_path / "o", "--no-players", "--archive", archive
    )
    assert code == 2
    assert "b runs here" in said


def test_other_clips_are_said(archive: Path, tmp_path: Path, clips: Path, hdac: Run) -> None:
    (clips / "p.mkv").write_bytes((clips / "q.mkv").read_bytes())
    code, said = lacking(tmp_path, clips, hdac, x264("b") + SOFTWARE, "--archive", archive)
    assert "4 points not taken: p is another clip here" in said
    assert code == 0
    assert "1/2 clips" in (tmp_path / "out" / "bd.md").read_text()


@pytest.mark.parametrize(
    "change", ["rate", "software", "line", "text", "schema", "number", "folder", "gone"]
)
def test_altered_archives_are_refused(
    change: str, archive: Path, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    lines = archive.read_text().splitlines()
    point = json.loads(lines[3])
    if change == "rate":
        point["record"]["results"]["bitrate"][0] *= 0.9
    elif change == "software":
        point["software"] = "x264 2"
    lines[3] = json.dumps(point)
    if change == "line":
        lines[3] = lines[3][:-40]
    elif change in ("text", "number"):
        lines = ["no archive" if change == "text" else "7"]
    elif change == "schema":
        lines[0] = lines[0].replace("hdac-archive/1", "hdac-archive/9")
    archive.write_text("\n".join(lines))
    if change in ("folder", "gone"):
        archive.unlink()
    if change == "folder":
        archive.mkdir()
    code, said = lacking(tmp_path, clips, hdac, x264("b") + SOFTWARE, "--archive", archive)
    assert code == 2
    assert str(archive) in said
    assert ("line 4: the point was altered" in said) == (change in ("rate", "software"))


def test_the_shipped_archive_is_of_the_shipped_recipes() -> None:
    from hdac.bench.archive import recipe_hash
    from hdac.bench.codecs import load_codec

    points = read_archive(ROOT / "results" / "reference_software.jsonl").points
    assert {p["codec"] for p in points} == {"hm-ldb", "vtm-ldb"}
    for point in points:
        codec = load_codec(point["codec"])
        assert isinstance(codec, Anchor)
        assert (point["software"], point["recipe"]) == (codec.recipe.software, recipe_hash(codec))
        assert point["record"]["value"] in codec.recipe.points
