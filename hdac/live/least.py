"""The least of what was seen lately."""

from __future__ import annotations

from collections import deque


class Least:
    """The least value of the last one to two times `memory` seconds: how long the line takes when
    nothing waits, but for the clocks' difference."""

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self._seen = deque[tuple[float, float]](maxlen=2)  # since when, the least value

    @property
    def value(self) -> float:
        """0 before anything was seen."""
        return min((value for _, value in self._seen), default=0.0)

    def see(self, value: float, now: float) -> None:
        if not self._seen or now - self._seen[-1][0] > self._memory:
            self._seen.append((now, value))
        elif value < self._seen[-1][1]:
            self._seen[-1] = self._seen[-1][0], value
