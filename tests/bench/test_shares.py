"""What the network and the headers are worth: tables beside those of BD-rates."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hdac.bench import analysis
from hdac.bench.analysis import load
from hdac.bench.means import mean_rows
from hdac.bench.report import write_report
from hdac.bench.results import Store
from hdac.bench.shares import own_bases, payload_run, share_tables
from hdac.bench.tables import bd_cell, write_tables
from tests.bench.conftest import experiment, results_folder, x264
from tests.conftest import Run

RATES = {
    "x265-tuned": 10.0, "hdac-base-mixed": 8.0, "hdac-hybrid-mixed": 6.0, "hdac-hybrid-auto": 5.0,
}  # fmt: skip


def folder_of(path: Path, payload: dict[str, float] | None = None) -> Path:
    """Codecs whose curves are a factor apart; `payload`: share of it in the codec's files."""
    points = {
        ("p", codec, v): (rate * 2**i, {"psnr-y": 30.0 + 3 * i})
        for codec, rate in RATES.items()
        for i, v in enumerate((44, 38, 33, 28))
    }
    folder = results_folder(path, points)
    store = Store(folder)
    for name in store.names():
        record = store.load(name)
        assert record is not None
        share = (payload or {}).get(record["name"])
        bits = None if share is None else round(800 * share)
        store.adopt(name, {**record, "payload_bits": bits})
    return folder


def recipes(folder: Path, **bases: object) -> None:
    """Notes in the manifest what the recipes of codecs say."""
    path = folder / "experiment.json"
    about = json.loads(path.read_text())
    for codec, base in bases.items():
        about["codecs"][codec.replace("_", "-")]["recipe"] = {"base": base}
    path.write_text(json.dumps(about))


