"""`hdac`: parses the command line, runs a verb, turns errors into exit codes (0 fine, 1 failure, 2
bad input or usage)."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

from hdac import __version__
from hdac.errors import HdacError, StreamError, UsageError

#: Each is a module of this package.
VERBS = (
    "encode", "decode", "info", "export", "compare", "measure", "batch", "datasets", "experiment", "train", "models", "doctor", "demo",
)  # fmt: skip


def parser(names: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line of these verbs. A verb's module is imported with it: the bench's libraries
    take seconds."""
    top = argparse.ArgumentParser(
        prog="hdac", description="Hybrid deep animation codec: talking heads at 2 to 70 kbps."
    )
    top.add_argument("--version", action="version", version=f"hdac {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in names:
        module = importlib.import_module(f"hdac.cli.{name}")
        doc = (module.__doc__ or "").strip()
        sub = verbs.add_parser(name, help=doc.splitlines()[0], description=doc)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # read when a metric imports cv2
    if importlib.util.find_spec("av"):  # a training machine may lack it
        import av

        av.logging.set_level(av.logging.PANIC)
    wanted = [verb for verb in VERBS if verb in arguments[:1]]
    options = parser(wanted or VERBS).parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (UsageError, StreamError) as error:
        print(f"hdac: {error}", file=sys.stderr)
        return 2
    except (HdacError, OSError) as error:
        print(f"hdac: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hdac: interrupted; nothing was written", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
