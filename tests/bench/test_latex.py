"""LaTeX tables: what stands in them, and that a paper of two columns has room for them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hdac.bench.analysis import Run, comparisons, load
from hdac.bench.latex import PACKAGES, Cell, bd_table, reference, tex
from hdac.bench.tables import STALE_TEX, bd_tex, write_tables
from hdac.metrics.registry import METRICS
from tests.bench.conftest import results_folder
from tests.bench.test_means import PSNR, Points, ladder
from tests.conftest import Run as Command

ROOT = Path(__file__).parents[2]
RESULTS = sorted(path.parent for path in (ROOT / "results").glob("*/bd.tex"))
#: Points by which a box may be too wide, which nobody sees.
ALLOWED = 5.0


def compile_all(folder: Path, tables: list[str]) -> None:
    """Fails unless the tables, a page each, fit into LaTeX's article in two columns."""
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("no pdflatex on PATH (Debian: apt install texlive-science)")
    for package in re.findall(r"[a-z]+", PACKAGES.partition("{")[2]):
        found = subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True, text=True)
        if not found.stdout:
            pytest.skip(f"LaTeX has no {package} (Debian: apt install texlive-science)")
    pages = "\n\\clearpage\n".join(tables)
    text = f"\\documentclass[twocolumn]{{article}}\n{PACKAGES}\n\\begin{{document}}\n{pages}\n"
    (folder / "paper.tex").write_text(text + "\\end{document}\n")
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (folder / "paper.log").read_text(errors="replace")
    wide = [float(m) for m in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt too", log)]
    assert max(wide, default=0) <= ALLOWED, log
    assert "multiply defined" not in log
    labels = re.findall(r"\\label\{(.*?)\}", pages)
    auxiliary = (folder / "paper.aux").read_text(errors="replace")
    assert labels
    assert all(f"\\newlabel{{{name}}}" in auxiliary for name in labels)


def compared(folder: Path, codecs: tuple[str, ...] = ("b",)) -> Run:
    points = ladder("p", "a") | ladder("q", "a")
    for i, codec in enumerate(codecs):
        points |= ladder("p", codec, 0.5) | ladder("q", codec, 0.6 + i / 10)
    return load(results_folder(folder, points))


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_published_tables_fit(folder: Path, tmp_path: Path) -> None:
    table = (folder / "bd.tex").read_text("utf-8")
    assert table.startswith(f"% {PACKAGES}\n")
    compile_all(tmp_path, [table])
    assert "Float too large" not in (tmp_path / "paper.log").read_text(errors="replace")


def test_published_tables_are_made_of_the_results() -> None:
    run = load(ROOT / "results" / "published")
    made = bd_tex(run, list(comparisons(run)), run.compared)
    texts = (made, (run.folder / "bd.tex").read_text("utf-8"))
    here, published = ([x for x in t.splitlines() if not x.startswith(STALE_TEX)] for t in texts)
    assert here == published


def test_two_metrics_fit_into_one_column(tmp_path: Path) -> None:
    run = load(ROOT / "results" / "published")
    made = bd_tex(run, list(comparisons(run)), ["psnr-y", "lpips-squeeze"])
    assert r"\begin{table}" in made
    assert "table*" not in made
    compile_all(tmp_path, [made])


def test_a_table_higher_than_a_page_becomes_several(tmp_path: Path) -> None:
    run = compared(tmp_path, tuple("bcdefghijklmn"))
    metrics = list(METRICS)[:9]
    one = Cell("-10.0", "-11.0", "-9.0")
    for count, labels in ((4, ["tab:e_a"]), (13, ["tab:e_a", "tab:e_a.2"])):
        rows = [(codec, [one] * 9) for codec in run.codecs[1 : 1 + count]]
        text = bd_table(run, "a", metrics, rows)
        assert re.findall(r"\\label\{(.*?)\}", text) == labels
        assert text.count(r"\begin{tabular}") == 2
        assert text.count("-10.0") == 9 * count


def test_every_name_fits(tmp_path: Path) -> None:
    """All metrics that there are, long names, what LaTeX reads as commands, numbers of four
    digits, notes on every cell."""
    codecs = ("100 % & #1", "~^_{}$<", "[x]", "*y", "name-" * 9 + "x", "a longer name " * 5 + "y")
    run = compared(tmp_path / "out", codecs)
    metrics = list(METRICS)
    cells = [Cell("-1234.5", "-2345.6", "+1000.0", f"of {i}/99 clips") for i in range(len(metrics))]
    rows = [(codec, cells) for codec in codecs]
    rows[0] = codecs[0], [Cell(note="n/a (overlap 29 %, 4 of 12 clips)") for _ in metrics]
    tables = [
        bd_table(run, anchor, metrics[:count], rows)
        for anchor, count in zip(codecs, (1, 2, 3, 5, 9, len(metrics)), strict=True)
    ]
    assert ["table*" in table for table in tables[::5]] == [False, True]
    compile_all(tmp_path, tables)


def test_cells(tmp_path: Path) -> None:
    """Codec c has no number on q, codec d none at all."""
    points: Points = {}
    for clip, c in (("p", PSNR), ("q", tuple(v + 40 for v in PSNR))):
        far = tuple(v + 40 for v in PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", 0.5)
        points |= ladder(clip, "c", 2, psnr_y=c) | ladder(clip, "d", psnr_y=far)
    run = load(results_folder(tmp_path, points))
    text = bd_tex(run, list(comparisons(run)), ["psnr-y"])
    assert "BD-rate (\\%) against a: mean over 1 of 2 clips; negative" in text
    assert r"\label{tab:e_a}" in text
    assert "S[table-format=+3.1]" in text
    assert r"b & -50.0 &  \\" in text
    assert r"c & +100.0 &  \\" in text
    assert r"d & {n/a} & \,\textsuperscript{a} \\" in text
    assert r"\textsuperscript{a}n/a (overlap 0 \%)" in text


def test_a_head_says_of_how_many_clips_its_column_is(tmp_path: Path) -> None:
    """In one metric c has no number on r, beside four clips; in it e is apart, which has two."""
    points: Points = {}
    far = tuple(v + 40 for v in PSNR)
    for clip in "pqrstu":
        both = {"psnr_y": PSNR, "vmaf": tuple(2 * v for v in PSNR)}
        c, e = clip == "r", clip in "rst"
        points |= ladder(clip, "a", **both) | ladder(clip, "b", 0.5, **both)
        points |= ladder(clip, "c", 0.5, **{**both, "psnr_y": far if c else PSNR})
        points |= ladder(clip, "e", 0.5, **{**both, "psnr_y": far if e else PSNR})
    run = load(results_folder(tmp_path / "out", points, ("psnr-y", "vmaf")))
    text = bd_tex(run, list(comparisons(run)), ["psnr-y", "vmaf"])
    assert "mean over 6 clips, or as many as a head says, with the ends" in text
    assert r"\shortstack{PSNR-Y\\(dB)\\(5 clips)}" in text
    assert r"\shortstack{VMAF}" in text
    assert r"e & -50.0 & $_{-50.0}^{-50.0}$\,\textsuperscript{a} & -50.0" in text
    assert r"\textsuperscript{a}of 3/6 clips\par" in text
    compile_all(tmp_path, [text])


def test_texts_are_data() -> None:
    assert tex(r"100 % & a_b") == r"100 \% \& a\_b"
    assert tex("[1]") == "{}[1]"
    assert r"\input{" not in tex(r"\input{/etc/passwd}")


def test_references_of_odd_names(tmp_path: Path) -> None:
    run = compared(tmp_path)
    names = [reference(run, anchor) for anchor in ("a", "a b", "a%b", "a#b", "x265-tuned")]
    assert names[::4] == ["tab:e_a", "tab:e_x265-tuned"]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"tab:[\w.-]+", name) for name in names)


