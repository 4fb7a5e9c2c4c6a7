"""Fuzzing of the decoder: `python -m tests.fuzz.run --seconds 60`.

Mutants of the golden files and of a stream of each motion model, with right checksums, and one in
eight (`--gfv`: all) a VVC stream with hostile GFV messages, are decoded and inspected in worker
processes, and their sound is read. An exception that is no `HdacError`, a mutant that takes over
10 s of CPU time, or a worker of over 800 MB is a failure (exit code 1); `--seed` and `--index`
repeat it.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from hdac.bitstream.container import Header
from hdac.errors import HdacError
from hdac.runtime.models import ANIMATION
from tests.fuzz import gfv, kinds
from tests.fuzz.mutate import mutant, with_reserved

SEEDS = (Path(__file__).parents[1] / "golden", Path(__file__).parent / "seeds")
MAX_CPU = 10.0  # seconds of a mutant; machines differ fourfold in speed
MAX_MEMORY = 800  # MB of a worker
KILL_AFTER = 30  # seconds of CPU time of a mutant: then its worker is ended
BATCH = 500  # mutants of a worker
#: Environment variable, which worker processes get too: all mutants are VVC streams.
ONLY_GFV = "HDAC_FUZZ_GFV"


class Outcome(NamedTuple):
    """What became of one mutant. `failure` is empty where all is well."""

    index: int
    name: str
    found: tuple[str, ...]
    cpu: float
    memory: float
    failure: str


@dataclass
class Totals:
    """What became of all of them."""

    count: int = 0
    cpu: float = 0.0
    memory: float = 0.0
    found: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.count += 1
        self.cpu, self.memory = max(self.cpu, outcome.cpu), max(self.memory, outcome.memory)
        self.found.update(outcome.found)
        if outcome.failure:
            self.failures.append(outcome)


@cache
def seeds() -> dict[str, bytes]:
    files = [path for folder in SEEDS for path in sorted(folder.glob("*.hdac"))]
    found = {path.stem: path.read_bytes() for path in files}
    found["animation-large"] = kinds.large_animation(found["large"])
    return found | kinds.streams(found["animation-hevc"])


def make(seed: int, index: int) -> tuple[str, bytes, str]:
    """The mutant of a number: the file that it comes from, its bytes, the level to decode."""
    rng, files = random.Random(f"{seed}/{index}"), seeds()
    if os.environ.get(ONLY_GFV) or index % 8 == 7:
        data, pictures = gfv.mutant(rng)
        return f"gfv-{pictures}", data, rng.choice(("animation", "fused"))
    names = list(files)
    name = rng.choice(names)
    if name.endswith("large") and rng.random() < 0.7:  # it takes long
        name = rng.choice(names)
    data = mutant(files[name], rng)
    levels = ("animation", "fused") if name.startswith("animation") else ("base", "base", "fused")
    return name, data, rng.choice(levels)


class _StandIn:
    """In place of the networks, which other tests run: shows what it is given."""

    workers = 2

    def __init__(self, *_: object) -> None:
        pass

    @classmethod
    def of(cls, network: Any = None, *_: object, **__: object) -> _StandIn:
        made = cls()
        made.system = getattr(network, "system", "")
        return made

    def set_reference(self, picture: object, qp: int, parameters: object) -> None:
        self._reference = picture

    def fuse(self, picture: object, qp: int, parameters: object) -> Future[Any]:
        assert not self.system, "networks of other systems take no base picture"
        return self._made(picture)

    def animate(self, parameters: object) -> Future[Any]:
        return self._made(self._reference)

    def _made(self, picture: object) -> Future[Any]:
        made: Future[Any] = Future()
        made.set_result(picture)
        return made

    def close(self) -> None:
        pass

    name, counts, system = "stand-in", "all", ""

    def takes(self, _: int) -> bool:
        return True

    def __enter__(self) -> _StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _stand_in() -> None:
    module: Any = importlib.import_module("hdac.codec.synthesiser")
    network_of = module.network_of

    def chosen(header: Header) -> object:
        """That of mode animation alone is known; others take what any header says."""
        return network_of(header) if header.model == ANIMATION else _StandIn()

    module.network_of = chosen
    module.network_for = module.Synthesiser = _StandIn.of


def _memory() -> float:
    """Most memory that this process has taken, in MB (`getrusage` may say its parent's)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def _gfv_calls(data: bytes, level: str, pictures: int) -> dict[str, Callable[[], object]]:
    """What is done with a VVC stream."""
    from hdac.bitstream.vvc.sei import remove
    from hdac.codec.gfv.stream import GfvStream
    from hdac.codec.gfv.summary import to_json

    def base() -> None:
        shown = len(list(GfvStream(data).decode("base")))
        if shown != pictures:
            raise AssertionError(f"{shown} pictures at level base; {pictures} are there")

    def inspected() -> None:
        stream = GfvStream(data)
        stream.to_json()
        for located in stream.messages():
            to_json(located)

    return {
        "gfv decode": lambda: sum(1 for _ in GfvStream(data).decode(level)),  # type: ignore[arg-type]
        "gfv inspect": inspected,
        "gfv base": base,
        "gfv remove": lambda: remove(data),
    }


def _with_reserved(data: bytes, level: str, index: int) -> None:
    """What a stream shows does not depend on packets of reserved types in it."""
    from hdac.codec.files import decode

    both = (data, with_reserved(data, random.Random(index)))
    plain, other = (list(decode(each, level)) for each in both)  # type: ignore[arg-type]
    same = len(plain) == len(other) and all(
        a[:1] + a[2:] == b[:1] + b[2:] and a.picture.same(b.picture)
        for a, b in zip(plain, other, strict=True)
    )
    if not same:
        raise AssertionError(f"{len(other)} frames with reserved packets, {len(plain)} without")


def attempt(seed: int, index: int) -> Outcome:
    """Decodes and inspects one mutant, and reads its sound."""
    from hdac.codec.audio import Audio
    from hdac.codec.files import base_units, decode, inspect
    from hdac.codec.gfv.export import export_gfv

    name, data, level = make(seed, index)
    start, found, failure = time.process_time(), list[str](), ""
    calls: dict[str, Callable[[], object]] = {
        "decode": lambda: sum(1 for _ in decode(data, level)),  # type: ignore[arg-type]
        "inspect": lambda: inspect(data).to_json(),
        "audio": lambda: sum(1 for _ in Audio(data)),
    }
    if name.startswith("gfv-"):
        calls = _gfv_calls(data, level, int(name[4:]))
    elif index % 5 == 0:
        calls["base"] = lambda: sum(1 for _ in base_units(data))
    elif index % 5 == 1:
        calls["reserved"] = lambda: _with_reserved(seeds()[name], level, index)
    if name.endswith("-vvc"):
        calls["export"] = lambda: export_gfv(data)
    for what, call in calls.items():
        try:
            call()
            found.append(f"{what}: whole")
        except HdacError as error:
            found.append(f"{what}: {type(error).__name__}")
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            failure = f"{what}: {error!r} at {Path(place.filename).name}:{place.lineno}"
    cpu, memory = time.process_time() - start, _memory()
    if cpu > MAX_CPU:
        failure = failure or f"{cpu:.1f} s of CPU time; allowed are {MAX_CPU:g}"
    if memory > MAX_MEMORY:
        failure = failure or f"{memory:.0f} MB; allowed are {MAX_MEMORY}"
    return Outcome(index, name, tuple(found), cpu, memory, failure)


def _work(seed: int, indices: range, answers: Connection) -> None:
    """A worker process: sends a number when it begins with it and an `Outcome` when it is done."""
    import logging

    logging.disable()
    _stand_in()
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    for index in indices:
        answers.send(index)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + KILL_AFTER, hard))
        outcome = attempt(seed, index)
        answers.send(outcome)
        if outcome.memory > MAX_MEMORY:
            break  # the next one gets a fresh process
    answers.send(None)


