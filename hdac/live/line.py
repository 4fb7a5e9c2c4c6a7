"""A line for tests and measurements, in virtual time: it loses, delays, doubles and queues
datagrams, the same ones in every run."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple

from hdac.live.datagram import FRAGMENT


@dataclass(frozen=True)
class LineConfig:
    """A line in one direction.

    loss: share of fragments that are lost, 0 to 1, excluded. burst: how many are lost in a row, on
    average (1: independently of each other; else Gilbert's two states, "Capacity of a burst-noise
    channel", 1960). delay: seconds; jitter: standard deviation of what is added to it, seconds.
    reordered, doubled: share of datagrams that come one `delay` late, or twice. rate: bit/s; what
    does not fit waits, `queue` bytes at most, and is lost beyond. overhead: bytes that the layers
    below add to a fragment, for `rate`.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay: float = 0.05
    jitter: float = 0.0
    reordered: float = 0.0
    doubled: float = 0.0
    rate: float | None = None
    queue: int = 8000
    overhead: int = 0


class _Waiting(NamedTuple):
    until: float
    size: int


class Line:
    """`send` datagrams; `receive` those that have come. Times in seconds, in order."""

    def __init__(self, config: LineConfig, seed: int = 0) -> None:
        self.config = config
        self.sent = self.lost = self.sent_bytes = 0  # datagrams; bytes without overhead
        self._random = random.Random(seed)
        self._bad = False  # Gilbert's state
        self._coming: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._queue: deque[_Waiting] = deque()  # waits for its turn at `rate`
        self._free = 0.0  # when the queue will be empty

    def set_rate(self, rate: float | None) -> None:
        """Another rate for what is sent from now on."""
        self.config = replace(self.config, rate=rate)

    @property
    def queued(self) -> int:
        """Bytes that waited for their turn when the last datagram was sent."""
        return sum(waiting.size for waiting in self._queue)

    def send(self, data: bytes, now: float) -> None:
        self.sent += 1
        self.sent_bytes += len(data)
        config, fragments = self.config, max(1, -(-len(data) // FRAGMENT))
        leaves = self._leaves(len(data) + fragments * config.overhead, now)
        if leaves is None or [self._loses() for _ in range(fragments)].count(True):
            self.lost += 1
            return
        for _ in range(1 + (self._random.random() < config.doubled)):
            late = config.delay * (self._random.random() < config.reordered)
            jitter = abs(self._random.gauss(0.0, config.jitter)) if config.jitter else 0.0
            self._count += 1
            arrives = leaves + config.delay + late + jitter
            heapq.heappush(self._coming, (arrives, self._count, data))

    def receive(self, now: float) -> list[bytes]:
        """What has come since the last call, in the order in which it came."""
        came = list[bytes]()
        while self._coming and self._coming[0][0] <= now:
            came.append(heapq.heappop(self._coming)[2])
        return came

    def _leaves(self, size: int, now: float) -> float | None:
        """When a datagram leaves the queue; None: it does not fit in."""
        if self.config.rate is None:
            return now
        while self._queue and self._queue[0].until <= now:
            self._queue.popleft()
        if self.queued + size > self.config.queue:
            return None
        self._free = max(self._free, now) + 8 * size / self.config.rate
        self._queue.append(_Waiting(self._free, size))
        return self._free

    def _loses(self) -> bool:
        loss, burst = self.config.loss, self.config.burst
        if burst <= 1:
            return self._random.random() < loss
        to_bad, to_good = loss / (burst * (1 - loss)), 1 / burst
        self._bad = self._random.random() < (1 - to_good if self._bad else to_bad)
        return self._bad
