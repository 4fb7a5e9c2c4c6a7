"""Prediction of header bytes from earlier units of the same kind, position by position."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hdac.bitstream.rangecoder import Adaptive, Coder

_RANKS = 3  # predictions tried before the byte is coded as it is
_LAGS = (1, 2, 4, 8)
_GUESSES = len(_LAGS) + 7
_HIT = 1 << 16
_KNOWN = 4 * _HIT


def _scored(score: int, hit: bool) -> int:
    """Four fifths of the score, rounded up, and one more for a hit (integers below 2^19)."""
    return score - score // 5 + _HIT * hit


class _Position:
    """Models of one byte position of one kind of unit."""

    def __init__(self, confident: bool, known: bool) -> None:
        self.hits = [Adaptive(2, (1, 15) if confident else (4, 4), 16) for _ in range(_RANKS)]
        self.scores = [0] * (_GUESSES - 1) + [_KNOWN if known else 0]


class Predictor:
    """Codes bytes at fixed positions of similar units; learns which earlier unit, or which trend,
    predicts each position.

    confident: the first units will be like those that are remembered before. sequence: the units
    that come, if they are those of an encoder that is known; the last `cycle` of them come again
    and again.
    """

    def __init__(
        self, confident: bool = False, sequence: Sequence[bytes] = (), cycle: int = 0
    ) -> None:
        self._history: list[bytes] = []
        self._sequence, self._cycle, self._count = sequence, cycle, 0
        self._confident = confident
        self._run = [0] * _GUESSES  # how well each guess has done in the present unit
        self._positions: defaultdict[int, _Position] = defaultdict(
            lambda: _Position(confident, bool(sequence))
        )

    def _guesses(self, at: int) -> list[int]:
        """Guesses for a byte, -1 for none: the byte of the unit `lag` before, linear trends over
        windows of 1 to 3 bytes (a counter such as the picture order count may straddle bytes), and
        what the sequence says."""
        guesses, past = [], self._history
        for lag in _LAGS:
            unit = past[-lag] if len(past) >= lag else b""
            guesses.append(unit[at] if at < len(unit) else -1)
        for lag in (1, 4):
            near, far = (past[-lag], past[-2 * lag]) if len(past) >= 2 * lag else (b"", b"")
            for end in range(at + 1, at + 4):
                if end > min(len(near), len(far)):
                    guesses.append(-1)
                    continue
                trend = 2 * int.from_bytes(near[at:end], "big") - int.from_bytes(far[at:end], "big")
                guesses.append(trend >> 8 * (end - at - 1) & 255)
        unit = self._expected()
        guesses.append(unit[at] if at < len(unit) else -1)
        return guesses

    def _expected(self) -> bytes:
        """What the sequence says of the present unit."""
        over = self._count - len(self._sequence)
        if over < 0:
            return self._sequence[self._count]
        return self._sequence[over % self._cycle - self._cycle] if self._cycle else b""

    def code(self, coder: Coder, at: int, value: int | None) -> int:
        """Codes byte `at` of the present unit."""
        guesses = self._guesses(at)
        position = self._positions[at]
        run, scores = self._run, position.scores
        order = sorted(range(_GUESSES), key=lambda i: (-run[i], -scores[i], i))
        ranked = list(dict.fromkeys(guesses[i] for i in order if guesses[i] >= 0))[:_RANKS]
        for model, guess in zip(position.hits, ranked, strict=False):
            if coder.symbol(model, None if value is None else int(value == guess)):
                value = guess
                break
        else:
            value = coder.uniform(256, value)
        for i, guess in enumerate(guesses):
            scores[i] = _scored(scores[i], guess == value)
            if self._confident:
                run[i] = _scored(run[i], guess == value)
        return value

    def remember(self, unit: bytes) -> None:
        """The present unit ends: these are its predicted bytes."""
        self._history = [*self._history[-2 * max(_LAGS) :], unit]
        self._run = [0] * _GUESSES
        self._count += 1
