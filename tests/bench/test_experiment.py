"""Experiments end to end on carphone: resume after SIGKILL, two workers, what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from hdac.bench import point
from hdac.bench.analysis import load
from hdac.bench.codecs import Anchor, AnchorRecipe
from hdac.bench.datasets import find_sources
from hdac.bench.experiment import load_experiment, to_do
from hdac.bench.point import PointTask, execute
from hdac.bench.results import Store
from hdac.bench.runner import plan
from hdac.cli.main import main
from hdac.errors import HdacError
from tests.bench.conftest import X264
from tests.conftest import Run

RECIPE = """
schema = "hdac-experiment/1"
title = "two small anchors"
set = "carphone"
frames = 5
codecs = ["a", "b"]
anchors = ["a"]
metrics = ["psnr-y", "flicker"]
players_kbps = [60]
"""
ANCHOR = X264 + 'encoder = "libx264"\n'
TABLES = (
    "bd.md",
    "bd.csv",
    "bd.tex",
    "rd.csv",
    "frames.csv.xz",
    "tables.xlsx",
    "figures/rd_psnr-y.pdf",
    "figures/rd_psnr-y.svg",
)


def recipe(
    folder: Path,
    b: str = "veryfast",
    points: str = "[24, 28, 32, 36, 40]",
    metrics: str = '["psnr-y", "flicker"]',
) -> Path:
    path = folder / "small.toml"
    text = RECIPE.replace('["psnr-y", "flicker"]', metrics)
    path.write_text(
        text
        + ANCHOR.format(name="a", preset="medium", points=points)
        + ANCHOR.format(name="b", preset=b, points=points)
    )
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hdac.cli.main", "experiment", *map(str, arguments)]


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe and its uninterrupted run with one worker."""
    folder = tmp_path_factory.mktemp("experiment")
    path = recipe(folder)
    words, out, err = ("run", path, "--out", folder / "whole", "-j", 1), StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["experiment", *map(str, words), "--json"]) == 0
    told = json.loads(out.getvalue())
    assert (told["made"], told["kept"], told["failed"], told["points"]) == (10, 0, {}, 10)
    assert "[10/10" in err.getvalue()
    return path, folder / "whole"


def test_tables(done: tuple[Path, Path]) -> None:
    run = load(done[1])
    assert run.codecs == ["a", "b"]
    rates = [p.kbps for p in run.of("a")]
    assert rates == sorted(rates, reverse=True)
    for p in run.points.values():
        record = p.record
        stream = run.store.path(f"carphone_{p.codec}_qp{p.value:g}", ".h264")
        assert record["bytes"] == stream.stat().st_size
        assert record["results"]["bitrate"][0] == pytest.approx(
            8 * record["bytes"] * 30000 / 1001 / 5 / 1000, abs=1e-5
        )
        assert record["schema"] == "hdac-results/1"
        assert "x264" in record["commands"]["encode"]
        assert str(Path.home()) not in json.dumps(record)
    text = (done[1] / "bd.md").read_text()
    assert "BD-rate against a" in text
    assert "-33.36 %" in text
    assert "published" in text.lower()
    assert (done[1] / "rd.csv").read_text().count("ok") == 10
    assert r"\toprule" in (done[1] / "bd.tex").read_text()
    environment = json.loads((done[1] / "environment.json").read_text())
    assert environment["packages"]["torch"].startswith("2.")


def test_second_run_makes_nothing(done: tuple[Path, Path], hdac: Run) -> None:
    path, out = done
    before = tables(out)
    code, text, _ = hdac("experiment", "run", path, "--out", out, "-n", "--json")
    assert code == 0
    assert json.loads(text)["to_do"] == []
    code, text, _ = hdac("experiment", "report", out, "--no-players")
    assert code == 0
    assert tables(out) == before


