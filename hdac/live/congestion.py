"""Congestion control: what the receiver reports -> the bit rate that the line bears.

After "A Google Congestion Control Algorithm for Real-Time Communication" (S. Holmer, H. Lundin, G.
Carlucci, L. De Cicco, S. Mascolo; draft-ietf-rmcat-gcc-02, 2016), sections 5.5 and 6. Differs: the
delay is taken as it is, not by its gradient (at a few packets a second a gradient is noise), and
loss without delay lowers the rate only where it is heavy: a head at 8 kbps seldom causes it.
"""

from __future__ import annotations

#: Seconds that datagrams wait on the line: from the first on the rate falls, below the second it
#: grows.
_OVERUSE, _CALM = 0.1, 0.05
#: Share of what arrives that is asked for after overuse; share of the rate that remains while
#: overuse goes on, and of what arrives, at least.
_DECREASE, _AGAIN, _LEAST = 0.7, 0.95, 0.5
#: Growth per second; seconds after overuse until more is tried.
_GROWTH, _MEMORY = 1.5, 3.0
#: Shares of lost datagrams: above the first it is congestion, below the second the rate may grow.
_HEAVY, _LIGHT = 0.3, 0.1
#: Seconds between two decreases, and for which the line counts as crowded after one.
_PAUSE, _CROWDED = 0.25, 3.0


class Congestion:
    """`bitrate` is the target, from `floor` to `ceiling` bit/s; `crowded` that nothing but pictures
    should be sent."""

    def __init__(self, ceiling: float, floor: float) -> None:
        self.bitrate = self.ceiling = ceiling
        self.crowded = False
        self._floor = min(floor, ceiling)
        self._limit = ceiling  # what arrived when the line was full
        self._decreased, self._updated = -_MEMORY, 0.0

    def set_ceiling(self, ceiling: float) -> None:
        """Another highest rate. The line bore as much before, or congestion will show."""
        self.bitrate = self.ceiling = ceiling
        self._floor = min(self._floor, ceiling)

    def update(self, loss: float, queue: float, arriving: float, now: float) -> None:
        """loss: share of datagrams, recently; queue: seconds that they wait on the line; arriving:
        bit/s of pictures that come through."""
        step, self._updated = min(1.0, max(0.0, now - self._updated)), now
        since = now - self._decreased
        if queue > _OVERUSE or loss > _HEAVY:
            if since >= _PAUSE:
                # where little is sent, what arrives says little
                self._limit = max(arriving, _LEAST * self.bitrate)
                least = max(self._floor, _LEAST * self._limit)
                wanted = min(_AGAIN * self.bitrate, _DECREASE * self._limit)
                self.bitrate = min(self.bitrate, max(least, wanted))
                self._decreased = now
        elif queue < _CALM and loss < _LIGHT:
            most = self.ceiling if since > _MEMORY else _DECREASE * self._limit
            grown = min(self.ceiling, most, self.bitrate * _GROWTH**step)
            self.bitrate = max(self.bitrate, grown)
        self.crowded = now - self._decreased < _CROWDED
