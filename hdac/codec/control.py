"""Rate control while pictures come: the QP of the next ones from the sizes of those before."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hdac.bitstream.container import Packet
from hdac.layers.base import QP_MAX

#: The QP changes after so many pictures, or the next multiple of the cascade's period.
_PICTURES = 4
#: QP steps for twice the size that was wanted, and at most, down and up.
_GAIN, _DOWN, _UP = 2.0, 1, 4
#: Seconds in which an excess is paid back, and over which it is forgotten.
_PAYBACK, _MEMORY = 1.5, 4.0
#: Seconds of the rate that a first picture counts for in the excess; the rest of it is a debt that
#: this share of the rate pays.
_FIRST, _INTEREST = 0.25, 0.05
#: Seconds of the rate that the first picture of a live GOP may take: a line has no room for more.
_BOUND = 0.7
#: QP steps for half the size of a first picture that is too large: rather one more trial than a
#: picture that is coarser than need be.
_TRIAL = 4.0
#: Seconds before a GOP must end in which half of the next first picture's bits are saved.
_SAVED = 3.0
#: Of the rate, what pictures get at least and at most.
_LEAST, _MOST = 0.4, 1.6
#: Seconds of excess from which on every second picture repeats the last one, where no QP is high
#: enough.
_LATE = 0.3

#: How far a picture's QP may be from what the header says.
_OFFSETS = -25, 25
#: Bits of a frame in files and live: packet head and checksum; motion and switch flag.
_HEAD, _MOTION = (1, 66), (3, 3)


def framing(live: bool, network: bool) -> int:
    """Bits of a frame around its base picture. network: whether one serves the stream."""
    return _HEAD[live] + _MOTION[live] * network


#: What landmarks take grows with this power of their number (docs/measured/nets.md).
_LANDMARKS_POWER = 0.82


class LandmarkController:
    """How many landmarks the next GOP has: the most that would take at most a rate, by what those
    of the one before took.

    kbps: the rate; fps: frames per second; numbers: of landmarks, growing; first: of the first GOP.
    """

    def __init__(self, kbps: float, fps: float, numbers: Sequence[int], first: int) -> None:
        self._number, self._numbers = first, numbers
        self._share = 1000 * kbps / fps  # bits of a frame
        self._bits = self._frames = 0

    def report(self, packets: Sequence[Packet], frames: int) -> None:
        """The next frames of the GOP are in these ENHANCEMENT packets."""
        self._bits += 8 * sum(len(packet.payload) for packet in packets)
        self._frames += frames

    def start(self) -> int:
        """A GOP starts: how many landmarks it has."""
        if self._frames:
            each = self._bits / self._frames / self._number**_LANDMARKS_POWER
            fits = (n for n in self._numbers if each * n**_LANDMARKS_POWER <= self._share)
            self._number = max(fits, default=self._numbers[0])
        self._bits = self._frames = 0
        return self._number


class RateController:
    """`qp_base` moves by the logarithm of what the last pictures took to what they were due, less
    what those before took too much.

    kbps: the target; fps: frames per second; qp_base: where to start; cascade: of the base layer;
    framing: bits of a frame around its base picture; gop_frames: after which a GOP ends.
    """

    def __init__(
        self,
        kbps: float,
        fps: float,
        qp_base: int,
        cascade: Sequence[int],
        framing: float,
        gop_frames: int,
    ) -> None:
        self.qp_base = qp_base
        #: Whether the next picture had better be the last one again.
        self.repeats = False
        self._share, self._fps, self._framing = 1000 * kbps / fps, fps, framing  # share: bits
        self._period = len(cascade) * -(-_PICTURES // len(cascade))
        self._excess = self._debt = 0.0  # bits; a debt below 0 is what was saved
        self._gop_frames, self._left, self._saving = gop_frames, gop_frames, 0.0
        self._taken, self._count = 0.0, 0  # since `qp_base` was chosen
        self._settling = False  # towards a higher target: what it leaves unused is not saved

    def offset(self, qp: int) -> int:
        """What the next picture's QP is above `qp`, that of a header."""
        low, high = _OFFSETS
        return min(high, max(low, self.qp_base - qp))

    def set_target(self, kbps: float) -> None:
        """Another target from the next picture on."""
        before, self._share = self._share, 1000 * kbps / self._fps
        if steps := round(_GAIN * math.log2(before / self._share)):
            self._move(steps)
        self._settling = self._settling or self._share > before

    def coarser(self, qp_intra: int, bits: float) -> int:
        """The QP to code a live GOP's first picture at again, which took so many bits at
        `qp_intra`; the same where it fits, or where none is higher."""
        ratio = bits / (_BOUND * self._share * self._fps)
        steps = max(1, int(_TRIAL * math.log2(ratio))) if ratio > 1 else 0
        return min(QP_MAX, qp_intra + steps)

    def report_first(self, bits: float) -> None:
        """The first picture of a GOP took so many bits."""
        self._debt += bits
        now = min(max(self._debt, 0.0), _FIRST * self._share * self._fps)
        self._excess += now
        self._debt -= now
        self._taken, self._count = 0.0, 0
        self._left, self._saving = self._gop_frames, bits / (2 * _SAVED * self._fps)

    def report(self, bits: float) -> None:
        """The next picture took so many bits."""
        self._left -= 1
        due = self._share * (1 - _INTEREST if self._debt > 0 else 1)
        if self._left < _SAVED * self._fps:
            due -= self._saving
        self._debt -= self._share - due
        self._excess *= 1 - 1 / (_MEMORY * self._fps)
        self._excess += bits + self._framing - due
        self._taken += bits + self._framing
        self._count += 1
        if self._count == self._period:
            wanted = due - self._excess / (_PAYBACK * self._fps)
            wanted = min(_MOST * self._share, max(_LEAST * self._share, wanted))
            steps = round(_GAIN * math.log2(self._taken / self._count / wanted))
            self._move(min(_UP, max(-_UP if self._settling else -_DOWN, steps)))
            if self._settling:
                self._settling, self._excess = steps < -1, max(0.0, self._excess)
        late = self.qp_base == QP_MAX and self._excess > _LATE * self._share * self._fps
        self.repeats = late and not self.repeats

    def _move(self, steps: int) -> None:
        self.qp_base = min(QP_MAX, max(0, self.qp_base + steps))
        self._taken, self._count = 0.0, 0
