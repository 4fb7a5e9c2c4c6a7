"""Opus packets (RFC 6716) and the times at which they are played."""

from __future__ import annotations

from typing import NamedTuple

from hdac.errors import DamagedError, UsageError

#: Samples per second that Opus decodes to.
RATE = 48000
#: Ticks per second of packets' times: each Opus frame takes a whole number of them.
CLOCK = 400
#: Samples of a tick.
TICK = RATE // CLOCK
#: Bytes of an Opus packet, and the ticks that it lasts, at most.
MAX_BYTES, MAX_TICKS = 4096, 48

#: kbit/s of sound unless another rate is asked for: speech.
KBPS = 8.0

#: Ticks of a frame by configuration (RFC 6716, table 2): SILK, hybrid, CELT.
_TICKS = (4, 8, 16, 24) * 3 + (4, 8) * 2 + (1, 2, 4, 8) * 4
_STEREO = 4


class OpusPacket(NamedTuple):
    """An Opus packet. `time`: at which its first decoded sample is played, in 1/400 s; the first
    picture is shown at 0. All samples are played: the encoder's delay is in the time."""

    time: int
    data: bytes

    @property
    def end(self) -> int:
        """Where its samples end, in 1/400 s. Raises `DamagedError`."""
        return self.time + opus_ticks(self.data)

    @property
    def channels(self) -> int:
        """1 or 2."""
        return 2 if self.data[0] & _STEREO else 1


def opus_ticks(data: bytes) -> int:
    """How long a packet lasts, in 1/400 s, 1 to 48. (RFC 6716, section 3.) Raises `DamagedError`
    for what is no Opus packet."""
    if not 0 < len(data) <= MAX_BYTES:
        raise DamagedError(
            f"an Opus packet of {len(data)} bytes; allowed are 1 to {MAX_BYTES}: the stream is "
            "damaged"
        )
    code = data[0] & 3
    frames = (1, 2, 2)[code] if code < 3 else data[1] & 63 if len(data) > 1 else 0
    ticks = frames * _TICKS[data[0] >> 3]
    if not 0 < ticks <= MAX_TICKS:
        raise DamagedError(
            f"an Opus packet of {frames} frames, {2.5 * ticks:g} ms; allowed are 1 or more, up to "
            "120 ms: the stream is damaged"
        )
    return ticks


def check_kbps(kbps: float) -> float:
    """Raises `UsageError` for a bit rate, in kbit/s, that sound is not coded at."""
    if not 6 <= kbps <= 64:
        raise UsageError(f"--audio-bitrate {kbps:g}k; allowed are 6k to 64k (8k: speech)")
    return kbps
