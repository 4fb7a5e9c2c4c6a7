"""`hdac`: parses the command line, runs a verb, turns errors into exit codes (0 fine, 1 failure, 2 bad input or usage)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import av

from hdac import __version__
from hdac.cli import batch, compare, datasets, decode, demo, doctor, encode, experiment, export, info, measure, models, train
from hdac.errors import HdacError, StreamError, UsageError

VERBS = (encode, decode, info, export, compare, measure, batch, datasets, experiment, train, models, doctor, demo)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="hdac", description="Hybrid deep animation codec: talking heads at 2 to 70 kbps.")
    top.add_argument("--version", action="version", version=f"hdac {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in VERBS:
        name = module.__name__.rpartition(".")[2]
        doc = (module.__doc__ or "").strip()
        sub = verbs.add_parser(name, help=doc.splitlines()[0], description=doc)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    av.logging.set_level(av.logging.PANIC)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # read when a metric imports cv2
    options = parser().parse_args(arguments)
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
