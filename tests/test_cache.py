"""Where caches are."""

import sys
from pathlib import Path

import pytest

from hdac.cache import VARIABLE, cache_folder, cache_root


@pytest.mark.parametrize(
    ("platform", "variable", "least"),
    [("linux", "XDG_CACHE_HOME", ".cache"), ("win32", "LOCALAPPDATA", "Local"),
     ("darwin", None, "Caches")],
)  # fmt: skip
def test_of_each_system(
    platform: str, variable: str | None, least: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, "somewhere")
        assert cache_root() == Path("somewhere/hdac")
        monkeypatch.delenv(variable)
    assert cache_root().parts[-2:] == (least, "hdac")


def test_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "here"))
    assert cache_folder("openvino") == tmp_path / "here" / "openvino"
    assert (tmp_path / "here" / "openvino").is_dir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        cache_folder("openvino")