def test_killed_run_goes_on(done: tuple[Path, Path], tmp_path: Path, hdac: Run) -> None:
    path, whole = done
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command("run", path, "--out", out, "-j", 1, "--no-players"),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120

    def records() -> dict[str, object]:
        store = Store(out)
        return {name: store.load(name) for name in store.names()}

    while len(records()) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = records()
    assert 3 <= len(finished) < 10
    code, text, _ = hdac("experiment", "run", path, "--out", out, "-n", "--json")
    assert code == 0
    assert set(json.loads(text)["to_do"]) == {
        f"carphone_{c}_qp{v}" for c in "ab" for v in (24, 28, 32, 36, 40)
    } - set(finished)
    run = ("experiment", "run", path, "--out", out, "-j", 1, "--no-players", "--json")
    code, text, _ = hdac(*run)
    assert code == 0
    told = json.loads(text)
    assert (told["made"], told["kept"]) == (10 - len(finished), len(finished))
    assert {name: records()[name] for name in finished} == finished
    assert tables(out) == tables(whole)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A dask scheduler and two workers, each a process of its own, on loopback; no folder in common
    is told to them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    started = [
        subprocess.Popen(
            [*dask, "scheduler", "--host", address, "--no-dashboard", "--no-show"],
            cwd=tmp_path,
            **quiet,
        )
    ]
    for i in range(2):
        options = [
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(tmp_path / f"w{i}"),
        ]
        started.append(
            subprocess.Popen([*dask, "worker", address, *options], cwd=tmp_path, **quiet)
        )
    yield address
    for process in started:
        process.kill()
        process.wait()


def test_two_workers_give_the_same_tables(
    done: tuple[Path, Path], scheduler: str, tmp_path: Path, hdac: Run
) -> None:
    path, whole = done
    out = tmp_path / "spread"
    run = ("experiment", "run", path, "--out", out, "--scheduler", scheduler, "--no-players")
    assert hdac(*run)[0] == 0
    assert tables(out) == tables(whole)


def test_a_changed_recipe_runs_only_what_changed(done: tuple[Path, Path], tmp_path: Path) -> None:
    store = Store(done[1])
    _, waiting, *_ = plan(load_experiment(str(recipe(tmp_path, b="faster"))), store, None)
    assert {t.codec.name for t in waiting} == {"b"}
    _, waiting, *_ = plan(
        load_experiment(str(recipe(tmp_path, points="[24, 28, 32, 36, 41]"))), store, None
    )
    assert {t.value for t in waiting} == {41}
    _, waiting, *_ = plan(
        load_experiment(str(recipe(tmp_path, metrics='["psnr-y", "psnr-yuv"]'))), store, None
    )
    assert len(waiting) == 10
    assert all(t.metrics == ("psnr-yuv",) and t.stream for t in waiting)
    outcome = execute(waiting[0])
    assert outcome.error == ""
    assert set(outcome.record["results"]) == {"bitrate", "bpp", "psnr-yuv"}


def test_an_altered_clip_and_a_missing_set(hdac: Run, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    source = find_sources("carphone")[0].path
    (folder / "a.mp4").write_bytes(source.read_bytes() + b"x")
    (folder / "set.toml").write_text(
        'schema = "hdac-dataset/1"\ntitle = "mine"\nplace = "path"\nlicence = "none"\n'
        '[[sequence]]\nname = "a"\npath = "a.mp4"\n'
        f'sha256 = "{find_sources("carphone")[0].sha256}"\n'
    )
    path = recipe(tmp_path)
    for name, message in (
        (folder / "set.toml", "a.mp4 has SHA-256"),
        ("carfone", "'carfone' is no name in datasets"),
        ("talking-heads:tset", "'tset' is no split"),
        (f"folder:{tmp_path}/none", "no such folder"),
    ):
        path.write_text(recipe(tmp_path).read_text().replace('set = "carphone"', f'set = "{name}"'))
        code, _, err = hdac(
            "experiment", "run", path, "--out", tmp_path / "out", "--data", tmp_path
        )
        assert code == 2
        assert message in err
    assert not (tmp_path / "out").exists()


def task(codec: Anchor) -> PointTask:
    return PointTask("p", "k", find_sources("carphone")[0], codec, 30, 2, ("psnr-y",))


def anchor(*encode: str, decode: tuple[str, ...] = ("true",), timeout: float = 0.1) -> Anchor:
    return Anchor("bad", AnchorRecipe("t", encode, decode, ".x", (30,), timeout=timeout), Path())


def test_encoders_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point, "START_SECONDS", 0.5)
    hung = execute(task(anchor("sh", "-c", "sleep 30 & wait")))
    assert "bad: encoding took longer than 0.7 s and was killed: sh -c" in hung.error
    failed = execute(task(anchor("sh", "-c", "echo no licence >&2; exit 3")))
    assert "bad: encoding failed (3)" in failed.error
    assert "no licence" in failed.error
    silent = execute(task(anchor("true")))
    assert "encoding left no file" in silent.error
    short = execute(
        task(
            anchor(
                "sh",
                "-c",
                "cp {source} {stream}",
                decode=("sh", "-c", "head -c 38016 {stream} > {decoded}"),
            )
        )
    )
    assert "1 frames were decoded, 2 were coded" in short.error
    odd = execute(
        task(
            anchor(
                "sh",
                "-c",
                "cp {source} {stream}",
                decode=("sh", "-c", "head -c 1000 {stream} > {decoded}"),
            )
        )
    )
    assert "ends in the middle of a picture" in odd.error
    assert execute(task(anchor("no-such-program"))).error


