"""Compiles the functions of slice data with Numba, into a cache: `python -m
hdac.bitstream.compiling FOLDER`.

They are plain Python; over lists they run interpreted. Here the same source is compiled over
arrays: a second set of each module's globals has its functions compiled and its tables of integers
as arrays. What is kept is the machine code of those that other code calls; all others are inside
them.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from hdac.bitstream import codecache, mixing, native, table
from hdac.bitstream.codecache import MODULES
from hdac.bitstream.compiled import INTERPRETED

numba: Any = import_module("numba")
_INTS, _BYTES = numba.int64[::1], numba.uint8[::1]
#: Of parameters by name; all others are integers.
_TYPES = {"s": _INTS, "m": _INTS, "notes": _INTS, "tape": _BYTES}
#: Divisors are never 0. Neither Python nor Numba is needed to call them: no wrapper, no objects.
_OPTIONS = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": True,
    "_nrt": False,
}


def _signature(function: Any) -> tuple[Any, ...]:
    """One for each function: without it, each mixture of constants and numbers makes another."""
    return tuple(_TYPES.get(name, numba.int64) for name in inspect.signature(function).parameters)


def _copy(function: Any, space: dict[str, Any]) -> FunctionType:
    return FunctionType(function.__code__, space, function.__name__)


def _dispatchers() -> dict[Any, Any]:
    """The functions of all modules -> those that will compile, in globals of their own."""
    names = [f"hdac.bitstream.{name}" for name in MODULES]
    spaces = {name: dict(vars(import_module(name))) for name in names}
    made: dict[Any, Any] = {}
    for name, space in spaces.items():
        for value in list(space.values()):
            if isinstance(value, FunctionType) and value.__module__ == name:
                made[value] = numba.njit(**_OPTIONS)(_copy(value, space))
    made[mixing.find] = made[table.find]
    for space in spaces.values():
        for key, value in space.items():
            if isinstance(value, FunctionType):
                space[key] = made.get(value, value)
            elif isinstance(value, list) and value and all(isinstance(n, int) for n in value):
                space[key] = np.array(value, np.int64)
    return made


@contextmanager
def _part() -> Iterator[None]:
    """What is compiled here will only be part of other code. The compiler would optimise it and
    make machine code of it, with all that it calls, and again in each function that calls it: this
    leaves that out, which takes a quarter of the time. (Of Numba's inside; where that has changed,
    all is done as ever.)"""
    try:
        codegen = import_module("numba.core.registry").cpu_target.target_context.codegen()
        before = codegen._library_class

        class Part(before):  # type: ignore[misc, valid-type]
            def _optimize_final_module(self) -> None:
                pass

            def _finalize_final_module(self) -> None:
                self._finalize_dynamic_globals()
                self._finalized = True

        codegen._library_class, codegen.set_env = Part, lambda name, environment: None
    except (ImportError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        codegen._library_class = before
        del codegen.set_env


def _compile_called(dispatcher: Any, done: set[Any]) -> None:
    """Compiles what a function calls, each function once, for its one signature."""
    plain = dispatcher.py_func
    for name in plain.__code__.co_names:
        called = plain.__globals__.get(name)
        if hasattr(called, "py_func") and called not in done:
            done.add(called)
            _compile_called(called, done)
            with _part():
                _finish(called)


def _finish(dispatcher: Any) -> Any:
    """Compiles a function behind those that it calls; returns what came of it."""
    dispatcher.compile(_signature(dispatcher.py_func))
    dispatcher.disable_compile()
    (compiled,) = dispatcher.overloads.values()
    return compiled


def fill(folder: Path) -> None:
    """Compiles everything into a cache."""
    made, done = _dispatchers(), set[Any]()
    for syntax, code in INTERPRETED.items():
        for name in ("walk", "write"):
            dispatcher = made[getattr(code, name)]
            _compile_called(dispatcher, done)
            compiled = _finish(dispatcher)
            machine_code = compiled.library.serialize_using_object_code()[2][0]
            native.path_of(folder, syntax, name).write_bytes(
                compiled.fndesc.llvm_func_name.encode() + b"\0" + machine_code
            )
    # LLVM ends a process whose code needs what is not there
    subprocess.run([sys.executable, "-m", "hdac.bitstream.native", str(folder)], check=True)
    codecache.finish(folder)


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
