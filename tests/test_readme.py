"""Examples of README and of the pages that it leads to run and print what they say, and what they
name is there."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from hdac.cli.main import VERBS, parser

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
#: Those that show commands as they are now; others tell of earlier ones.
GUIDES = [
    README,
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "bench",
            "cli",
            "library",
            "live",
            "models",
            "reference_software",
            "training",
        )
    ),
]
TEXT = "\n".join(page.read_text("utf-8") for page in GUIDES)
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples(code: str) -> None:
    """Each `print` has a comment with what it prints."""
    wanted = re.findall(r"print\(.*\)  # (.*)", code)
    assert len(wanted) == code.count("print(") > 0
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "example", "exec"), {})
    assert out.getvalue().splitlines() == wanted


def test_there_is_an_example() -> None:
    assert any("hdac.encode(" in code and "hdac.decode(" in code for code in EXAMPLES)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_named(verb: str) -> None:
    assert f"hdac {verb}" in TEXT or f"make {verb}" in TEXT


def options(of: argparse.ArgumentParser) -> Iterator[str]:
    """All options of a parser and of those below it."""
    for action in of._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from options(sub)


def test_every_option_is_there() -> None:
    """Other programs' options do not count: what stands before `-m hdac`, and our scripts'."""
    ours = re.sub(r"torchrun.* -m hdac|python experiments/\S+[^`]*", "", TEXT)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", ours))
    assert len(named) > 10
    assert named - set(options(parser(VERBS))) == set()


BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SHELL = "".join(block for language, block in BLOCKS if not language)
COMMANDS = re.findall(r"^(?:\w+=\S+ )?hdac (.*)$", SHELL, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: str) -> None:
    words = shlex.split(command, comments=True)
    assert parser([words[0]]).parse_args(words).verb == words[0]


def test_there_are_commands() -> None:
    assert {shlex.split(c)[0] for c in COMMANDS} >= set(VERBS) - {"demo"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_the_package_page_has_no_dead_links() -> None:
    """It stands alone: files are named, and there is no picture."""
    _, _, page = (distribution("hdac").read_text("METADATA") or "").partition("\n\n")
    assert "## Five commands" in page
    assert "docs/bench.md: experiments" in page
    assert re.findall(r"!?\[[^\]\n]*\]\((?!https?:)[^)]*\)|picture above", page) == []


def test_readme_is_a_front_page() -> None:
    assert len(README.read_text("utf-8").split()) <= 900


def test_every_weights_file_has_a_card() -> None:
    cards = (ROOT / "docs" / "models.md").read_text("utf-8")
    for folder in ("hdac/runtime/weights", "models"):
        for path in (ROOT / folder).glob("*.safetensors"):
            assert f"### {path.stem}\n" in cards
