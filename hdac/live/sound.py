"""The sound of a call at its receiving end: AUDIO packets, as they come, to Opus packets in
order."""

from __future__ import annotations

import threading

from hdac.bitstream.container import Header, Packet
from hdac.codec.audio import parse_audio, ticks_of
from hdac.errors import StreamError
from hdac.video.opus import CLOCK, OpusPacket

#: Opus packets that wait to be taken, at most.
_WAITING = 256


class SoundBuffer:
    """`push` AUDIO packets in any order, from any thread; `take` what is due. Nothing is given
    twice, or before what was given."""

    def __init__(self, header: Header) -> None:
        self.foreign = 0  # packets that cannot be read
        self._tick, self._lock = header.tick, threading.Lock()
        self._waiting = dict[int, OpusPacket]()
        self._end: int | None = None  # of what was given

    def push(self, packet: Packet) -> None:
        try:
            heard = parse_audio(packet.payload, ticks_of(packet.time * self._tick))
        except StreamError:
            self.foreign += 1
            return
        with self._lock:
            for opus in heard:
                late = self._end is not None and opus.time < self._end
                if not late and len(self._waiting) < _WAITING:
                    self._waiting.setdefault(opus.time, opus)

    def take(self, until: float) -> list[OpusPacket]:
        """Packets that start before `until`, in seconds of the sender's time, in order."""
        out = list[OpusPacket]()
        with self._lock:
            for at in sorted(at for at in self._waiting if at < until * CLOCK):
                opus = self._waiting.pop(at)
                if self._end is None or at >= self._end:
                    out.append(opus)
                    self._end = opus.end
        return out
