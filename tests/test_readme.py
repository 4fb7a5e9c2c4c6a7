"""The README's example runs and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from hdac.cli.main import VERBS

README = Path(__file__).parent.parent / "README.md"


def test_example() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    wanted = re.findall(r"print\(.*\)  # (.*)", code)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(README), "exec"), {})
    assert out.getvalue().splitlines() == wanted


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_named(verb: str) -> None:
    assert (
        f"hdac {verb}" in README.read_text()
        or f"make {verb}" in README.read_text()
        or verb == "models"
    )