def test_hybrid_against_its_own_base(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (table,) = share_tables(load(folder), bd_cell)
    assert table.head == ["hybrid", "its base alone", "PSNR-Y (dB)"]
    assert table.rows == [
        ["hdac-hybrid-mixed", "hdac-base-mixed", "-25.0 %"],
        ["hdac-hybrid-auto", "hdac-base-auto (not in this experiment)", "n/a"],
    ]
    write_tables(load(folder))
    text = (folder / "bd.md").read_text()
    assert "## Hybrid against its own base\n" in text
    assert "| hdac-hybrid-mixed | hdac-base-mixed | -25.0 % |" in text
    tables = (folder / "bd.tex").read_text().split(r"\begin{table")[1:]
    (own,) = (table for table in tables if r"\label{tab:e_hdac-base-mixed}" in table)
    assert len(tables) == 2
    assert "-25.0" in own
    with (folder / "bd.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["anchor"] == "hdac-base-mixed"]
    assert {(r["codec"], r["bd_rate_pchip_percent"]) for r in rows} == {
        ("hdac-hybrid-mixed", "-25.0")
    }


@pytest.mark.parametrize(
    ("bases", "wanted"),
    [
        ({"hdac_hybrid_mixed": "x265-tuned"}, {"hdac-hybrid-mixed": "x265-tuned"}),
        ({"hdac_hybrid_mixed": ""}, {}),
        ({"hdac_hybrid_mixed": ["x"], "x265_tuned": 3}, {}),
    ],
)
def test_the_manifest_says_the_base_if_it_says_anything(
    bases: dict[str, object], wanted: dict[str, str], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path)
    recipes(folder, **bases)
    found = own_bases(load(folder))
    assert found.pop("hdac-hybrid-auto") == "hdac-base-auto"
    assert found == wanted


def test_rows_are_of_the_same_clips(tmp_path: Path) -> None:
    """On one clip of three, one of two hybrid codecs has no number against its base."""
    pairs = {"hdac-base-mixed": 8.0, "hdac-hybrid-mixed": 6.0, "hdac-base-auto": 8.0}
    rates = {"x265-tuned": 10.0, **pairs, "hdac-hybrid-auto": 4.0}
    points = {
        (clip, codec, v): (rate * 2**i, {"psnr-y": 30.0 + 3 * i + far})
        for clip in "pqr"
        for codec, rate in rates.items()
        for i, v in enumerate((44, 38, 33, 28))
        for far in [40 if (clip, codec) == ("r", "hdac-hybrid-mixed") else 0]
    }
    folder = results_folder(tmp_path, points)
    store = Store(folder)
    for name in store.names():
        store.adopt(name, {**(store.load(name) or {}), "payload_bits": 700})
    network, payload, _ = share_tables(load(folder), bd_cell)
    assert [row[2] for row in network.rows] == [
        "-25.0 % [-25.0, -25.0]",
        "-50.0 % [-50.0, -50.0]; 3 clips: -50.0 %",
    ]
    assert network.head[2] == "PSNR-Y (dB), 2/3 clips"
    assert network.note.endswith(" PSNR-Y (dB): 2 of 3 clips, without r (hdac-hybrid-mixed).")
    apart = "hdac-hybrid-mixed has 2 of 3 clips, without r; on these hdac-base-mixed -20.0 %"
    assert f" against x265-tuned: {apart}" in payload.note
    assert "-20.0 % [-20.0, -20.0]" in payload.rows[1]
    assert "-40.0 % [-40.0, -40.0] of 2/3 clips" in payload.rows[2]


def test_payload(tmp_path: Path) -> None:
    """Half of the anchor's files is headers: without them hdac is no longer at 60 % of it."""
    folder = folder_of(tmp_path, {"x265-tuned": 0.5, "hdac-hybrid-mixed": 1.0})
    run = load(folder)
    table = share_tables(run, bd_cell)[1]
    assert table.head == ["BD-rate of payload", "against x265-tuned"]
    assert table.rows == [
        ["x265-tuned", ""], ["hdac-base-mixed", "n/a"],
        ["hdac-hybrid-mixed", "+20.0 %"], ["hdac-hybrid-auto", "n/a"],
    ]  # fmt: skip
    assert {p.codec for p in payload_run(run).points.values()} == {
        "x265-tuned",
        "hdac-hybrid-mixed",
    }
    means = {(r[0], r[1]): r[3:5] for r in mean_rows(run)}
    assert means["x265-tuned", "44"] == ["10.00", "5.00"]
    assert means["hdac-base-mixed", "44"] == ["8.00", "n/a"]
    write_tables(run)
    with (folder / "rd.csv").open(newline="") as file:
        rates = {(r["codec"], r["value"]): r["kbps_payload"] for r in csv.DictReader(file)}
    assert rates["x265-tuned", "28"] == "40.0"
    assert rates["hdac-hybrid-auto", "28"] == "n/a"


def test_anchors_thinned(tmp_path: Path) -> None:
    """Files of 100 bytes and 8 pictures: 12 bytes a picture leave 4."""
    run = load(folder_of(tmp_path, {"x265-tuned": 0.5, "hdac-hybrid-mixed": 1.0}))
    codecs = {
        name: replace(entry, kind="hdac" if name.startswith("hdac") else "anchor")
        for name, entry in run.about.codecs.items()
    }
    run = analysis.Run(run.folder, replace(run.about, codecs=codecs), run.points)
    (table,) = [t for t in share_tables(run, bd_cell) if "thinned" in t.title]
    assert table.rows[2] == ["hdac-hybrid-mixed", "+1400.0 %; beyond 1000 %: 1 clip"]
    rates = {p.codec: p.kbps for p in payload_run(run, True).points.values() if p.value == 44}
    assert rates == pytest.approx({"x265-tuned": 0.4, "hdac-hybrid-mixed": 6.0})


def test_the_page_has_them_and_the_time(tmp_path: Path) -> None:
    run = load(folder_of(tmp_path, dict.fromkeys(RATES, 0.9)))
    (page,) = write_report(run, [], [], with_players=False)
    text = page.read_text()
    for title in ("Hybrid against its own base", "Payload alone", "Time"):
        assert f"<h2>{title}</h2>" in text
    assert "<td>hdac-hybrid-mixed</td><td>1</td><td>125.0</td><td>125.0</td>" in text


@pytest.mark.usefixtures("inline")
def test_new_points_keep_their_payload(clips: Path, tmp_path: Path, hdac: Run) -> None:
    (clips / "q.mkv").unlink()
    codecs = x264("a", points=(30,)) + (
        '[codec.h]\nkind = "hdac"\ntitle = "h"\nmode = "base"\npreset = "fast"\npoints = [30]\n'
    )
    recipe = experiment(tmp_path, clips, codecs, '["a", "h"]')
    out = tmp_path / "out"
    assert hdac("experiment", "run", recipe, "--out", out, "--no-players")[0] == 0
    run = load(out)
    for point in run.points.values():
        assert 0 < point.record["payload_bits"] < 8 * point.record["bytes"]
    assert {row[0]: "n/a" in row for row in mean_rows(run)} == {"a": False, "h": False}