def _die(seed: int, indices: range, answers: Connection) -> None:
    """In place of `_work`: a worker that is ended from outside."""
    answers.send(indices.start)
    os.kill(os.getpid(), signal.SIGKILL)


def _batch(seed: int, indices: range) -> Iterator[Outcome]:
    """The outcomes of a worker process, as far as it comes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(seed, indices, theirs), daemon=True)
    worker.start()
    theirs.close()
    at = indices.start
    try:
        while (message := ours.recv()) is not None:
            if isinstance(message, Outcome):
                yield message
            else:
                at = message
    except EOFError:
        worker.join()
        code = worker.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        yield Outcome(at, make(seed, at)[0], ("ended",), 0.0, 0.0, f"its worker ended: {how}")
    finally:
        worker.terminate()
        worker.join()
        ours.close()


def fuzz(seed: int, count: int, seconds: float | None = None, first: int = 0) -> Iterator[Outcome]:
    """The outcomes of the mutants from number `first` on."""
    start, at, end = time.monotonic(), first, first + count
    while at < end:
        for outcome in _batch(seed, range(at, min(end, at + BATCH))):
            at = outcome.index + 1
            yield outcome
            if seconds is not None and time.monotonic() - start > seconds:
                return


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="at most so many mutants")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--seconds", type=float, help="at most so long")
    parser.add_argument("--seed", type=int, help="of the mutants; default: another each time")
    parser.add_argument("--index", type=int, help="this mutant only")
    parser.add_argument("--output", type=Path, help="write the mutant of --index to a file")
    parser.add_argument("--gfv", action="store_true", help="VVC streams with GFV messages only")
    options = parser.parse_args(arguments)
    if options.gfv:
        os.environ[ONLY_GFV] = "1"
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    if options.index is not None and options.output is not None:
        options.output.write_bytes(make(seed, options.index)[1])
    first, count = (options.first, options.count)
    if options.index is not None:
        first, count = options.index, 1
    totals = Totals()
    for outcome in fuzz(seed, count, options.seconds, first):
        totals.add(outcome)
        if outcome.failure:
            print(
                f"FAILED {outcome.name}: {outcome.failure}\n    repeat it: "
                f"python -m tests.fuzz.run --seed {seed} --index {outcome.index}"
                + " --gfv"
                * options.gfv,
                flush=True,
            )
    print(
        f"{totals.count} mutants, {len(totals.failures)} failures; at most {totals.cpu:.2f} s of "
        f"CPU time and {totals.memory:.0f} MB"
    )
    for what, number in sorted(totals.found.items()):
        print(f"{number:8} {what}")
    return 1 if totals.failures else 0


if __name__ == "__main__":
    sys.exit(main())
