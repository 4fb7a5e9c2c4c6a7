"""Networks on the CPU, by OpenVINO: graphs from a graph file, one thread a picture.

The order of a convolution's sums may change with its number of threads, so that every picture is
computed on exactly one, and several pictures run side by side. Large ones run one at a time, for
the sake of memory, on all threads: measured, the bits are the same.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from hdac.bitstream.container import NumberFormat
from hdac.cache import cache_folder
from hdac.errors import UsageError
from hdac.runtime.graphs import read_graphs
from hdac.runtime.library import openvino
from hdac.runtime.models import ModelFile
from hdac.runtime.planes import Array
from hdac.runtime.protocol import FAR, THUMBNAIL, Reference

#: Sizes of pictures for which a network stays compiled in this process.
_KEPT = 4
_M_MMAP_THRESHOLD = -3  # malloc.h
#: Pixels from which a picture is large.
_LARGE = 1 << 20


class _Running:
    """Requests of a model's graphs, in several threads. streams: pictures that are computed side by
    side."""

    parallel = True

    def __init__(self, model: ModelFile, streams: int) -> None:
        _check_process()
        self._graphs = _Graphs.of(model.graphs.stat().st_mtime_ns, model)
        self._streams = streams
        self._requests = threading.local()
        self._alone, self._large = threading.Lock(), dict[Any, Any]()  # of large pictures

    def enter(self) -> None:
        pass

    def detect(self, planes: Array) -> Array:
        (found,) = self._infer("detect", planes, [planes])
        return found

    def fit(self, points: Array) -> Array:
        (found,) = self._run(self._kept, self._streams, "fit", points, [points])
        return found

    def _encode(self, planes: Array, inputs: list[Array]) -> list[Array]:
        features = self._infer("encode", planes, inputs)
        if _is_large(planes):  # used once a GOP: its memory costs more than to compile it again
            with self._alone:
                self._large.pop(("encode", planes.shape), None)
                self._graphs.drop("encode")
        return features

    @property
    def _kept(self) -> dict[Any, Any]:
        """This thread's requests, by graph and size."""
        kept: dict[Any, Any] = self._requests.__dict__
        return kept

    def _infer(self, name: str, planes: Array, inputs: list[Array]) -> list[Array]:
        """A graph's outputs; this thread's memory is used again and again, large pictures share
        theirs."""
        if not _is_large(planes):
            return self._run(self._kept, self._streams, name, planes, inputs)
        _return_freed_memory()
        with self._alone:
            return self._run(self._large, 1, name, planes, inputs)

    def _run(
        self, kept: dict[Any, Any], streams: int, name: str, planes: Array, inputs: list[Array]
    ) -> list[Array]:
        """`kept`: requests, by graph and size."""
        key = name, planes.shape
        request = kept.get(key)
        if request is None:
            shapes = tuple(array.shape for array in inputs)
            compiled = self._graphs.compiled(name, shapes, streams, self._streams)
            request = kept[key] = compiled.create_infer_request()
        results = request.infer(dict(enumerate(inputs)), share_inputs=True)
        return [results[i].copy() for i in range(len(results))]


class OpenVinoBackend(_Running):
    """`Backend` of a model with graphs. Raises `UsageError` for a file that is damaged."""

    def __init__(self, model: ModelFile, streams: int) -> None:
        super().__init__(model, streams)
        self._keypoints = model.most

    def encode(self, planes: Array, qp: int) -> list[Array]:
        return self._encode(planes, [planes, _one(qp)])

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        return self._move(planes, qp, reference, keypoints, 1)

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        return self._move(reference.planes, 0, reference, keypoints, 0)

    def _move(
        self, planes: Array, qp: int, reference: Reference, keypoints: Array, mask: int
    ) -> Array:
        points = [self._padded(k) for k in (reference.keypoints, keypoints)]
        inputs = [planes, _one(qp), reference.planes, *reference.features, *points, _one(mask)]
        (made,) = self._infer("fuse", planes, inputs)
        return made

    def _padded(self, keypoints: Array) -> Array:
        """As many as the graph takes: it leaves out those that are far away."""
        missing = self._keypoints - keypoints.shape[1]
        return np.pad(keypoints, ((0, 0), (0, missing), (0, 0)), constant_values=FAR)


class OpenVinoAnimation(_Running):
    """`Backend` of another system's network: its references' `keypoints` are what it takes. Raises
    `UsageError` for a file that is damaged."""

    def encode(self, planes: Array, qp: int) -> list[Array]:
        return self._encode(planes, [planes])

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        raise NotImplementedError("networks of other systems take no base picture")

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        inputs = [reference.planes, *reference.features, reference.keypoints, keypoints]
        (made,) = self._infer("animate", reference.planes, inputs)
        return made


