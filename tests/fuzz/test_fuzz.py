"""The fuzzer, for a little while; `.ci/run` runs it for longer."""

import random

import pytest

from tests.fuzz import run
from tests.fuzz.mutate import mutant, rebuilt, taken, written


def test_mutants() -> None:
    """The same 200 every time."""
    totals = run.Totals()
    for outcome in run.fuzz(seed=2026, count=200):
        totals.add(outcome)
    assert totals.count == 200
    assert not totals.failures, "python -m tests.fuzz.run --seed 2026 --index N repeats one"
    said = {"decode: whole", "decode: IncompleteError", "decode: StreamError"}
    assert said <= set(totals.found), "mutants of all sorts"
    said = {"gfv base: whole", "gfv decode: IncompleteError", "gfv inspect: whole"}
    assert said <= set(totals.found), "of VVC streams too"


def test_unaltered_streams_come_back() -> None:
    for name, data in run.seeds().items():
        header, packets = taken(data)
        assert written(header, packets) == data, name
        assert rebuilt(header, packets) == data, name


def test_mutants_are_repeatable() -> None:
    data = run.seeds()["hybrid-hevc"]
    assert mutant(data, random.Random(1)) == mutant(data, random.Random(1))
    assert run.make(3, 4) == run.make(3, 4) != run.make(3, 5)


@pytest.mark.parametrize("kind", ["exception", "time", "memory"])
def test_failures_are_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    if kind == "exception":
        monkeypatch.setattr("hdac.codec.files.inspect", fail)
        words = "inspect: ZeroDivisionError('on purpose') at test_fuzz.py"
    elif kind == "time":
        monkeypatch.setattr(run, "MAX_CPU", -1.0)
        words = "s of CPU time; allowed are -1"
    else:
        monkeypatch.setattr(run, "MAX_MEMORY", 1)
        words = "MB; allowed are 1"
    monkeypatch.setattr(run, "make", lambda *_: ("x", run.seeds()["base-hevc"], "base"))
    assert words in run.attempt(0, 0).failure


def test_a_worker_that_dies_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told apart from one that ends, and the next goes on behind it."""
    monkeypatch.setattr(run, "_work", run._die)
    outcomes = list(run.fuzz(seed=1, count=2))
    assert [o.index for o in outcomes] == [0, 1]
    assert all(o.failure == "its worker ended: SIGKILL" for o in outcomes)
