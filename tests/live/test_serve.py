"""`hdac live serve` without a network: who is served, what is sent, while viewers come and go."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install 'hdac[live]'")

from hdac.bitstream.container import BaseCodec, Header, Mode, Packet, PacketType
from hdac.codec.audio import LATE, parse_audio, ticks_of
from hdac.codec.syntax import MAX_TIME
from hdac.live import serve
from hdac.live.http import Request
from hdac.live.meter import Meter
from hdac.live.peer import Channel
from hdac.live.serve import ServeOptions, Serving, Viewer
from hdac.live.sources import Taken, disc_picture
from hdac.video.info import VideoInfo
from hdac.video.opus import OpusPacket

HEADER = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25), live=True, clock=1000)
OFFER = Request("POST", "", b"{}")


class Peer:
    """Stands for a connection; closing it waits for `may_close`."""

    def __init__(self) -> None:
        self.closed, self.connectionState = False, "new"
        self.may_close = asyncio.Event()
        self.may_close.set()

    def on(self, event: str, handler: object) -> None: ...

    async def close(self) -> None:
        await self.may_close.wait()
        self.closed = True


class Here:
    """Stands for the network's thread: all happens at once, in the caller's."""

    def run(self, coroutine: Coroutine[Any, Any, Any], timeout: float = 0.0) -> Any:
        return asyncio.run(coroutine)

    def soon(self, function: Callable[..., object], *given: object) -> None:
        function(*given)


class Coder:
    """Stands for an encoder that holds one frame, as those of two cores and more do."""

    header = HEADER

    def __init__(self, on_push: Callable[[], object] = lambda: None) -> None:
        self.sequence = 65_534  # numbers go round
        self._held: list[Packet] = []
        self._on_push = on_push
        self.flushing: Callable[[], object] = lambda: None

    def request_refresh(self) -> None: ...

    def set_bitrate(self, bps: float) -> None: ...

    def push(self, picture: object, time: int) -> list[Packet]:
        ready = self._held
        self._held = [Packet(PacketType.BASE, b"\1", True, self.sequence, time)]
        self.sequence = self.sequence + 1 & 0xFFFF
        self._on_push()
        return ready

    def flush(self) -> list[Packet]:
        self.flushing()
        return self._held


class Source:
    """Pictures at these times, and the end, each when `wanted` is released."""

    def __init__(self, *times: float) -> None:
        self.info = VideoInfo(Path("s"), 64, 48, Fraction(25))
        self.sound: Any = None
        self.times, self.wanted = times, threading.Semaphore(0)

    def __iter__(self) -> Iterator[Taken]:
        for at in self.times:
            self.wanted.acquire()
            yield Taken(disc_picture(0, 64, 48), at)
        self.wanted.acquire()


class Sounds:
    """A packet of sound for each that is asked for; `on_take` is told when it has been given."""

    def __init__(self, on_take: Callable[[], object]) -> None:
        self.wanted, self._given, self._on_take = 0, 0, on_take

    def take(self, now: float) -> list[OpusPacket]:
        if not self.wanted:
            return []
        self.wanted -= 1
        self._given += 1
        self._on_take()
        return [OpusPacket(24 * self._given, b"\x18" + bytes(40))]


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[Peer]:
    """All connections that were made, in order."""
    made = list[Peer]()

    def connection(stun: str | None) -> Peer:
        made.append(Peer())
        return made[-1]

    async def answer(*_: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(serve, "connection", connection)
    monkeypatch.setattr(serve, "answer", answer)
    return made


def serving(now: Callable[[], float] = lambda: 0.0) -> Serving:
    return Serving(HEADER, 8000, True, ServeOptions(), now)


class Watching(Viewer):
    """A viewer that keeps what it is sent."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(Peer(), 8000, now)  # type: ignore[arg-type]
        self.got, self.flushed = list[Packet](), 0

    @property
    def ready(self) -> bool:
        return not self.closed

    def send(self, packet: Packet) -> None:
        self.got.append(packet)

    def flush(self) -> None:
        self.flushed += 1


def code(source: Source, coder: Coder, served: Serving, now: Callable[[], float]) -> None:
    serve._code(source, coder, served, Here(), Meter(True), now)  # type: ignore[arg-type]


# ---- viewers that come and go


def test_the_connection_of_who_left_is_closed(peers: list[Peer]) -> None:
    """Also where it had failed by itself."""

    async def run() -> None:
        served = serving()
        assert (await served.handle(OFFER)).status == 200
        assert (await served.handle(OFFER)).status == 503
        assert served.viewer is not None
        served.viewer.closed = True  # it failed, and is here again
        assert (await served.handle(OFFER)).status == 200
        assert [peer.closed for peer in peers] == [True, False]

    asyncio.run(run())


