"""The report as a reader has it: opened from disk in headless Chromium."""

import json
import lzma
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from hdac.atomic import write_atomically
from hdac.bench.analysis import load
from hdac.bench.codecs import load_codec
from hdac.bench.compressai import read_extra, write_aggregates
from hdac.bench.datasets import find_sources
from hdac.bench.experiment import load_experiment
from hdac.bench.figures import averaged_points, extra_points
from hdac.bench.manifest import describe
from hdac.bench.point import execute
from hdac.bench.report import write_report
from hdac.bench.results import FRAMES, Store
from hdac.bench.tables import write_tables
from hdac.errors import UsageError
from tests.bench.conftest import results_folder
from tests.conftest import Run

TEXT = """
schema = "hdac-experiment/1"
title = "a small table </script>"
set = "carphone"
frames = 12
codecs = ["x264-zerolatency", "hdac-base"]
anchors = ["x264-zerolatency"]
metrics = ["psnr-y", "flicker"]
players_kbps = [40, 80]
[points]
x264-zerolatency = [24, 29, 34, 39]
hdac-base = [28, 34, 40, 46]
"""


#: Mean of all samples of each small picture.
MEANS = """[...document.querySelectorAll('#tiles canvas')].map((canvas) => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return data.reduce((sum, v) => sum + v, 0) / data.length;
})"""
#: Moves the wipe slider; where the white line is then, 0 to 1.
BORDER = """(value) => {
    const slider = document.getElementById('slider'), wipe = document.getElementById('wipe');
    slider.value = value;
    slider.dispatchEvent(new Event('input'));
    const row = wipe.getContext('2d').getImageData(0, wipe.height / 2, wipe.width, 1).data;
    const white = (x) => row[4 * x] + row[4 * x + 1] + row[4 * x + 2] === 765;
    for (let x = 0; x + 1 < wipe.width; x++) if (white(x) && white(x + 1)) return x / wipe.width;
    return -1;
}"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The points of a small experiment, made in this process."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "small.toml"
    path.write_text(TEXT)
    experiment, store = load_experiment(str(path)), Store(folder / "out")
    tasks = experiment.tasks(find_sources("carphone"))
    for outcome in map(execute, tasks):
        assert outcome.error == ""
        store.save(outcome)
    manifest = describe(experiment, tasks, {"hm-ldb": "not here"})
    write_atomically(store.folder / "experiment.json", manifest.to_json())
    write_atomically(store.folder / "environment.json", b"{}")
    return store.folder


def test_figures_extra_curves_and_compressai(results: Path, hdac: Run, tmp_path: Path) -> None:
    other = {
        "name": "theirs",
        "description": "d",
        "results": {"bitrate": [20, 40, 80], "psnr-y": [27.0, 29.0, 31.0], "note": ["x"]},
    }
    (tmp_path / "theirs.json").write_text(json.dumps(other))
    code, _, err = hdac("experiment", "report", results, "--extra", tmp_path / "theirs.json")
    assert (code, err) == (0, "")
    names = {p.name for p in (results / "figures").iterdir()}
    assert {
        "rd_psnr-y.pdf",
        "rd_psnr-y.svg",
        "rd_psnr-y_sequences.pdf",
        "layers_hdac-base.pdf",
    } <= names
    assert (
        b"/FontFile2" in (results / "figures" / "rd_psnr-y.pdf").read_bytes()
    )  # TrueType, embedded
    assert "theirs" in (results / "report-files" / "data.js").read_text()
    for text, message in (("{}", "not CompressAI's format"), ("[", "not CompressAI's format")):
        (tmp_path / "bad.json").write_text(text)
        code, _, err = hdac("experiment", "report", results, "--extra", tmp_path / "bad.json")
        assert (code, message in err) == (2, True)
    code, _, err = hdac("experiment", "report", tmp_path)
    assert (code, "no results of an experiment" in err) == (2, True)


def parse_as_compressai(path: Path, metric: str) -> tuple[str, list[float], list[float]]:
    """What compressai.utils.video.plot does with a file: needs results.bitrate and
    results[metric]."""
    data = json.loads(path.read_text())
    if "results" not in data or "bitrate" not in data["results"]:
        raise ValueError(f'Invalid file "{path}"')
    if metric not in data["results"]:
        raise ValueError(f"Error: metric {metric} not available.")
    return (
        data.get("name", path.name.split(".")[0]),
        data["results"]["bitrate"],
        data["results"][metric],
    )


def test_aggregates_are_compressais(results: Path) -> None:
    write_aggregates(load(results))
    name, rates, scores = parse_as_compressai(results / "hdac-base.json", "psnr-y")
    assert name == "hdac-base"
    assert rates == sorted(rates)
    assert scores == sorted(scores)
    assert len(rates) == len(scores) == 4
    data = json.loads((results / "hdac-base.json").read_text())
    assert {"name", "description", "results"} <= data.keys()
    assert {"bpp", "encoding_time", "decoding_time"} <= data["results"].keys()
    run, extra = load(results), read_extra(results / "hdac-base.json")
    assert extra_points(extra, "psnr-y")[1] == pytest.approx(
        averaged_points(run, "hdac-base", "psnr-y")[1], abs=1e-6
    )
    with pytest.raises(UsageError, match="give a JSON file"):
        read_extra(results / "nothing.json")


def test_private_clips_stay_out(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "private"
    shutil.copytree(results, folder)
    run = load(folder)
    assert [p.name for p in write_report(run, write_tables(run), [])] == ["report.html"]
    assert list((folder / "report-files").glob("*.mp4"))
    about = json.loads((folder / "experiment.json").read_text())
    about["sequences"]["carphone"]["media"] = "private"
    (folder / "experiment.json").write_text(json.dumps(about))
    run = load(folder)
    paths = write_report(run, write_tables(run), [])
    assert [p.name for p in paths] == ["report.html", "report-players.html"]
    assert not (folder / "report-files").exists()
    assert not re.search("-files|<script src", paths[0].read_text())
    assert "may not be published" in paths[0].read_text()
    suffixes = {p.suffix for p in (folder / "report-players-files").iterdir()}
    assert suffixes == {".mp4", ".jpg", ".js"}


def test_pages_are_small_and_what_they_name_is_there(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    run = load(folder)
    (path,) = write_report(run, write_tables(run), [])
    page = path.read_text()
    assert len(page) < 100_000
    named = [unquote(n) for n in re.findall(r'src="([^"]+)"', page)]
    assert {Path(n).suffix for n in named} == {".js", ".jpg"}
    assert [n for n in named if n.endswith(".js")] == ["plotly.min.js", "report-files/data.js"]
    said = (folder / "report-files" / "data.js").read_text()
    data = json.loads(said.removeprefix("const DATA = ").removesuffix(";\n"))
    named += [unquote(player["src"]) for player in data["players"]]
    assert all((folder / n).stat().st_size > 1000 for n in named)
    beside = {str(p.relative_to(folder)) for p in (folder / "report-files").iterdir()}
    assert beside == {n for n in named if n.startswith("report-files/")}
    (folder / "report-files" / "old.mp4").write_bytes(b"of a run before")
    write_report(run, write_tables(run), [])
    assert {str(p.relative_to(folder)) for p in (folder / "report-files").iterdir()} == beside


def test_without_coded_files_there_are_tables_but_no_players(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "committed"
    shutil.copytree(
        results, folder, ignore=shutil.ignore_patterns("*.hdac", "*.h264", "*.log", "*.frames.json")
    )
    run = load(results)
    write_tables(run)
    before = (results / FRAMES).read_bytes()
    assert lzma.decompress(before).count(b"\n") == 1 + 8 * 12
    for name in (FRAMES, "worst.csv"):
        shutil.copy(results / name, folder)
    run = load(folder)
    paths = write_report(run, write_tables(run), [])
    assert (folder / FRAMES).read_bytes() == before
    assert "No values frame by frame" not in paths[0].read_text()
    assert [p.name for p in paths] == ["report.html"]
    page = paths[0].read_text()
    assert "only the records were kept" in page
    assert "Plotly" not in page
    assert re.findall(r'<img src="([^"]+)"', page) == [f"figures/rd_{m}.svg" for m in run.compared]


def lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (lzma.decompress(data) if path.suffix == ".xz" else data).decode().splitlines()


def test_points_made_again_in_a_clone_leave_the_rows_of_the_others(
    results: Path, tmp_path: Path
) -> None:
    write_tables(load(results))
    before = {name: lines(results / name) for name in (FRAMES, "worst.csv")}
    folder = tmp_path / "clone"
    shutil.copytree(results, folder)
    again, *others = sorted((folder / "points").glob("*.frames.json"))
    for path in others:
        path.unlink()
    values = json.loads(again.read_text())
    again.write_text(json.dumps({k: [1.0 for _ in v] for k, v in values.items()}))
    write_tables(load(folder))
    for name, old in before.items():
        differ = [a for a, b in zip(old, lines(folder / name), strict=True) if a != b]
        point = Store(folder).load(again.name.removesuffix(".frames.json"))
        assert point is not None
        assert all(
            {point["sequence"], point["name"], f"{point['value']:g}"} <= set(a.split(",")[:3])
            for a in differ
        )
        assert differ


@pytest.fixture
def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium on PATH (Debian: apt install chromium)")
    return found


#: Texts of a column of the first table of points, from the top.
COLUMN = """(index) => {
    const table = [...document.querySelectorAll('h2')].find((h) => h.innerText === 'Points');
    const rows = table.nextElementSibling.querySelectorAll('tbody tr');
    return [...rows].map((row) => row.cells[index].textContent);
}"""
#: The third point has no rate.
EMPTY = """() => {
    const table = [...document.querySelectorAll('h2')].find((h) => h.innerText === 'Points');
    table.nextElementSibling.querySelectorAll('tbody tr')[2].cells[3].textContent = 'n/a';
}"""
#: Widths: what of the page, and what of its tables, does not fit.
CUT = """() => [
    document.documentElement.scrollWidth - window.innerWidth,
    ...[...document.querySelectorAll('.scroll')].map((box) => box.scrollWidth - box.clientWidth),
]"""


@pytest.mark.parametrize("width", [1400, 390])
def test_no_table_is_cut(width: int, tmp_path: Path, chromium: str) -> None:
    """Many metrics, long names, clips that some codecs lack."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    metrics = ("psnr-y", "ms-ssim-y", "msvgg-lite", "lpips-squeeze", "vmaf", "identity", "flicker")
    names, clips = ("x265-tuned", "hdac-hybrid-kvazaar-perceptual"), ("audiodrive_id173_0", "q")
    points = {
        (clip, codec, 10 * v): (10 * v * (1 + i), dict.fromkeys(metrics, 0.15 * v))
        for clip in clips
        for i, codec in enumerate((*names, "c"))
        for v in (1, 2, 3, 4, 5)
        if (clip, codec) != ("q", "c")
    }
    run = load(results_folder(tmp_path, points, metrics))
    (path,) = write_report(run, write_tables(run), [], with_players=False)
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(path.absolute().as_uri())
        assert max(page.evaluate(CUT)) <= 0
        cards = page.locator(".scroll.cards").count()
        assert cards == (page.locator(".scroll").count() if width == 390 else 0)
        # cards keep their heads, which sort them
        head = page.locator("th:text-is('psnr-y')")
        for way in ("ascending", "descending"):
            head.evaluate("cell => cell.click()")
            assert head.get_attribute("aria-sort") == way
            values = list(map(float, page.evaluate(COLUMN, 6)))
            assert values == sorted(values, reverse=way == "descending")
        # what has no number comes last, whichever way
        page.locator("th:text-is('kbps')").last.focus()
        page.evaluate(EMPTY)
        for _ in range(2):
            page.keyboard.press("Enter")
            assert page.evaluate(COLUMN, 3)[-1] == "n/a"
        page.set_viewport_size({"width": 1790 - width, "height": 900})
        page.wait_for_function(
            "(n) => document.querySelectorAll('.cards').length === n",
            arg=(page.locator(".scroll").count() - cards),
        )
        browser.close()


