"""Loads the compiled functions of slice data: LLVM links their machine code into this process,
which takes a hundredth of what their compiler takes to start.

A file has a function's name in LLVM, a zero and its object code. A function is called as Numba's
code is (`numba.core.callconv`): a status comes back, and through pointers the result, and what was
raised.
"""

from __future__ import annotations

import ctypes
import pickle
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from hdac.bitstream.codecache import SUFFIX
from hdac.bitstream.registers import IN_END, STATE
from hdac.bitstream.running import Code
from hdac.errors import DamagedError

SYNTAXES = ("hevc", "vvc")
#: Functions of a `Code`, and how many arrays they take.
ARRAYS = {"walk": 3, "write": 4}
_PLAIN = (0, -2)  # the statuses of a result, and of none


class _Raised(ctypes.Structure):
    """An exception's class, arguments and place, pickled."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_int32))


class _Function:
    """A function of arrays of integers."""

    def __init__(self, engine: Any, symbol: str, arrays: int) -> None:
        self._engine = engine  # holds the machine code
        pointer, size = ctypes.c_void_p, ctypes.c_ssize_t
        array = (pointer, pointer, size, size, pointer, size, size)
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, *array * arrays)
        self._call = kind(engine.get_function_address(symbol))

    def __call__(self, *arrays: Any) -> bool:
        result, raised = ctypes.c_int64(), ctypes.POINTER(_Raised)()
        given: list[Any] = [ctypes.byref(result), ctypes.byref(raised)]
        for array in arrays:
            assert array.flags.c_contiguous
            size = array.itemsize
            given += (None, None, array.size, size, array.ctypes.data, array.size, size)
        status = self._call(*given)
        if status in _PLAIN:
            return bool(result.value & 1)
        if not raised:
            raise RuntimeError(f"compiled code ended with status {status}")
        kind, told, _ = pickle.loads(ctypes.string_at(raised[0].data, raised[0].size))
        raise kind(*told)


def path_of(folder: Path, syntax: str, name: str) -> Path:
    """Where the function `name` of a codec's `Code` is."""
    return folder / f"{syntax}-{name}{SUFFIX}"


def _linked(files: list[bytes]) -> Any:
    """LLVM's engine with these object files."""
    llvm: Any = import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly(""), target.create_target_machine(jit=True)
    )
    for data in files:
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine


def load(folder: Path) -> dict[str, Code]:
    """The functions of a complete cache, by syntax."""
    read = {
        (syntax, name): path_of(folder, syntax, name).read_bytes().partition(b"\0")
        for syntax in SYNTAXES
        for name in ARRAYS
    }
    engine = _linked([data for _, _, data in read.values()])
    made = {
        (syntax, name): _Function(engine, symbol.decode(), ARRAYS[name])
        for (syntax, name), (symbol, _, _) in read.items()
    }
    return {
        syntax: Code(made[syntax, "walk"], made[syntax, "write"], arrays=True)
        for syntax in SYNTAXES
    }


def check(folder: Path) -> None:
    """Runs each function, and has it raise. Raises what goes wrong."""
    for syntax, code in load(folder).items():
        state: Any = np.zeros(STATE, np.int64)
        tape: Any = np.full(16, 0xFF, np.uint8)
        code.write(state, state, tape, state)
        state[IN_END] = tape.size
        try:
            code.walk(state, state, tape)
        except DamagedError:
            continue
        raise RuntimeError(f"compiled code of {syntax} takes noise for a slice")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
