"""`hdac live join`: a live stream, decoded and shown as it comes.

Two threads: the network's, which receives, orders and reports; the caller's, which decodes and
shows.
"""

from __future__ import annotations

import asyncio
import math
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiortc import RTCPeerConnection

from hdac.bitstream.container import MAX_PIXELS, Header, Packet, check_size
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.errors import StreamError
from hdac.live import outputs
from hdac.live.http import Server, check_url, post_json
from hdac.live.meter import Meter, say
from hdac.live.page import PictureServer
from hdac.live.peer import (
    Channel,
    accept,
    check_stun,
    connection,
    host_of,
    offer,
    opened,
    use_loopback,
    watch,
)
from hdac.live.playout import Playout
from hdac.live.receiver import Receiver
from hdac.live.sound import SoundBuffer
from hdac.live.threads import Loop
from hdac.video.opus import CLOCK

#: Packets that wait to be decoded, at most: a decoder that is too slow starts again at a GOP.
_WAITING = 50
#: Packets that wait from which on base pictures are shown, until none waits.
_BEHIND = 6
#: Seconds between two looks for what is due, and without a datagram after which the stream is over.
_LOOK, _SILENT = 0.005, 15.0
#: Seconds behind the last picture at which a file's sound is whole: what was lost came in a copy.
_SOUND_LATE = 0.5


@dataclass(frozen=True)
class JoinOptions:
    """output: "window", "page", "virtual-camera" or a file's name. port: of the page (0: any).
    frames: leave after so many. trusted: certificates (PEM) to trust for https. stun: URL of a STUN
    server. as_json: statistics as JSON lines on stdout. Raises `UsageError` for another `stun`."""

    output: str
    force: bool = False
    level: Level = "fused"
    device: str = "cpu"
    max_pixels: int = MAX_PIXELS
    port: int = 0
    frames: int | None = None
    trusted: Path | None = None
    stun: str | None = None
    as_json: bool = False

    def __post_init__(self) -> None:
        check_stun(self.stun)


class Joined:
    """A connection to a server; lives in the network's thread. `packets`: in order, to decode."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.receiver, self._now = Receiver(self._on_audio), now
        self.sound: SoundBuffer | None = None  # None: the stream has none
        self.packets = queue.Queue[Packet](_WAITING)
        self.closed = self._slow = False
        self.heard = 0.0
        self._peer: RTCPeerConnection | None = None
        self._channel: Channel | None = None
        self._reporting: asyncio.Task[None] | None = None

    async def connect(self, url: str, options: JoinOptions) -> Header:
        """Raises `UsageError`, `StreamError`."""
        peer = self._peer = connection(options.stun)
        channel, offered = await offer(peer)
        told = await asyncio.to_thread(post_json, url, offered, options.trusted)
        header, audible = await accept(peer, told)
        self.sound = SoundBuffer(header) if audible else None
        check_size(header, options.max_pixels)
        self._channel = Channel(channel, self._on_datagram)
        channel.on("close", self._on_close)
        watch(peer, self._on_close)
        await opened(channel)
        self.heard = self._now()
        self._reporting = asyncio.create_task(self._report())
        return header

    async def close(self) -> None:
        self.closed = True
        if self._reporting is not None:
            self._reporting.cancel()
        if self._peer is not None:
            await self._peer.close()

    def _on_close(self) -> None:
        self.closed = True

    def _on_datagram(self, data: bytes) -> None:
        self.heard = self._now()
        before = self.receiver.foreign
        self._give(self.receiver.receive(data, self.heard))
        if self.receiver.foreign > before == 0:
            say("the server sends what is no datagram of a stream: left out (said once)")

    def _on_audio(self, packet: Packet) -> None:
        if self.sound is not None:
            self.sound.push(packet)

    def _give(self, packets: list[Packet]) -> None:
        for packet in packets:
            try:
                self.packets.put_nowait(packet)
            except queue.Full:
                self.receiver.lose()
                if not self._slow:
                    say("pictures come faster than they are decoded here: try --level base")
                self._slow = True

    async def _report(self) -> None:
        assert self._channel is not None
        while not self.closed:
            await asyncio.sleep(0.02)
            now = self._now()
            self._give(self.receiver.poll(now))
            if (report := self.receiver.report(now)) is not None:
                self._channel.send(report)
            self.closed |= now - self.heard > _SILENT


def join(
    url: str, options: JoinOptions, on_ready: Callable[[dict[str, Any]], object]
) -> tuple[Meter, Receiver]:
    """Shows a stream until it ends, its output is closed, or it is interrupted. `on_ready`: told of
    the stream and of the page's URL. Raises `UsageError`, `StreamError`."""
    check_url(url)
    outputs.check(options.output, options.force)
    use_loopback(host_of(url))
    start = time.monotonic()

    def now() -> float:
        return time.monotonic() - start

    meter, joined = Meter(options.as_json), Joined(now)
    with Loop() as loop:
        pictures = PictureServer(meter, loop, now)
        server = Server(pictures.handle, "127.0.0.1", options.port)
        try:
            header = loop.run(joined.connect(url, options), 40)
            told: dict[str, Any] = {"stream": f"{header.width}x{header.height}"}
            if options.output == "page":
                loop.run(server.start())
                told["page"] = server.url + "/"
            with (
                _open(options, header, joined.sound is not None, pictures) as output,
                Decoder(header, options.level, options.device, options.max_pixels) as decoder,
            ):
                on_ready(told)
                for note in output.notes:
                    say(f"{options.output}: {note}")
                _Player(joined, decoder, output, meter, loop, now, options.frames).play()
        finally:
            loop.run(joined.close())
            loop.run(server.close())
    return meter, joined.receiver


