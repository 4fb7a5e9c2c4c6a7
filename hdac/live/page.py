"""The page of `hdac live join -o page`: the decoded pictures, and what the meter says.

The process that decodes serves it, on loopback: GET / is the page, /pictures the pictures (JPEG,
multipart/x-mixed-replace), /rows the meter's last rows as JSON.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image

from hdac.codec.decoder import Frame
from hdac.live.http import Request, Response
from hdac.live.meter import Meter
from hdac.live.threads import Loop

_PAGE = Path(__file__).with_name("page.html")
_BOUNDARY = "hdac-picture"
_QUALITY = 92  # of JPEG: on loopback bytes are cheap


class PictureServer:
    """`publish` pictures from any thread; `handle` serves whoever looks the newest one."""

    def __init__(self, meter: Meter, loop: Loop) -> None:
        self._meter, self._loop = meter, loop
        self._changed = asyncio.Condition()
        self._jpeg, self._number = b"", 0

    def publish(self, frame: Frame) -> None:
        out = io.BytesIO()
        Image.fromarray(frame.to_rgb()).save(out, "JPEG", quality=_QUALITY, subsampling=0)
        self._loop.soon(self._take, out.getvalue())

    def _take(self, jpeg: bytes) -> None:
        self._jpeg, self._number = jpeg, self._number + 1
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
