"""The sound of live sources: of a file, of the test picture, of a microphone."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Protocol

import av
import numpy as np

from hdac.live.least import Least
from hdac.live.meter import say
from hdac.video.opus import CLOCK, RATE, OpusPacket
from hdac.video.sound import OpusEncoder, Samples, Timeline, mono, samples_of

#: libav's input and the usual device, by the system.
_MICROPHONES = {
    "linux": ("alsa", "default"),
    "darwin": ("avfoundation", ":default"),
    "win32": ("dshow", "audio=default"),
}
#: Seconds of sound that wait to be taken, at most.
_WAITING = 2.0
#: Seconds after which the least delay of a microphone is forgotten: its clock drifts from ours.
_LEAST = 5.0
#: The test picture's beep: Hz, seconds, amplitude.
_PITCH, _BEEP, _LOUD = 1000, 0.1, 0.5


class SoundSource(Protocol):
    """The sound beside a source's pictures, on the same clock."""

    def take(self, now: float) -> list[OpusPacket]:
        """The packets that are complete `now` seconds after the source started, each once."""
        ...


class Recorded:
    """Packets that are there, given when they would have been spoken."""

    def __init__(self, packets: Iterable[OpusPacket]) -> None:
        self._packets = iter(packets)
        self._next = next(self._packets, None)

    def take(self, now: float) -> list[OpusPacket]:
        taken = list[OpusPacket]()
        while self._next is not None and self._next.end <= now * CLOCK:
            taken.append(self._next)
            self._next = next(self._packets, None)
        return taken


def beeps(seconds: float | None, kbps: float) -> Iterator[OpusPacket]:
    """A beep at the start of each second, for so many seconds (None: without end)."""
    at = np.arange(RATE, dtype=np.float32) / RATE
    swell = np.clip(np.minimum(at, _BEEP - at) * 200, 0, 1)  # 5 ms: no clicks
    second = (_LOUD * swell * np.sin(2 * np.pi * _PITCH * at)).astype(np.float32)
    encoder = OpusEncoder(0, kbps)
    for n in count():
        if seconds is not None and n >= seconds:
            yield from encoder.flush()
            return
        left = RATE if seconds is None else round(RATE * min(1.0, seconds - n))
        yield from encoder.push(second[:left])


class Microphone:
    """A microphone, read in a thread of its own. Raises `FFmpegError` or `ValueError` where it
    cannot be opened.

    Its clock is not ours: where its sound comes 10 ms too late or too early by ours, silence fills
    the gap, or samples give way.
    """

    def __init__(self, device: str | None, kbps: float) -> None:
        kind, usual = _MICROPHONES.get(sys.platform, ("alsa", "default"))
        self._container = av.open(device or usual, format=kind)
        streams = self._container.streams.audio
        if not streams:
            raise ValueError("it has no sound")
        self._timeline, self._lock = Timeline(kbps), threading.Lock()
        self._waiting = list[OpusPacket]()
        self._start: float | None = None
        thread = threading.Thread(target=self._listen, args=(streams[0],), name="sound")
        thread.daemon = True
        thread.start()

    def take(self, now: float) -> list[OpusPacket]:
        with self._lock:
            if self._start is None:  # what was heard before belongs to no picture
                self._start = time.monotonic() - now
            taken, self._waiting = self._waiting, []
        return taken

    def _listen(self, stream: av.AudioStream) -> None:
        try:
            clock, resampler = _Clock(), mono()
            for frame in self._container.decode(stream):
                for out in resampler.resample(frame):
                    self._hear(samples_of(out), clock)
        except (av.error.FFmpegError, ValueError) as error:
            say(f"the microphone ended: {error}")

    def _hear(self, samples: Samples, clock: _Clock) -> None:
        with self._lock:
            if self._start is None:
                return
            now = time.monotonic() - self._start
            self._timeline.add(round(RATE * clock.place(len(samples), now)), samples)
            self._waiting += self._timeline.take()
            while self._waiting and self._waiting[0].end < (now - _WAITING) * CLOCK:
                del self._waiting[0]  # nobody listens


class _Clock:
    """When samples were heard, by our clock: counted, and corrected by how late they come at least
    (a computer is late in reading, never early)."""

    def __init__(self) -> None:
        self._count, self._late = 0, Least(_LEAST)

    def place(self, samples: int, now: float) -> float:
        """Seconds at which the first of `samples` was heard that are there `now`."""
        counted = self._count / RATE
        self._count += samples
        self._late.see(now - counted - samples / RATE, now)
        return counted + self._late.value
