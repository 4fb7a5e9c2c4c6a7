"""When pictures that arrive in jumps are shown: at their own pace, a little later."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from hdac.live.least import Least

T = TypeVar("T")

#: Seconds after which the least delay is forgotten; pictures that wait, at most.
_LEAST, _WAITING = 10.0, 64


class Playout(Generic[T]):
    """`push` pictures with their times, as they are ready; `pop` gives the one that is due.

    delay: seconds that a picture waits which came as fast as any.
    """

    def __init__(self, delay: float = 0.04) -> None:
        self._delay = delay
        self._least = Least(_LEAST)  # now - time
        self._waiting = deque[tuple[float, T]](maxlen=_WAITING)

    def push(self, picture: T, time: float, now: float) -> None:
        """`time`: when the picture was taken, by the sender's clock, in seconds."""
        self._least.see(now - time, now)
        self._waiting.append((time, picture))

    @property
    def offset(self) -> float:
        """Seconds from when a picture was taken to when it is due."""
        return self._least.value + self._delay

    def pop(self, now: float) -> T | None:
        """The newest picture that is due; older ones are too late. None: nothing new is due."""
        due: T | None = None
        while self._waiting and self._waiting[0][0] + self.offset <= now:
            due = self._waiting.popleft()[1]
        return due

    def __len__(self) -> int:
        return len(self._waiting)
