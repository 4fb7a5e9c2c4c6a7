"""The server of offers and the page: it ends whenever it is told to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hdac.live.http import Request, Response, Server


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
