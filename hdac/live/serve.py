"""`hdac live serve`: a source, coded while it comes, to one viewer at a time.

Three threads: the source's, which holds the newest picture; the caller's, which codes; the
network's, which answers offers and sends.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection

from hdac.bitstream.container import Colour, Header, Packet, PacketType
from hdac.codec.audio import AudioWriter
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import CLOCK
from hdac.codec.syntax import MAX_TIME
from hdac.errors import HdacError
from hdac.live.http import Request, Response, Server, parse_json, server_context
from hdac.live.meter import Meter, say
from hdac.live.peer import (
    CONNECT,
    Channel,
    answer,
    check_stun,
    connection,
    is_ours,
    use_loopback,
    watch,
)
from hdac.live.sender import Sender
from hdac.live.sources import Source, Taken
from hdac.live.threads import Loop, Newest

#: Seconds without a report after which a viewer has gone, and after which another may have its
#: place; seconds that the last packets have to arrive.
_GONE, _AWAY, _DRAIN = 10.0, 2.0, 1.5
#: How long a stream may last.
_DAYS = MAX_TIME // (CLOCK * 86_400)
#: Seconds between two looks at the source, without sound and with it.
_PICTURE, _SOUND = 0.2, 0.03


@dataclass(frozen=True)
class ServeOptions:
    """host, port: of the signalling; cert, key: for https (PEM). stun: URL of a STUN server.
    as_json: statistics as JSON lines on stdout. Raises `UsageError` for another `stun`."""

    host: str = "127.0.0.1"
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    stun: str | None = None
    as_json: bool = False

    def __post_init__(self) -> None:
        check_stun(self.stun)


class Viewer:
    """One viewer's connection; lives in the network's thread."""

    def __init__(self, peer: RTCPeerConnection, bitrate: float, now: Callable[[], float]) -> None:
        self.peer, self.sender, self._now = peer, Sender(bitrate), now
        self.channel: Channel | None = None
        self.heard = now()  # when the last report came
        self.closed = self._strange = False
        peer.on("datachannel", self._on_channel)
        watch(peer, self._on_close)

    @property
    def ready(self) -> bool:
        return self.channel is not None and not self.closed

    @property
    def present(self) -> bool:
        """Whether nobody else may have its place yet."""
        return not self.closed and self._now() - self.heard < (_AWAY if self.ready else CONNECT)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self.channel is not None or not is_ours(channel):
            if not self._strange:
                say(f"a viewer's channel {channel.label[:32]!r} is not ours: closed (said once)")
            self._strange = True
            channel.close()
            return
        self.channel = Channel(channel, self._on_report)
        channel.on("close", self._on_close)

    def _on_close(self) -> None:
        self.closed = True

    def _on_report(self, data: bytes) -> None:
        now = self._now()
        before = self.sender.foreign
        again = self.sender.report(data, now)
        if self.sender.foreign == before:
            self.heard = now
        elif before == 0:
            say("the viewer sends what is no report, or too many: left out (said once)")
        self._put(again)

    def send(self, packet: Packet) -> None:
        self._put(self.sender.send(packet, self._now()))

    def flush(self) -> None:
        self._put(self.sender.flush(self._now()))

    def _put(self, datagrams: list[bytes]) -> None:
        for data in datagrams:
            if self.channel is not None:
                self.channel.send(data)


class Serving:
    """The offer's handler and the present viewer."""

    def __init__(
        self,
        header: Header,
        bitrate: float,
        sound: bool,
        options: ServeOptions,
        now: Callable[[], float],
    ) -> None:
        self.header, self._bitrate, self._sound = header, bitrate, sound
        self._stun, self._now = options.stun, now
        self.viewer: Viewer | None = None
        self.joined = threading.Event()

    async def handle(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", ""):
            return Response(b"A live stream of hdac: hdac live join URL -o page (or -o window)\n")
        before = self.viewer
        if before is not None and before.present:
            return Response(b"somebody is watching; one viewer at a time\n", status=503)
        peer = connection(self._stun)
        viewer = self.viewer = Viewer(peer, self._bitrate, self._now)  # takes the place at once
        try:
            await self.end(before)
            told = await answer(peer, parse_json(request.body), self.header, self._sound)
        except HdacError as error:
            say(f"an offer is refused: {str(error)[:200]}")
            await self.end(viewer)
            return Response(f"{error}\n".encode(), status=400)
        peer.on("datachannel", lambda _: self.joined.set() if viewer.ready else None)
        return Response(json.dumps(told).encode(), "application/json")

    async def end(self, viewer: Viewer | None) -> None:
        """Lets a viewer go; whoever has come in its place stays."""
        if viewer is None:
            return
        if self.viewer is viewer:
            self.viewer = None
        viewer.closed = True
        await viewer.peer.close()


def serve(
    source: Source,
    config: EncoderConfig,
    options: ServeOptions,
    on_url: Callable[[str], object],
) -> Meter:
    """Serves a source until it ends, or is interrupted. `on_url`: told where a viewer may join.
    Raises `UsageError`."""
    assert config.kbps is not None
    info, start = source.info, time.monotonic()

    def now() -> float:
        return time.monotonic() - start

    meter, context = Meter(options.as_json), server_context(options.cert, options.key)
    use_loopback(options.host)
    colour = Colour(info.matrix, info.primaries, info.transfer)
    with (
        Encoder(info.width, info.height, info.fps, config, colour, clock=CLOCK) as encoder,
        Loop() as loop,
    ):
        sound = source.sound is not None
        serving = Serving(encoder.header, 1000 * config.kbps, sound, options, now)
        server = Server(serving.handle, options.host, options.port, context)
        loop.run(server.start())
        try:
            on_url(server.url)
            while not serving.joined.wait(0.5):
                pass  # nothing is taken until somebody looks
            _code(source, encoder, serving, loop, meter, now)
            _drain(serving, loop, now)
        except KeyboardInterrupt:
            say("interrupted: the stream ends")
        finally:
            loop.run(server.close())  # nobody comes any more
            loop.run(serving.end(serving.viewer))
    return meter


def _code(
    source: Source,
    encoder: Encoder,
    serving: Serving,
    loop: Loop,
    meter: Meter,
    now: Callable[[], float],
) -> None:
    """Codes pictures as they come, for whoever looks."""
    newest, sound = Newest[Taken](), AudioWriter(encoder.header)
    thread = threading.Thread(target=_fill, args=(source, newest), name="source", daemon=True)
    thread.start()
    started, seen, last = now(), None, -1
    at, number = 0, -1  # of the last frame's packet

    def send(packets: list[Packet], viewer: Viewer) -> None:
        for packet in packets:
            _count(meter, packet, now() - started)
            loop.soon(viewer.send, packet)

    while not newest.ended:
        taken, viewer = newest.get(_SOUND if source.sound else _PICTURE), serving.viewer
        if taken is not None and round(CLOCK * taken.at) > MAX_TIME:
            say(f"the stream ends after {_DAYS} days: packets have no later times; serve it again")
            break
        for opus in source.sound.take(now() - started) if source.sound else ():
            sound.push(opus)
        heard = sound.take(at, True, number)
        if viewer is not None and viewer.ready:
            send(heard, viewer)
        if meter.due(now()):
            meter.row(now(), _gauges(viewer, newest))
        if viewer is not None and now() - viewer.heard > _GONE:
            say("the viewer has gone")
            loop.run(serving.end(viewer))
        elif taken is not None and viewer is not None and viewer.ready:
            ticks = round(CLOCK * taken.at)
            if ticks <= last or viewer.sender.behind(now()):
                meter.count("left out")
                continue
            if viewer.sender.take_refresh(now()) or viewer is not seen:  # it has nothing of the GOP
                encoder.request_refresh()
            encoder.set_bitrate(viewer.sender.bitrate)
            packets = encoder.push(taken.picture, ticks)
            send(packets, viewer)
            seen, last = viewer, ticks
            if packets:
                at, number = packets[-1].time, packets[-1].sequence
    if (viewer := serving.viewer) is not None:
        send(encoder.flush(), viewer)


def _fill(source: Source, newest: Newest[Taken]) -> None:
    try:
        for taken in source:
            newest.put(taken)
    except Exception as error:
        say(f"the source ended: {error}")
    finally:
        newest.end()


def _count(meter: Meter, packet: Packet, at: float) -> None:
    if packet.type is PacketType.AUDIO:
        meter.count("sound_bits", 8 * len(packet.tobytes()))
        return
    meter.count("frames")
    meter.count("bits", 8 * len(packet.tobytes()))
    meter.count("refreshes", int(packet.gop_start))
    meter.count("delay_ms", max(0, round(1000 * at - packet.time)))


def _gauges(viewer: Viewer | None, newest: Newest[Taken]) -> dict[str, Any]:
    if viewer is None:
        return {"viewer": False, "skipped": newest.skipped}
    sender = viewer.sender
    return {
        "viewer": viewer.ready, "skipped": newest.skipped, "target_kbps": sender.bitrate / 1000,
        "loss": round(sender.loss, 4), "round_trip_ms": round(1000 * sender.round_trip),
        "queue_ms": round(1000 * sender.queue), "copies": sender.copies, "resent": sender.resent,
        "foreign": sender.foreign, "dropped": viewer.channel.dropped if viewer.channel else 0,
    }  # fmt: skip


def _drain(serving: Serving, loop: Loop, now: Callable[[], float]) -> None:
    """Leaves the last packets time to arrive, and to be sent again."""
    end, idle, viewer = now() + _DRAIN, 0, serving.viewer
    if viewer is None:
        return
    loop.soon(viewer.flush)
    while not viewer.closed and now() < end and idle < 3:
        time.sleep(0.1)
        idle = idle + 1 if viewer.sender.idle else 0
