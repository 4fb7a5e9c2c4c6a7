"""A stream for the tests of the command line."""

from pathlib import Path

import pytest


@pytest.fixture(scope="package")
def stream(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    from hdac.cli.main import main

    out = tmp_path_factory.mktemp("stream") / "head.hdac"
    assert main(["encode", str(clip), "-o", str(out), "--qp-base", "42", "--frames", "8"]) == 0
    return out
