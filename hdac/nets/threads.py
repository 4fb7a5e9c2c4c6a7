"""A pool of threads in which torch computes on one thread each.

The order of a convolution's sums changes with its number of threads, so that what must have the
same bits everywhere is computed on exactly one.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

_LOCK = threading.Lock()


def one_thread_pool(workers: int, name: str) -> ThreadPoolExecutor:
    """`workers` threads called `name`; torch runs on one thread in each, and on as many as before
    in the threads of the host, those that it starts later too."""
    return ThreadPoolExecutor(workers, name, _take_one_thread)


def _take_one_thread() -> None:
    """`torch.set_num_threads` sets OpenMP and MKL for the calling thread alone, and, for the whole
    process, what threads start with at their first use of torch: the latter is put back by a
    thread of its own."""
    with _LOCK:
        default = torch.get_num_threads()  # first: else this thread would start with it later
        torch.set_num_threads(1)
        back = threading.Thread(target=torch.set_num_threads, args=(default,))
        back.start()
        back.join()
