"""The server of offers and the page: it ends whenever it is told to."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from hdac.errors import StreamError, UsageError
from hdac.live.http import BODY, Request, Response, Server, check_url, parse_json, post_json

TOKEN = "abcdefghijklmnopqrstuv"
DEEP = b"[" * BODY


@pytest.mark.parametrize("turns", range(6))
def test_it_closes_while_somebody_looks(turns: int) -> None:
    """So many turns of the event loop after a piece was made: written, sent, or waited for."""

    async def run() -> None:
        closing = list[asyncio.Task[None]]()

        def close(left: int) -> None:
            loop = asyncio.get_running_loop()
            if left:
                loop.call_soon(close, left - 1)
            else:
                closing.append(loop.create_task(server.close()))

        async def pieces() -> AsyncIterator[bytes]:
            asyncio.get_running_loop().call_soon(close, turns)
            yield b"a picture"
            await asyncio.Event().wait()  # the next one never comes

        async def handle(request: Request) -> Response:
            return Response(pieces())

        server = Server(handle, "127.0.0.1", 0)
        await server.start()
        port = int(server.url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{server.token} HTTP/1.1\r\n\r\n".encode())
        await reader.read()  # to the end
        async with asyncio.timeout(10):
            await closing[0]
        writer.close()

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await run()

    asyncio.run(bounded())


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(UsageError, match=r"--host x+ --port 0: .*give an address of this machine"):
        asyncio.run(Server(print, "x" * 70, 0).start())  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", DEEP])
def test_what_is_no_json(text: bytes) -> None:
    assert parse_json(text) is None
    assert parse_json(b'{"a": [1]}') == {"a": [1]}


def answered(data: bytes) -> object:
    """What `post_json` makes of an answer, whatever speaks there."""
    with socket.create_server(("127.0.0.1", 0)) as line:

        def speak() -> None:
            there, _ = line.accept()
            with there:
                there.recv(4096)
                there.sendall(data)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            return post_json(f"http://127.0.0.1:{line.getsockname()[1]}/{TOKEN}", {})
        finally:
            thread.join()


def http(body: bytes, head: bytes = b"", status: bytes = b"200 OK") -> bytes:
    head = head or b"Content-Length: %d" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        http(b"zz\r\n", b"Transfer-Encoding: chunked"),
        http(DEEP),
        http(b"[]"),
        http(json.dumps("x" * BODY).encode()),
    ],
)
def test_answers_of_others(data: bytes) -> None:
    with pytest.raises(StreamError, match="not that of `hdac live serve`"):
        answered(data)
    assert answered(http(b'{"a": 1}')) == {"a": 1}


def test_answers_that_refuse() -> None:
    with pytest.raises(UsageError, match=r"refused \(503\): watching"):
        answered(http(b"watching\n", status=b"503 Service Unavailable"))
    with pytest.raises(UsageError, match=r"refused \(503\): "):
        answered(http(b"zz\r\n", b"Transfer-Encoding: chunked", b"503 Service Unavailable"))


@pytest.mark.parametrize("host", ["a b", "a\nb", "a\x7fb"])
def test_hosts_that_cannot_be(host: str) -> None:
    with pytest.raises(UsageError, match="not the URL of a stream"):
        check_url(f"http://{host}/{TOKEN}")
