"""Threads in which torch computes on one thread each.

The order of a convolution's sums changes with its number of threads, so that what must have the
same bits everywhere is computed on exactly one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")
_LOCK = threading.Lock()


def on_one_thread(function: Callable[..., T], /, *given: Any) -> T:
    """The function's result, made in a thread of its own: had the caller's thread used OpenMP's
    team, torch would wait for that team for ever in a process that is forked later."""
    with ThreadPoolExecutor(1, "alone", take_one_thread) as pool:
        return pool.submit(function, *given).result()


def take_one_thread() -> None:
    """From now on torch runs on one thread in this thread, and on as many as before in the others,
    those that start later too.

    `torch.set_num_threads` sets OpenMP and MKL for the calling thread alone, and, for the whole
    process, what threads start with at their first use of torch: the latter is put back by a
    thread of its own.
    """
    with _LOCK:
        default = torch.get_num_threads()  # first: else this thread would start with it later
        torch.set_num_threads(1)
        back = threading.Thread(target=torch.set_num_threads, args=(default,))
        back.start()
        back.join()