def test_the_page_in_chromium(results: Path, hdac: Run, chromium: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    hdac("experiment", "report", results)
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--allow-file-access-from-files",  # MEANS and BORDER read pixels; the page does not
            ],
        )
        page, wrong = browser.new_page(), []
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((results / "report.html").absolute().as_uri())
        page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=120000)
        # curves: one trace a codec; another metric redraws them
        assert page.evaluate("document.getElementById('curves').data.length") == 2
        page.select_option("#metric", label="Flicker (levels)")
        assert (
            page.evaluate("document.getElementById('curves').layout.yaxis.title.text")
            == "Flicker (levels) (lower is better)"
        )
        # tables sort by number
        head = page.locator("h2:text('Points') + div th").nth(3)
        head.evaluate(
            "cell => cell.click()"
        )  # by the page itself: a click by coordinates may meet a layout that still moves
        rates = [
            float(t)
            for t in page.locator(
                "h2:text('Points') + div tbody tr td:nth-child(4)"
            ).all_inner_texts()
        ]
        assert rates == sorted(rates)
        head.evaluate("cell => cell.click()")
        rates = [
            float(t)
            for t in page.locator(
                "h2:text('Points') + div tbody tr td:nth-child(4)"
            ).all_inner_texts()
        ]
        assert rates == sorted(rates, reverse=True)
        # players: they move on, every tile shows a picture
        page.click("#play")
        page.wait_for_function(
            "document.getElementById('readout').textContent.match(/frame [1-9]/)", timeout=60000
        )
        page.evaluate("document.getElementById('video').pause()")
        means = page.evaluate(MEANS)
        assert len(means) == 3
        assert all(90 < m < 200 for m in means)
        # seeking shows that frame's values
        page.evaluate(
            "const s = document.getElementById('seek'); s.value = 7; "
            "s.dispatchEvent(new Event('input'))"
        )
        page.wait_for_function(
            "document.getElementById('readout').textContent.includes('frame 7 of 12')",
            timeout=60000,
        )
        name = re.search(
            r"hdac base, x265\s+([\d.]+) kbps\s+PSNR-Y \(dB\) ([\d.]+)", page.inner_text("#readout")
        )
        assert name is not None
        point = min(load(results).of("hdac-base"), key=lambda p: abs(p.kbps - float(name[1])))
        frames = Store(results).frames(f"carphone_hdac-base_qp-base{point.value:g}")
        assert float(name[2]) == pytest.approx(frames["psnr-y"][7], abs=0.01)
        # the slider moves the border between the two pictures
        assert page.evaluate(BORDER, 250) == pytest.approx(0.25, abs=0.02)
        assert page.evaluate(BORDER, 750) == pytest.approx(0.75, abs=0.02)
        # the worst frames: source, anchor and hdac beside each other
        wide = page.evaluate(
            "Promise.all([...document.querySelectorAll('.worst img')].map((i) => { "
            "i.loading = 'eager'; return i.decode().then(() => i.naturalWidth); }))"
        )
        assert wide == [3 * 176, 3 * 176]
        assert (
            page.locator("h2:text('Quality over time') ~ .scroll").first.locator("tbody tr").count()
            == 8
        )
        page.select_option("#rate", label="80 kbps")
        page.wait_for_function(
            "document.getElementById('readout').textContent.includes('frame 0 of 12')",
            timeout=60000,
        )
        browser.close()
    assert wrong == []


def test_hybrid_bits_per_frame(face: list[object]) -> None:
    from fractions import Fraction

    from hdac.codec.config import EncoderConfig
    from hdac.codec.files import encode, frame_bits, inspect

    for settings in (
        {"qp_base": 40, "refresh": 3},
        {"mode": "animation", "qp_intra": 40, "refresh": 3},
    ):
        data = encode(face[:7], 96, 80, Fraction(30), EncoderConfig(**settings))  # type: ignore[arg-type]
        layers, bits = frame_bits(data), inspect(data).bits
        assert [len(v) for v in layers.values()] == [7, 7]
        rounding = bits.base + bits.reference - sum(layers["base"])  # of three packets to bytes
        assert -1 < rounding < 3 * 16
        assert sum(layers["motion and fusion"]) == pytest.approx(bits.motion + bits.fusion, abs=1.5)
    assert load_codec("hdac-base").recipe.suffix == ".hdac"
