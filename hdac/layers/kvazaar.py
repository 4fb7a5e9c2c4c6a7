"""HEVC by Kvazaar, in an FFmpeg beside this process: bi-prediction from two past
pictures, and references kept by quality, which x265 has not."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from queue import Empty, Queue

from hdac.bitstream.hevc.parameters import SPS_UNIT
from hdac.bitstream.hevc.rewriting import crop
from hdac.bitstream.nal import Unit, join, split
from hdac.errors import ToolError
from hdac.layers.base import BaseConfig, kvazaar_qp
from hdac.layers.resample import pad_to
from hdac.video.ffmpeg import QUIET, find_ffmpeg, has_encoder, raw_input
from hdac.video.picture import Picture

#: Chosen on `val` (docs/measured/layers.md).
FIXED = (
    "gop=lp-g4d3t1,bipred=1,period=0,no-info=1,aud=0,hash=none,wpp=0,owf=0,threads=0"
    ",early-skip=0,full-intra-search=1,mv-rdo=1,tr-depth-intra=1"
)
#: Effort -> Kvazaar's preset and number of references.
EFFORT = {"slow": "preset=veryslow,ref=3", "slower": "preset=placebo,ref=4"}
#: Pictures that are being coded, beside the one that is pushed. One would do: the end of an access
#: unit is known when the next one starts.
DELAY = 4
_BLOCK = 8  # pixels of a side that FFmpeg wants whole
_PATIENCE = 60.0  # seconds for a picture of 256x256, or a smaller one

_UNIT = re.compile(rb"\x00?\x00\x00\x01(.)", re.DOTALL)


def kvazaar_params(config: BaseConfig) -> str:
    qp = kvazaar_qp(config.qp_base)
    effort = EFFORT[config.preset or "slow"]
    return f"{effort},{FIXED},qp={qp},intra-qp-offset={config.qp_intra - qp}"


def first_access_unit(data: bytes) -> int:
    """Bytes of the first access unit of a stream of single-slice pictures, 0 while its end is not
    known."""
    has_slice = False
    for found in _UNIT.finditer(data):
        if has_slice:
            return found.start()
        has_slice = found[1][0] >> 1 & 63 < 32
    return 0


class Kvazaar:
    """One GOP. `code` returns the access unit of the picture that came `DELAY` pictures before,
    `finish` the last ones.

    Raises `ToolError` where FFmpeg has no libkvazaar, and where it fails.
    """

    def __init__(self, config: BaseConfig, ffmpeg: str | None = None) -> None:
        self.config = config
        self.ffmpeg = find_ffmpeg(ffmpeg)
        if not has_encoder("libkvazaar", self.ffmpeg):
            raise ToolError(
                f"{self.ffmpeg} has no libkvazaar: use --base-encoder x265, or set HDAC_FFMPEG to "
                "an FFmpeg with libkvazaar"
            )
        # FFmpeg gives it whole blocks only
        self._right, self._bottom = -config.width % _BLOCK, -config.height % _BLOCK
        self._patience = _PATIENCE * max(1.0, config.width * config.height / 256**2)
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._messages
        )
        self._coded: Queue[bytes] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._data = b""
        self._pushed = self._given = 0
        self._ended = False

    def _command(self) -> list[str]:
        config = self.config
        size = config.width + self._right, config.height + self._bottom
        source = raw_input("-", *size, config.fps, probesize=32, avioflags="direct")
        coding = {"c:v": "libkvazaar", "kvazaar-params": kvazaar_params(config)}
        coded = source.output("-", f="hevc", fps_mode="passthrough", flush_packets=1, **coding)
        command: list[str] = coded.compile(cmd=[self.ffmpeg, *QUIET])
        return command

    def _read(self) -> None:
        """What the process writes, until it ends."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read1():  # type: ignore[attr-defined]
            self._coded.put(data)
        self._coded.put(b"")

    def code(self, picture: Picture, offset: int = 0) -> list[bytes]:
        assert not offset, "QPs are fixed when a GOP starts"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pad_to(picture, _BLOCK).tobytes())
            self._process.stdin.flush()
        except OSError as error:
            raise self._failed() from error
        self._pushed += 1
        return [self._next()] if self._pushed > DELAY else []

    def _next(self) -> bytes:
        """The next access unit."""
        while not (size := first_access_unit(self._data)):
            if self._ended:
                size = len(self._data)
                break
            try:
                data = self._coded.get(timeout=self._patience)
            except Empty:
                raise self._failed() from None
            self._ended = not data
            self._data += data
        if not size:
            raise self._failed()
        unit, self._data = self._data[:size], self._data[size:]
        self._given += 1
        return self._cropped(unit) if self._given == 1 else unit

    def _cropped(self, unit: bytes) -> bytes:
        """The first access unit, whose sequence parameter set leaves out what was added."""
        if not (self._right or self._bottom):
            return unit
        units = split(unit)
        assert units is not None
        return join(
            [
                Unit(u.long_start, crop(u.payload, self._right, self._bottom))
                if u.payload[0] >> 1 == SPS_UNIT
                else u
                for u in units
            ]
        )

    def finish(self) -> list[bytes]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        units = [self._next() for _ in range(self._pushed - self._given)]
        self.close()
        return units

    def _failed(self) -> ToolError:
        self.close()
        self._messages.seek(0)
        tail = self._messages.read()[-800:].decode(errors="replace").strip()
        return ToolError(
            f"libkvazaar gave {self._given} of {self._pushed} pictures of {self.config.width}x"
            f"{self.config.height} and no more: use --base-encoder x265\n{tail}"
        )

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
