"""Names of clips and codecs are data: they are read as markup, numbers or places nowhere."""

import csv
import io
import json
import lzma
import re
import shutil
import tomllib
import warnings
from pathlib import Path

import openpyxl
import pytest

from hdac.bench.analysis import load
from hdac.bench.cells import csv_text, markdown, unquoted
from hdac.bench.compressai import write_aggregates
from hdac.bench.datasets import find_sources, load_dataset
from hdac.bench.figures import rd_figure, sequences_figure
from hdac.bench.latex import tex
from hdac.bench.plots import STYLE
from hdac.bench.prepare import Wanted, prepare
from hdac.bench.report import write_report
from hdac.bench.results import FRAMES
from hdac.bench.tables import write_tables
from hdac.bench.workbook import workbook
from tests.bench.conftest import experiment, results_folder, x264
from tests.conftest import Run, synthetic, write_video

NAMES = (
    "a$b", "$x$", "$\\frac", "_under", "_", "c#d", "#", "e^f", "g|h", "i\\j", "\\", 'k"l', '"',
    "=1+1", "-x", "+", "@m", "{n}", "%s", "o%p", "~", "<b>q", "[r]", "*s*", "`t`", "é", "日本",
    "u v", "w&x", "'y'", "%{z}", "long" * 55,
)  # fmt: skip
CODECS = tuple(n for n in NAMES if "\\" not in n)
FEW = CODECS[:8]
SCORES = (28.0, 31.0, 34.0, 37.0)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of clips and codecs with such names, and their tables."""
    folder = tmp_path_factory.mktemp("names") / "out"
    points = {
        (clip, codec, 40 - i): (10.0 * 2**i / (1 + 0.1 * j), {"psnr-y": s})
        for clip, codecs in ((NAMES[0], FEW), *((n, FEW[:1]) for n in NAMES[1:]))
        for j, codec in enumerate(codecs)
        for i, s in enumerate(SCORES)
    }
    results_folder(folder, points)
    write_tables(load(folder))
    return folder


def test_csv_and_xlsx_give_names_back(hostile: Path) -> None:
    with (hostile / "rd.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    assert {unquoted(r[0]) for r in rows} == set(NAMES)
    assert {unquoted(r[1]) for r in rows} == set(FEW)
    assert not any(r[0].startswith(("=", "-", "+", "@")) for r in rows)
    sheet = openpyxl.load_workbook(hostile / "tables.xlsx")["RD"]
    assert {row[0].value for row in sheet.iter_rows(min_row=2)} == set(NAMES)
    assert {row[0].data_type for row in sheet.iter_rows(min_row=2)} == {"s"}
    write_tables(load(hostile))
    assert (hostile / "rd.csv").read_text(encoding="utf-8").count("\n") == len(rows) + 1


def test_kept_rows_are_found_under_any_name(hostile: Path) -> None:
    """A clone has tables, but no values of frames: those of before stay."""
    head = "sequence,codec,value,frame,psnr-y"
    rows = [[n, CODECS[0], 40, 0, 1.5] for n in NAMES]
    (hostile / FRAMES).write_bytes(lzma.compress(csv_text(head.split(","), rows).encode()))
    write_tables(load(hostile))
    with lzma.open(hostile / FRAMES, "rt", newline="", encoding="utf-8") as file:
        assert {unquoted(r[0]) for r in [*csv.reader(file)][1:]} == set(NAMES)


def test_markdown_cells_stay_cells(hostile: Path) -> None:
    for line in (hostile / "bd.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| long"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, len(FEW) + 1, 6)
    for name in NAMES:
        (row,) = markdown(["h"], [[name]]).splitlines()[2:]
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 2
        assert re.sub(r"\\([^A-Za-z0-9 ])", r"\1", row)[2:-2] == name


@pytest.mark.parametrize("name", NAMES)
def test_latex_of_names(name: str) -> None:
    cell = tex(name)
    assert "\n" not in cell
    bare = re.sub(
        r"\\(?:textbackslash|textasciitilde|textasciicircum|textbar|textless|textgreater)\{\}",
        "",
        cell,
    )
    assert not re.search(r"(?<!\\)[%_&$#]|[\^~|<>]", bare)
    assert bare.count("{") == bare.count("}")
    assert not re.match(r"[\[*]", cell)


def test_plots_show_every_name(tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    points = {
        (clip, codec, 40 - i): (10.0 * 2**i, {"psnr-y": s})
        for clip, codecs in (("$\\frac", CODECS), ("_x", ("$x$", "_")), ("y" * 230, ("a$b",)))
        for codec in codecs
        for i, s in enumerate(SCORES)
    }
    run = load(results_folder(tmp_path, points))
    with plt.style.context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph|.*constrained_layout|.*Tight layout")
        for figure in (rd_figure(run, "psnr-y", []), sequences_figure(run, "psnr-y")):
            figure.savefig(io.BytesIO(), format="png")
            (legend,) = figure.legends
            texts = [t.get_text().strip().partition(" (")[0] for t in legend.get_texts()]
            assert texts[:-1] == list(CODECS[:-1])
            assert len(texts[-1]) <= 40
            assert not any(t.get_parse_math() for t in legend.get_texts())
            plt.close(figure)


def test_report(hostile: Path) -> None:
    run = load(hostile)
    (page,) = write_report(run, write_tables(run), [], with_players=False)
    text = page.read_text(encoding="utf-8")
    assert "<b>q" not in text
    names = [
        json.loads(p.read_text())["name"] for p in hostile.glob("*.json") if p.stem != "experiment"
    ]
    assert names == []  # not complete: some codecs have one clip only


def test_every_codec_has_an_aggregate_of_its_own(tmp_path: Path) -> None:
    points = {
        ("p", c, 40 - i): (2.0**i, {"psnr-y": s}) for c in CODECS for i, s in enumerate(SCORES)
    }
    write_aggregates(load(results_folder(tmp_path, points)))
    found = [p for p in tmp_path.glob("*.json") if p.stem != "experiment"]
    assert {json.loads(p.read_text())["name"] for p in found} == set(CODECS)


def test_aggregates_of_earlier_runs_go(tmp_path: Path) -> None:
    """A codec is no longer there, another one lacks a point; files of others stay."""
    points: dict[tuple[str, str, float], object] = {
        (clip, codec, 40 - i): (2.0**i, {"psnr-y": s})
        for clip in "pq"
        for codec in "ab"
        for i, s in enumerate(SCORES)
    }
    more = {(clip, "c", v): made for (clip, codec, v), made in points.items() if codec == "a"}
    write_aggregates(load(results_folder(tmp_path, {**points, **more})))
    (tmp_path / "notes.json").write_text('{"schema": "mine"}')
    (tmp_path / "c2.json").write_text("no JSON")
    assert (tmp_path / "c.json").exists()
    del points["q", "b", 40]
    shutil.rmtree(tmp_path / "points", ignore_errors=True)
    (tmp_path / "points.jsonl").unlink()
    write_aggregates(load(results_folder(tmp_path, points)))
    found = {p.name for p in tmp_path.glob("*.json")}
    assert found == {"a.json", "experiment.json", "notes.json", "c2.json"}
    assert json.loads((tmp_path / "a.json").read_text())["sequences"] == ["p", "q"]


def test_an_aggregate_says_its_own_clips(tmp_path: Path) -> None:
    points = {
        (clip, codec, 40 - i): (2.0**i, {"psnr-y": s})
        for clip, codec in ("pa", "qa", "pb")
        for i, s in enumerate(SCORES)
    }
    write_aggregates(load(results_folder(tmp_path, points)))
    assert json.loads((tmp_path / "b.json").read_text())["sequences"] == ["p"]


@pytest.mark.usefixtures("inline")
def test_a_run_over_clips_with_such_names(tmp_path: Path, hdac: Run) -> None:
    clips, names = tmp_path / "clips", [n for n in NAMES if len(n) < 200]
    clips.mkdir()
    first = write_video(tmp_path / "one.mkv", synthetic(2))
    for name in names:
        shutil.copy(first, clips / f"{name}.mkv")
    shutil.copy(first, clips / f"{'y' * 230}.mkv")
    recipe = experiment(tmp_path, clips, x264("a", points=(30,)), '["a"]')
    out = tmp_path / "out"
    code, text, _ = hdac("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    assert (code, json.loads(text)["made"]) == (0, len(names) + 1)
    assert set(load(out).sequences) == {*names, "y" * 230}
    sources = find_sources(f"folder:{clips}")
    made = prepare(sources, tmp_path / 'set "of" \\ mine', Wanted(), False, lambda _: None)
    assert tomllib.loads(made.read_text(encoding="utf-8"))["title"] == 'set "of" \\ mine'
    assert [s.name for s in load_dataset(str(made))[1]] == [s.name for s in sources]
    assert len(find_sources(str(made))) == len(sources)


@pytest.mark.parametrize(
    ("name", "inline_table"),
    [
        *((n, True) for n in ("experiment", "environment", "a/b", "..", ".x", "")),
        *((n, False) for n in ("experiment", "environment")),
    ],
)
def test_codec_names_that_cannot_be_are_refused_before_anything_runs(
    name: str, inline_table: bool, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    text = x264("a").replace("[codec.a]", f'[codec."{name}"]')
    if not inline_table:
        (tmp_path / f"{name}.toml").write_text(
            'schema = "hdac-anchor/1"\n' + text.split("\n", 2)[2]
        )
        name, text = f"{name}.toml", ""
    path = experiment(tmp_path, clips, text, f'["{name}"]', anchors="[]")
    code, _, err = hdac("experiment", "run", path, "--out", tmp_path / "out", "-j1")
    assert (code, "name" in err) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".json", ".error", ".log", "x", ".a/b", ""])
def test_suffixes_that_would_overwrite(suffix: str, tmp_path: Path, clips: Path, hdac: Run) -> None:
    path = experiment(tmp_path, clips, x264("a").replace(".h264", suffix), '["a"]')
    code, _, err = hdac("experiment", "run", path, "--out", tmp_path / "out", "-j1")
    assert (code, f"suffix = {suffix!r}" in err) == (2, True)


def test_controls_in_workbooks() -> None:
    data = workbook({"s": (["a\x01"], [["b\x0bc"]])})
    sheet = openpyxl.load_workbook(io.BytesIO(data))["s"]
    assert [c.value for row in sheet.iter_rows() for c in row] == ["a?", "b?c"]