@pytest.mark.usefixtures("inline")
def test_metrics_of_the_table(tmp_path: Path, hdac: Command) -> None:
    scores = (0.9, 0.95, 0.97, 0.98, 0.99)
    points = {
        (clip, codec, i): (rate * 2.0**i, {"psnr-y": PSNR[i], "ms-ssim-y": scores[i]})
        for clip in "pq" for codec, rate in (("a", 10), ("b", 5)) for i in range(5)
    }  # fmt: skip
    folder = results_folder(tmp_path / "out", points, ("psnr-y", "ms-ssim-y"))
    write_tables(load(folder))
    whole = (folder / "bd.tex").read_text()
    assert all(f"shortstack{{{head}" in whole for head in ("PSNR-Y", "MS-SSIM-Y"))
    go = ("experiment", "report", folder, "--no-players", "--metrics")
    assert hdac(*go, "ms-ssim-y-db")[0] == 0
    text = (folder / "bd.tex").read_text()
    assert r"\shortstack{MS-SSIM-Y\\(dB)}" in text
    assert "PSNR-Y" not in text
    assert "PSNR-Y (dB)" in (folder / "bd.md").read_text()
    code, _, err = hdac(*go, "psnr-y,vmaf")
    assert (code, "--metrics vmaf: choose from psnr-y, ms-ssim-y, ms-ssim-y-db" in err) == (2, True)
