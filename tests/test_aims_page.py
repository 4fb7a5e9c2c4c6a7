"""How docs/measured/results.md says what was aimed at."""

from pathlib import Path

import pytest

from tests.scripts import script

page = script("aims_page")


def test_the_page_is_made_of_the_results() -> None:
    text = page.PAGE.read_text("utf-8")
    assert page.page(text) == text, "run python experiments/aims_page.py"
    damaged = text.replace(" missed by ", " met by ", 1)
    assert damaged != text
    assert page.page(damaged) == text


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "e"
    folder.mkdir()
    head = "metric,anchor,codec,sequence,bd_rate_pchip_percent,note,stale"
    lines = [
        "psnr-y,a,b,common,-12.34,3 of 4 clips,",
        "psnr-y,a,b,mean,-20,3 of 4 clips,",
        "vmaf,a,b,apart,-5.0,2 of 4 clips,codec",
        "identity,a,b,common,,1 of 4 clips,",
    ]
    (folder / "bd.csv").write_text("\n".join([head, *lines]) + "\n")
    rates = ["sequence,codec,grid,status", "p,b,1.0,ok", "p,b,1.2,stale", "q,b,1.1,ok", "r,a,9,ok"]
    (folder / "rd.csv").write_text("\n".join(rates) + "\n")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    most = {"psnr-y": -12.3, "vmaf": -10, "identity": -1, "flicker": -1}
    assert page.rows(page.Aim("e", "b", "a", most)) == [
        ["b", "a", "PSNR-Y (dB)", "-12.3 %", "-12.3 % (3 of 4 clips)", "met"],
        ["b", "a", "VMAF", "-10 %", "-5.0 % (2 of 4 clips), stale", "missed by 5.0"],
    ]
    assert page.rows(page.Aim("none", "b", "a", most)) == []
    measured = "over it on 1 of 2 clips, 1.20 at most, stale"
    assert page.over("e", "b") == [["b", "", "Grid", "1.1 everywhere", measured, "missed"]]
    assert page.over("none", "b") == []