def _open(
    options: JoinOptions, header: Header, sound: bool, pictures: PictureServer
) -> outputs.Output:
    if options.output == "window":
        return outputs.Window("hdac live", sound)
    if options.output == "virtual-camera":
        return outputs.VirtualCamera(header, sound)
    if options.output == "page":
        return outputs.Page(pictures)
    return outputs.File(header, Path(options.output), options.force, sound)


class _Player:
    """Decodes what comes, shows what is due."""

    def __init__(
        self, joined: Joined, decoder: Decoder, output: outputs.Output, meter: Meter, loop: Loop,
        now: Callable[[], float], frames: int | None,
    ) -> None:  # fmt: skip
        self._joined, self._decoder, self._output, self._meter = joined, decoder, output, meter
        self._loop, self._now, self._left = loop, now, frames
        self._playout = Playout[Frame]()
        self._latest: float | None = None  # time of the last frame

    def play(self) -> None:
        """Until the stream ends. Ctrl-C is the usual end of one without end."""
        try:
            while not (self._over() or self._output.closed):
                self._step()
        except KeyboardInterrupt:
            say("interrupted: what was received is kept")

    def _over(self) -> bool:
        ended = self._joined.closed and self._joined.packets.empty() and not len(self._playout)
        return ended or (self._left is not None and self._left <= 0)

    def _step(self) -> None:
        try:
            packet = self._joined.packets.get(timeout=_LOOK if len(self._playout) else 0.05)
        except queue.Empty:
            packet = None
        if packet is not None:
            self._meter.count("bits", 8 * len(packet.tobytes()))
            for frame in self._decode(packet):
                self._meter.count(frame.level)
                self._latest = float(frame.time)
                if self._output.paced:
                    self._playout.push(frame, float(frame.time), self._now())
                else:
                    self._show(frame)
        self._hear()
        if (due := self._playout.pop(self._now())) is not None:
            self._show(due)
        if self._meter.due(self._now()):
            self._meter.row(self._now(), self._gauges())

    def _hear(self) -> None:
        """Gives the sound out: where it is played in time, at once, with its time; into a file in
        order, behind what may still come."""
        sound = self._joined.sound
        if sound is None or self._latest is None:
            return
        paced, over = self._output.paced, self._joined.closed
        until = math.inf if paced or over else self._latest - _SOUND_LATE
        for opus in sound.take(until):
            self._meter.count("sound_bits", 8 * len(opus.data))
            self._output.play(opus, opus.time / CLOCK + self._playout.offset)

    def _decode(self, packet: Packet) -> list[Frame]:
        waiting = self._joined.packets.qsize()
        if waiting in (0, _BEHIND):
            self._decoder.hurry(waiting > 0)
        try:
            return self._decoder.push(packet)
        except StreamError as error:
            self._meter.count("errors")
            if self._meter.total["errors"] == 1:
                say(f"a packet cannot be decoded: {error} (said once)")
            self._loop.soon(self._joined.receiver.lose)
            return []

    def _show(self, frame: Frame) -> None:
        if self._left is not None:
            if self._left <= 0:
                return
            self._left -= 1
        self._meter.count("shown")
        self._output.show(frame)

    def _gauges(self) -> dict[str, Any]:
        receiver = self._joined.receiver
        lost = max(0, receiver.expected - receiver.datagrams)
        return {
            "datagrams": receiver.datagrams, "lost_datagrams": lost,
            "recovered": receiver.recovered, "given_up": receiver.given_up,
            "late": receiver.late, "foreign": receiver.foreign, "waiting": receiver.waiting,
        }  # fmt: skip
