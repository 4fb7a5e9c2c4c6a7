"""What both sides say of a call, each second."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from typing import Any

Row = dict[str, Any]

#: Seconds between rows, rows between those that people are told, rows that are kept.
_EVERY, _TOLD, KEPT = 1.0, 5, 120


def say(text: str) -> None:
    """Talk, to stderr."""
    print(f"hdac: {text}", file=sys.stderr)


class Meter:
    """Counts, and makes a row of them each second: a JSON line on stdout (as_json), or a line of
    text on stderr each five seconds. `rows`: the last ones. "bits" become kbps, "sound_bits"
    sound_kbps, and "delay_ms" the mean of "frames"."""

    def __init__(self, as_json: bool) -> None:
        self._json, self._counts, self._made = as_json, Counter[str](), 0
        self._since = 0.0
        self.total = Counter[str]()
        self.rows = deque[Row](maxlen=KEPT)

    def count(self, what: str, number: int = 1) -> None:
        self._counts[what] += number
        self.total[what] += number

    def due(self, now: float) -> bool:
        return now - self._since >= _EVERY

    def row(self, now: float, gauges: Row) -> None:
        """A row of what was counted since the last one, and of `gauges`."""
        counts, took = self._counts, now - self._since
        self._counts, self._since, self._made = Counter(), now, self._made + 1
        bits, sound = counts.pop("bits", 0), counts.pop("sound_bits", None)
        if counts["delay_ms"]:
            counts["delay_ms"] //= max(1, counts["frames"])
        row = {"seconds": round(now, 1), "kbps": round(bits / took / 1000, 2)}
        if sound is not None:
            row["sound_kbps"] = round(sound / took / 1000, 2)
        row |= {**counts, **gauges}
        self.rows.append(row)
        if self._json:
            print(json.dumps(row))
            sys.stdout.flush()
        elif self._made % _TOLD == 0:
            say(", ".join(f"{key} {value}" for key, value in row.items()))
