"""`hdac`: parses the command line, runs a verb, turns errors into exit codes (0 fine, 1 failure, 2
bad input or usage, 130 interrupted, 141 nobody reads, 143 terminated)."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hdac import __version__
from hdac.errors import HdacError, StreamError, UsageError

#: Each is a module of this package.
VERBS = (
    "encode", "decode", "info", "export", "compare", "measure", "batch", "bench", "datasets",
    "experiment", "train", "models", "doctor", "demo", "live",
)  # fmt: skip
#: Environment variable: print unforeseen errors with their traceback.
TRACEBACK = "HDAC_TRACEBACK"
#: Numbers that begin with a sign, of an option that takes several.
_SIGNED = re.compile(r"-[0-9.]+,\S*")
#: Verbs that keep what was finished before they are interrupted.
_KEEPING = ("batch", "datasets", "experiment", "train")
#: Verbs that need more than the package's own dependencies: the extra that has it.
_EXTRAS = {
    "train": "train", "measure": "bench", "experiment": "bench", "demo": "bench", "bench": "cuda",
    "live": "live", "models": "cuda",
}  # fmt: skip


def _summary(verb: str) -> str:
    """First line of a verb's documentation, without importing it: some take seconds."""
    import ast

    spec = importlib.util.find_spec(f"hdac.cli.{verb}")
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def parser(names: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line; of these verbs with their options."""
    top = argparse.ArgumentParser(
        prog="hdac", description="Hybrid deep animation codec: talking heads at 2 to 70 kbps."
    )
    top.add_argument("--version", action="version", version=f"hdac {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        if name in names:
            module = importlib.import_module(f"hdac.cli.{name}")
            sub = verbs.add_parser(name, description=module.__doc__)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
        elif not names:
            verbs.add_parser(name, help=_summary(name))
    return top


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--rotate -20,0,0` as `--rotate=-20,0,0`: argparse takes the numbers for an option."""
    out = list[str]()
    for one in arguments:
        if out and out[-1].startswith("--") and "=" not in out[-1] and _SIGNED.fullmatch(one):
            out[-1] += f"={one}"
        else:
            out.append(one)
    return out


class _Stopped(KeyboardInterrupt):
    """(Python ends itself by SIGINT where a plain one went through an import in C.)"""


@contextmanager
def _signals(caught: list[int]) -> Iterator[None]:
    """Turns SIGINT and SIGTERM into exceptions, so that clean-ups run; `caught` notes which (a
    library that is being imported may turn the exception into another)."""

    def on_signal(number: int, frame: FrameType | None) -> NoReturn:
        caught.append(number)
        raise _Stopped

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare() -> None:
    """What holds for all verbs."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name need not be text in this encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # read when a metric imports cv2
    if importlib.util.find_spec("av"):  # a training machine may lack it
        import av

        av.logging.set_level(av.logging.PANIC)


def _run(arguments: Sequence[str]) -> int:
    source = None
    try:
        verbs = parser([verb for verb in VERBS if verb in arguments[:1]])
        options = verbs.parse_args(_joined(arguments))
        _prepare()
        source = getattr(options, "input", None)
        code = int(options.run(options) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `hdac ... | head`; the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (UsageError, StreamError) as error:
        of = f"{source}: " if source and isinstance(error, StreamError) else ""
        print(f"hdac: {of}{error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (extra := _EXTRAS.get(arguments[0])) is None:
            raise
        lacking = f"{arguments[0]} needs {error.name}, which is not installed"
        print(f"hdac: {lacking}: pip install 'hdac[{extra}]'", file=sys.stderr)
        return 2
    except (HdacError, OSError) as error:
        print(f"hdac: {error}", file=sys.stderr)
        return 1


def _report(error: Exception) -> str:
    """What a user is told of an error that nobody foresaw."""
    if os.environ.get(TRACEBACK):
        return "".join(traceback.format_exception(error)).rstrip()
    kind, frames = type(error), traceback.extract_tb(error.__traceback__)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    ours = [f for f in frames if Path(f.filename).is_relative_to(Path(__file__).parents[1])]
    at = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else "unknown"
    return (
        f"hdac: unforeseen {module}{kind.__qualname__}: {error} ({at}, hdac {__version__})\n"
        "This is a fault of hdac or of a library. Please report it: the command, what `hdac "
        f"doctor` prints, and what the command prints with {TRACEBACK}=1."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    caught = list[int]()
    try:
        with _signals(caught):
            return _run(arguments)
    except BaseException as error:
        if not caught and isinstance(error, Exception):
            print(_report(error), file=sys.stderr)
            return 1
        if not caught and not isinstance(error, KeyboardInterrupt):
            raise
    kept = any(verb in arguments[:1] for verb in _KEEPING)
    what = "what was finished is kept" if kept else "nothing was written"
    print(f"hdac: interrupted; {what}", file=sys.stderr)
    return 128 + (caught[0] if caught else signal.SIGINT)


if __name__ == "__main__":
    raise SystemExit(main())
