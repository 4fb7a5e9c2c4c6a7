"""What the threads of a call share: an event loop for the network, the newest picture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from hdac.errors import HdacError

T = TypeVar("T")


class Newest(Generic[T]):
    """A place for one thing: who is slow gets the newest. `skipped` counts the others."""

    def __init__(self) -> None:
        self.skipped = 0
        self._there = threading.Condition()
        self._thing: T | None = None
        self._ended = False

    def put(self, thing: T) -> None:
        with self._there:
            self.skipped += self._thing is not None
            self._thing = thing
            self._there.notify()

    def end(self) -> None:
        """Nothing more comes."""
        with self._there:
            self._ended = True
            self._there.notify_all()

    def get(self, timeout: float) -> T | None:
        """Waits for it; None: nothing came in `timeout` seconds."""
        with self._there:
            self._there.wait_for(lambda: self._thing is not None or self._ended, timeout)
            thing, self._thing = self._thing, None
            return thing

    @property
    def ended(self) -> bool:
        """Whether all there was has been taken."""
        with self._there:
            return self._ended and self._thing is None


class Loop:
    """An event loop in a thread of its own. A context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="network", daemon=True)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Waits for a coroutine's result, from another thread."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)
        except TimeoutError as error:
            raise HdacError(f"the network did not answer within {timeout:g} s") from error

    def soon(self, function: Callable[..., object], *given: object) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(function, *given)