class OpenVinoLandmarks:
    """Landmarks `(1, P, 2)` of thumbnails `(1, 3, 128, 128)`, by a model with graphs: one thread,
    one picture at a time. Raises `UsageError` for a file that is damaged."""

    def __init__(self, model: ModelFile) -> None:
        _check_process()
        graphs = _Graphs.of(model.graphs.stat().st_mtime_ns, model)
        shape = 1, 3, THUMBNAIL, THUMBNAIL
        self._request = graphs.compiled("points", (shape,), 1, 1).create_infer_request()

    def __call__(self, thumbnail: Array) -> Array:
        found: Array = self._request.infer({0: thumbnail}, share_inputs=True)[0].copy()
        return found


class OpenVinoEnlarger:
    """`Enlarger` of a model with graphs: one picture at a time on `threads` threads. Raises
    `UsageError` for a file that is damaged."""

    def __init__(self, model: ModelFile, threads: int) -> None:
        _check_process()
        self.reach, self._threads = model.reach, threads
        self._graphs, self._requests = _Graphs(model), dict[Any, Any]()

    def __call__(self, planes: Array) -> Array:
        if planes.shape not in self._requests:
            compiled = self._graphs.compiled("enlarge", (planes.shape,), 1, self._threads)
            self._requests[planes.shape] = compiled.create_infer_request()
        results = self._requests[planes.shape].infer({0: planes}, share_inputs=True)
        found: Array = results[0].copy()
        return found


class OpenVinoInterpolator(_Running):
    """`Interpolator` of a model with graphs. Raises `UsageError` for a file that is damaged."""

    def __call__(self, before: Array, after: Array, share: float) -> Array:
        (made,) = self._infer("interpolate", before, [before, after, _one(share)])
        return made


@lru_cache(maxsize=1)
def _return_freed_memory() -> None:
    """Blocks of 1 MB and more get pages of their own, which go back when they are freed: otherwise
    the GNU C library raises this limit up to 32 MB, and its heap keeps what large pictures took."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _one(value: float) -> Array:
    return np.full(1, value, np.float32)


def _is_large(planes: Array) -> bool:
    return 4 * planes[0, 0].size >= _LARGE


class _Graphs:
    """The graphs of a model, compiled for the sizes of pictures that come."""

    def __init__(self, model: ModelFile) -> None:
        data = model.read()  # checks the hash
        weights = b"" if model.number_format is NumberFormat.INT8 else data
        found = read_graphs(model.graphs, model.graph_names)
        if weights and found.about.get("weights") != model.digest:
            raise UsageError(
                f"{model.graphs}: the graphs of other weights ({found.about.get('weights')}); "
                "install hdac again"
            )
        self._xml, self._constants = found.xml, weights + found.constants
        self._lock, self._path = threading.Lock(), model.graphs
        self._compiled: dict[Any, Any] = {}

    @staticmethod
    @lru_cache(maxsize=_KEPT)
    def of(changed: int, model: ModelFile) -> _Graphs:
        """Of a model's file as it was `changed`."""
        return _Graphs(model)

    def compiled(
        self, name: str, shapes: tuple[tuple[int, ...], ...], streams: int, threads: int
    ) -> Any:
        """A graph for inputs of these shapes; compiled at most once. `threads`: of all streams
        together."""
        key = name, shapes, streams, threads
        with self._lock:
            if key not in self._compiled:
                for old in [k for k in self._compiled if k[0] == name][: 1 - _KEPT]:
                    del self._compiled[old]
                self._compiled[key] = self._compile(*key)
            return self._compiled[key]

    def drop(self, name: str) -> None:
        """Forgets what a graph was compiled to."""
        with self._lock:
            for key in [k for k in self._compiled if k[0] == name]:
                del self._compiled[key]

    def _compile(
        self, name: str, shapes: tuple[tuple[int, ...], ...], streams: int, threads: int
    ) -> Any:
        core = _core()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            graph = core.read_model(self._xml[name], self._constants)
            graph.reshape({node: list(s) for node, s in zip(graph.inputs, shapes, strict=True)})
            return core.compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise UsageError(
                f"{self._path}: OpenVINO does not take its graph {name} ({str(error)[:300]}); "
                "install hdac again"
            ) from error


_processes: set[int] = set()  # this one and those that it was forked from, if they use OpenVINO


def _check_process() -> None:
    """OpenVINO's threads are lost in a child of a process that uses it, where it waits for them for
    ever. Raises `UsageError`."""
    _processes.add(os.getpid())
    if len(_processes) > 1:
        raise UsageError(
            "this process was forked from one that had run networks already, whose threads it "
            "lacks: start it by the method spawn (multiprocessing.get_context), or fork first"
        )


@lru_cache(maxsize=1)
def _core() -> Any:
    """OpenVINO; what it compiles it keeps in the user's cache folder, where it can."""
    core = openvino.Core()
    try:
        core.set_property({"CACHE_DIR": str(cache_folder("openvino"))})
    except (OSError, RuntimeError) as error:
        warnings.warn(
            f"networks are compiled anew in every process: {error}", RuntimeWarning, stacklevel=2
        )
    return core
