"""The page of `hdac live join -o page`: the decoded pictures, the sound, and what the meter says.

The process that decodes serves it, on loopback: GET / is the page, /pictures the pictures (JPEG,
multipart/x-mixed-replace), /rows the meter's last rows as JSON, /sound the sound:

    sound := (in how many seconds it is due f64 | count u32 | samples s16 * count)*

little-endian, mono, 48000 a second.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hdac.codec.decoder import Frame
from hdac.live.http import Request, Response
from hdac.live.meter import Meter
from hdac.live.threads import Loop
from hdac.video.sound import Samples

_PAGE = Path(__file__).with_name("page.html")
_BOUNDARY = "hdac-picture"
_SOUNDS = 32  # packets that are kept for who is slow
_QUALITY = 92  # of JPEG: on loopback bytes are cheap


class PictureServer:
    """`publish` pictures and `say` sounds from any thread; `handle` serves whoever looks the newest
    ones. now: the call's time, in seconds."""

    def __init__(self, meter: Meter, loop: Loop, now: Callable[[], float]) -> None:
        self._meter, self._loop, self._now = meter, loop, now
        self._changed = asyncio.Condition()
        self._jpeg, self._number = b"", 0
        self._sounds = deque[tuple[int, float, bytes]](maxlen=_SOUNDS)  # number, due, samples

    def publish(self, frame: Frame) -> None:
        out = io.BytesIO()
        Image.fromarray(frame.to_rgb()).save(out, "JPEG", quality=_QUALITY, subsampling=0)
        self._loop.soon(self._take, out.getvalue())

    def say(self, samples: Samples, due: float) -> None:
        """due: when they are to be heard, in the call's time."""
        whole = np.clip(np.rint(32767 * samples), -32768, 32767).astype("<i2")
        self._loop.soon(self._hear, whole.tobytes(), due)

    def _hear(self, samples: bytes, due: float) -> None:
        number = self._sounds[-1][0] + 1 if self._sounds else 0
        self._sounds.append((number, due, samples))
        self._wake()

    def _take(self, jpeg: bytes) -> None:
        self._jpeg, self._number = jpeg, self._number + 1
        self._wake()

    def _wake(self) -> None:
        task = asyncio.ensure_future(self._notify())
        task.add_done_callback(lambda _: None)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def handle(self, request: Request) -> Response:
        if request.method == "GET" and request.path == "/rows":
            rows = json.dumps(list(self._meter.rows)).encode()
            return Response(rows, "application/json")
        if request.method == "GET" and request.path == "/pictures":
            return Response(self._pictures(), f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        if request.method == "GET" and request.path == "/sound":
            return Response(self._heard(), "application/octet-stream")
        if request.method == "GET" and request.path == "/":
            return Response(_PAGE.read_bytes(), "text/html; charset=utf-8")
        return Response(b"nothing is here\n", status=404)

    async def _pictures(self) -> AsyncIterator[bytes]:
        """The newest picture, again and again: who is slow misses some."""
        seen = 0
        while True:
            async with self._changed:
                while self._number == seen:
                    await self._changed.wait()
                seen, jpeg = self._number, self._jpeg
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            )
            yield head.encode() + jpeg + b"\r\n"

    async def _heard(self) -> AsyncIterator[bytes]:
        """The sound from now on."""
        seen = self._sounds[-1][0] if self._sounds else -1
        while True:
            async with self._changed:
                while not self._sounds or self._sounds[-1][0] == seen:
                    await self._changed.wait()
                new = [sound for sound in self._sounds if sound[0] > seen]
            seen = new[-1][0]
            for _, due, samples in new:
                yield struct.pack("<dI", due - self._now(), len(samples) // 2) + samples
