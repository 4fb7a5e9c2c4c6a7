"""What holds threads until it is closed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from hdac.errors import UsageError


class Closing(ABC):
    """A context manager that closes itself at the end of its block."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()


def check_process(opened: int) -> None:
    """Raises `UsageError` in another process than `opened` (of `os.getpid`): a child has none of
    its parent's threads, and would wait for them for ever."""
    if os.getpid() != opened:
        raise UsageError(
            "this process was forked after the encoder or decoder was opened, and has none of "
            "its threads: open another one here"
        )
