"""Compiles the functions of slice data with Numba, into a cache: `python -m
hdac.bitstream.compiling FOLDER`.

They are plain Python; over lists they run interpreted. Here the same source is compiled over
arrays: a second set of each module's globals has its functions compiled and its tables of integers
as arrays. What is cached are those that other code calls; all others are inside them.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from hdac.bitstream import codecache, mixing, table
from hdac.bitstream.codecache import MODULES
from hdac.bitstream.compiled import INTERPRETED
from hdac.bitstream.running import Code

numba: Any = import_module("numba")
_INTS, _BYTES = numba.int64[::1], numba.uint8[::1]
#: Of parameters by name; all others are integers.
_TYPES = {"s": _INTS, "m": _INTS, "notes": _INTS, "tape": _BYTES}
#: Divisors are never 0.
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def _signature(function: Any) -> tuple[Any, ...]:
    """One for each function: without it, each mixture of constants and numbers makes another."""
    return tuple(_TYPES.get(name, numba.int64) for name in inspect.signature(function).parameters)


def _copy(function: Any, space: dict[str, Any]) -> FunctionType:
    return FunctionType(function.__code__, space, function.__name__)


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _spaces(entries: set[Any]) -> tuple[dict[str, dict[str, Any]], dict[Any, Any]]:
    """The globals of each module, with functions that will compile; and these by the plain
    ones. `entries`: functions that are cached."""
    names = [f"hdac.bitstream.{name}" for name in MODULES]
    spaces = {name: dict(vars(import_module(name))) for name in names}
    made: dict[Any, Any] = {}
    for name, space in spaces.items():
        for value in list(space.values()):
            if isinstance(value, FunctionType) and value.__module__ == name:
                entry = value in entries
                made[value] = numba.njit(**_OPTIONS, no_cpython_wrapper=not entry, cache=entry)(
                    _copy(value, space)
                )
    made[mixing.find] = made[table.find]
    for space in spaces.values():
        for key, value in space.items():
            if isinstance(value, FunctionType):
                space[key] = made.get(value, value)
            elif isinstance(value, list) and value and all(isinstance(n, int) for n in value):
                space[key] = np.array(value, np.int64)
    return spaces, made


def _compile(dispatcher: Any, done: set[Any]) -> None:
    """Compiles a function behind those that it calls: each once, for its one signature."""
    if dispatcher in done:
        return
    done.add(dispatcher)
    plain = dispatcher.py_func
    for name in plain.__code__.co_names:
        called = plain.__globals__.get(name)
        if hasattr(called, "py_func"):
            _compile(called, done)
    dispatcher.compile(_signature(plain))
    dispatcher.disable_compile()


def fill(folder: Path) -> None:
    """Compiles everything into a cache."""
    entries = {function for code in INTERPRETED.values() for function in (code.walk, code.write)}
    with _cache_in(folder):
        _, made = _spaces(entries)
    done: set[Any] = set()
    for entry in sorted(entries, key=lambda function: function.__module__):
        _compile(made[entry], done)
    codecache.finish(folder)


def load(folder: Path) -> dict[str, Code]:
    """The functions of a complete cache, by syntax. Raises what Numba raises if they are not in it:
    those that they call are no functions that it could compile."""
    found = {}
    with _cache_in(folder):
        for syntax, code in INTERPRETED.items():
            walk, write = (
                numba.njit(**_OPTIONS, no_cpython_wrapper=False, cache=True)(
                    _copy(function, dict(function.__globals__))
                )
                for function in (code.walk, code.write)
            )
            for dispatcher in (walk, write):
                dispatcher.compile(_signature(dispatcher.py_func))
                dispatcher.disable_compile()
            found[syntax] = Code(walk, write, arrays=True)
    return found


def main(folder: Path) -> None:
    with suppress(AttributeError, OSError):
        os.nice(19)
    if not codecache.lock(folder):
        return
    try:
        if not codecache.complete(folder):
            fill(folder)
    except Exception as error:
        (folder / codecache.FAILED).write_text(f"{type(error).__name__}: {error}\n")
        raise
    finally:
        codecache.unlock(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