def test_a_failed_point_stops_no_other(tmp_path: Path, hdac: Run) -> None:
    path = recipe(tmp_path, b="no-such-preset", points="[30, 40]")
    code, out, err = hdac("experiment", "run", path, "--out", tmp_path / "out", "-j", 1, "--json")
    assert code == 1
    told = json.loads(out)
    assert told["made"] == 2
    assert set(told["failed"]) == {"carphone_b_qp30", "carphone_b_qp40"}
    assert "carphone_b_qp30 failed: b: encoding failed" in err
    text = (tmp_path / "out" / "bd.md").read_text()
    assert "Failed: carphone_b_qp30" in text
    assert "| b | failed |" in text
    assert (tmp_path / "out" / "rd.csv").read_text().count(",failed") == 2


def test_full_disk(done: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was finished stays; the message says what to do."""
    tasks, *_ = plan(load_experiment(str(done[0])), Store(done[1]), None)
    outcome = execute(tasks[0])
    before = {p: p.read_bytes() for p in done[1].rglob("p*") if p.is_file()}

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        HdacError,
        match=r"be written \(No space left on device\); what was finished before is kept: free",
    ):
        Store(done[1]).save(outcome)
    assert {p: p.read_bytes() for p in done[1].rglob("p*") if p.is_file()} == before


def test_a_record_cut_short_is_made_again(done: tuple[Path, Path], tmp_path: Path) -> None:
    store = Store(tmp_path)
    tasks = load_experiment(str(done[0])).tasks(find_sources("carphone"))
    lines = Store(done[1]).table.read_text().splitlines()
    store.table.write_text("\n".join([lines[0][: len(lines[0]) // 2], *lines[1:]]))
    assert [t.name for t in to_do(tasks, store, force=False)] == [json.loads(lines[0])["name"]]
    store.table.write_text("\n".join(lines))
    assert to_do(tasks, store, force=False) == []


def test_nobody_answers(hdac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hdac.bench.engine as engine

    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1)
    code, _, err = hdac(
        "experiment",
        "run",
        recipe(tmp_path),
        "--out",
        tmp_path / "o",
        "--scheduler",
        "tcp://127.0.0.1:9",
    )
    assert code == 2
    assert "--scheduler tcp://127.0.0.1:9: no dask scheduler answers there" in err
    code, _, err = hdac("experiment", "run", recipe(tmp_path), "--out", tmp_path / "o", "-j", 0)
    assert (code, "-j 0; allowed are 1 to 1024" in err) == (2, True)


def test_list(hdac: Run) -> None:
    code, out, _ = hdac("experiment", "list")
    assert code == 0
    assert "table1" in out
    code, _, err = hdac("experiment", "run", "tabel1")
    assert code == 2
    assert "'tabel1' is no name in experiments; choose from" in err