def test_one_of_two_gets_the_place(peers: list[Peer]) -> None:
    """They ask while the connection of who was there before is being closed."""

    async def run() -> None:
        now = 0.0
        served = serving(lambda: now)
        await served.handle(OFFER)
        peers[0].may_close.clear()
        now = 60.0
        both = [asyncio.create_task(served.handle(OFFER)) for _ in range(2)]
        await asyncio.sleep(0)
        peers[0].may_close.set()
        assert [(await one).status for one in both] == [200, 503]
        assert [peer.closed for peer in peers] == [True, False]

    asyncio.run(run())


def test_who_has_come_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is silent for too long, and is let go just when another one has got its place."""
    monkeypatch.setattr(serve, "_PICTURE", 0.0)
    source, clock = Source(), [0.0]
    served = serving()
    old = served.viewer = Watching(lambda: clock[0])
    come = list[Viewer]()

    def say(text: str) -> None:
        assert text == "the viewer has gone"
        served.viewer = Watching(lambda: clock[0])
        come.append(served.viewer)
        source.wanted.release()

    monkeypatch.setattr(serve, "say", say)
    clock[0] = 60.0
    code(source, Coder(), served, lambda: clock[0])
    assert [served.viewer] == come
    assert not come[0].closed
    assert isinstance(old.peer, Peer)
    assert old.closed
    assert old.peer.closed


def test_a_viewer_that_leaves_at_the_end() -> None:
    """While the last pictures are coded, and while they are given time to arrive."""
    served, coder = serving(), Coder()
    viewer = served.viewer = Watching()

    def leave() -> None:
        served.viewer = None

    coder.flushing = leave
    coder.push(None, 0)
    source = Source()
    source.wanted.release()
    code(source, coder, served, lambda: 0.0)
    assert [packet.sequence for packet in viewer.got] == [65_534]

    class Leaving:
        """`viewer` is there when it is looked for first."""

        def __init__(self) -> None:
            self._there: list[Viewer] = [viewer]

        @property
        def viewer(self) -> Viewer | None:
            return self._there.pop() if self._there else None

    viewer.closed = True
    serve._drain(Leaving(), Here(), lambda: 0.0)  # type: ignore[arg-type]
    assert viewer.flushed == 1


# ---- what is sent


def test_sound_has_the_number_and_the_time_of_the_last_packet() -> None:
    """(docs/format.md, section 4.) That is not the last picture's, which the encoder holds."""
    served, source = serving(), Source(0.0, 0.04, 0.08)
    viewer = served.viewer = Watching()

    def speak() -> None:
        source.sound.wanted += 1

    source.sound = Sounds(source.wanted.release)  # after a sound the next picture, or the end
    source.wanted.release()
    code(source, Coder(speak), served, lambda: 0.0)
    assert [(packet.sequence, packet.time) for packet in viewer.got] == [
        (-1 - LATE & 0xFFFF, 0),
        (65_534, 0),
        (65_534 - LATE, 0),
        (65_535, 40),
        (65_535 - LATE, 40),
        (0, 80),
    ]
    sounds = [packet for packet in viewer.got if packet.type is PacketType.AUDIO]
    times = [parse_audio(p.payload, ticks_of(p.time * HEADER.tick))[0].time for p in sounds]
    assert times == [24, 48, 72]


@pytest.mark.parametrize("watched", [True, False])
def test_a_stream_ends_where_its_times_end(
    watched: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """After 49 days of milliseconds: well, with what was coded before."""
    served, source = serving(), Source(MAX_TIME / 1000, (MAX_TIME + 1) / 1000)
    viewer = Watching()
    served.viewer = viewer if watched else None
    coder = Coder(source.wanted.release)
    for _ in range(1 if watched else 3):
        source.wanted.release()
    code(source, coder, served, lambda: 0.0)
    assert [packet.time for packet in viewer.got] == [MAX_TIME] * watched
    assert "the stream ends after 49 days" in capsys.readouterr().err


def test_a_viewer_that_takes_less_than_is_sent() -> None:
    """An offer may say how large messages may be: others are dropped, and counted."""

    class Small:
        readyState, bufferedAmount = "open", 0  # noqa: N815

        def on(self, event: str, handler: object) -> None: ...

        def send(self, data: bytes) -> None:
            if len(data) > 100:
                raise ValueError("Cannot send message of 101 bytes")

    channel = Channel(Small(), print)  # type: ignore[arg-type]
    channel.send(bytes(100))
    channel.send(bytes(101))
    assert channel.dropped == 1
