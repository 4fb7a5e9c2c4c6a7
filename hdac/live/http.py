"""As much HTTP as a call needs: a small server for offers and the page, and one request.

The server's paths begin with a random token: who does not know it learns nothing. Requests are
bounded in size, number and time.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hdac.errors import StreamError, UsageError

#: Bytes of a request's head and of a body, requests at once, seconds for one.
_HEAD, BODY, _REQUESTS, _SECONDS = 8192, 1 << 16, 32, 10.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}


class Request(NamedTuple):
    """`path`: what follows the token, "" or from "/" on."""

    method: str
    path: str
    body: bytes


class Response(NamedTuple):
    """`body`: bytes, or pieces that come until the other side has enough."""

    body: bytes | AsyncIterator[bytes]
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


Handler = Callable[[Request], Awaitable[Response]]


def server_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS with this certificate (PEM; its key there, too, or in `key`). Raises `UsageError`."""
    if cert is None:
        if key is not None:
            raise UsageError(f"--key {key} without --cert; give the certificate, too")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"--cert {cert}: no certificate with its key ({error}); give PEM files, the key by "
            "--key where it is not in the same one"
        ) from error
    return context


class Server:
    """`start` it in an event loop; `url` is what others are told."""

    def __init__(
        self, handler: Handler, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> None:
        self.token = secrets.token_urlsafe(16)
        self._handler, self._host, self._port, self._context = handler, host, port, context
        self._server: asyncio.Server | None = None
        self._open = set[asyncio.Task[None]]()

    @property
    def url(self) -> str:
        scheme = "http" if self._context is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}/{self.token}"

    async def start(self) -> None:
        """Raises `UsageError` where the address cannot be had."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, ssl=self._context, limit=_HEAD
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"--host {self._host} --port {self._port}: {reason}; give an "
                "address of this machine, and a free port (0: any)"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) <= _REQUESTS:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # whoever asked has gone, or asks for too much
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_SECONDS):
            response = await self._answer(reader)
        body = response.body
        length = f"Content-Length: {len(body)}\r\n" if isinstance(body, bytes) else ""
        head = (
            f"HTTP/1.1 {response.status} {_REASONS[response.status]}\r\n"
            f"Content-Type: {response.kind}\r\n{length}Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
            "Connection: close\r\n\r\n"
        )
        writer.write(head.encode())
        if isinstance(body, bytes):
            writer.write(body)
            await _drained(writer)
            return
        async for piece in body:
            writer.write(piece)
            await _drained(writer)

    async def _answer(self, reader: asyncio.StreamReader) -> Response:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line = re.match(r"([A-Z]+) (\S+) HTTP/1\.[01]\r\n", head)
        length = re.search(r"\r\ncontent-length:\s*([0-9]{1,9})\s*\r\n", head, re.IGNORECASE)
        size = int(length[1]) if length else 0
        if line is None or size > BODY:
            return Response(b"this request cannot be read\n", status=400)
        token, slash, rest = line[2].partition("?")[0][1:].partition("/")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return Response(b"nothing is here: give the whole URL, with its token\n", status=404)
        body = await reader.readexactly(size)
        return await self._handler(Request(line[1], slash + rest, body))


async def _drained(writer: asyncio.StreamWriter) -> None:
    """Who stops reading is left. Not by `wait_for`: before Python 3.12 it forgets a cancellation
    that comes when the drain is done."""
    async with asyncio.timeout(_SECONDS):
        await writer.drain()


def check_url(url: str) -> str:
    """Raises `UsageError` for what `hdac live serve` does not print."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\0- \x7f]", url):
        raise UsageError(
            f"{url}: not the URL of a stream; expected http(s)://HOST:PORT/TOKEN, as `hdac live "
            "serve` prints it"
        )
    if not re.fullmatch(r"/[A-Za-z0-9_-]{16,64}", parts.path):
        raise UsageError(
            f"{url}: the token is missing or cut short; give the whole URL that `hdac live serve` "
            "printed"
        )
    return url


def post_json(url: str, data: dict[str, Any], trusted: Path | None = None) -> dict[str, Any]:
    """Posts JSON, gives the answer's. trusted: certificates (PEM) to trust for https. Raises
    `UsageError` (nothing answers there, or says no), `StreamError` (an answer that is not ours)."""
    context = None
    if url.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=trusted)
        except OSError as error:
            raise UsageError(f"--cert {trusted}: no certificate ({error})") from error
    body = json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            text = answer.read(BODY + 1)
    except urllib.error.HTTPError as error:
        raise UsageError(f"{url}: refused ({error.code}): {_said(error)}") from error
    except HTTPException as error:  # whatever answers speaks no HTTP
        raise _not_ours(url) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"{url}: nothing answers there ({reason}); is `hdac live serve` running?"
        ) from error
    parsed = parse_json(text) if len(text) <= BODY else None
    if not isinstance(parsed, dict):
        raise _not_ours(url)
    return parsed


def _said(error: urllib.error.HTTPError) -> str:
    with suppress(OSError, HTTPException):
        return error.read(200).decode(errors="replace").strip()
    return ""


def _not_ours(url: str) -> StreamError:
    return StreamError(f"{url}: the answer is not that of `hdac live serve`")


def parse_json(text: bytes) -> Any:
    """None for what is no JSON, or nested too deeply to be read."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None
