"""WebRTC by aiortc: one data channel, unordered and without retransmission, and its set-up."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aioice.ice
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcicetransport import parse_stun_turn_uri

from hdac.bitstream.container import Header, pack_header, read_header
from hdac.bitstream.cursor import Cursor
from hdac.errors import StreamError, UsageError

LABEL = "hdac"
#: Bytes that may wait in a channel: beyond, the other side does not keep up.
_BUFFERED = 1 << 16
#: Seconds for a connection to come about.
CONNECT = 10.0


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def use_loopback(host: str) -> None:
    """Where `host` is this machine, so are the connection's addresses: aioice offers all of a
    machine's but those."""
    if is_loopback(host):
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def check_stun(url: str | None) -> None:
    """Raises `UsageError` for what names no STUN server that aiortc would ask: it says so late, to
    whoever connects, of TLS (stuns:) and of ports that cannot be not at all."""
    if url is None:
        return
    try:
        parsed = parse_stun_turn_uri(url)
    except ValueError:
        parsed = {"scheme": "none", "port": 0}
    if parsed["scheme"] != "stun" or not 0 < parsed["port"] < 1 << 16:
        raise UsageError(
            f"--stun {url}; expected stun:HOST or stun:HOST:PORT (ports are 1 to 65535, 3478 where "
            "none is given), HOST a name or an IPv4 address; leave it out where no router is "
            "between the machines"
        )


def connection(stun: str | None) -> RTCPeerConnection:
    """stun: the URL of a server that tells a machine behind a router its address (`check_stun`);
    None: none is asked (aiortc would ask one of Google's)."""
    servers = [] if stun is None else [RTCIceServer(stun)]
    return RTCPeerConnection(RTCConfiguration(iceServers=servers))


class Channel:
    """A data channel, with what waits in it bounded."""

    def __init__(self, channel: RTCDataChannel, on_message: Callable[[bytes], object]) -> None:
        self._channel = channel
        self.dropped = 0  # datagrams: the other side does not keep up
        channel.on("message", lambda data: on_message(data) if isinstance(data, bytes) else None)

    def send(self, data: bytes) -> None:
        if self._channel.readyState != "open" or self._channel.bufferedAmount > _BUFFERED:
            self.dropped += 1
            return
        try:
            self._channel.send(data)
        except ValueError:  # more than the other side says that it takes
            self.dropped += 1


def watch(peer: RTCPeerConnection, ended: Callable[[], object]) -> None:
    """Calls `ended` when a connection has failed or is closed."""

    def changed() -> None:
        if peer.connectionState in ("failed", "closed"):
            ended()

    peer.on("connectionstatechange", changed)


def is_ours(channel: RTCDataChannel) -> bool:
    """Whether a channel that somebody opened is one for a stream."""
    return channel.label == LABEL and not channel.ordered and channel.maxRetransmits == 0


async def offer(peer: RTCPeerConnection) -> tuple[RTCDataChannel, dict[str, Any]]:
    """A channel that opens once the offer is answered, and the offer."""
    channel = peer.createDataChannel(LABEL, ordered=False, maxRetransmits=0)
    await peer.setLocalDescription(await peer.createOffer())
    return channel, {"type": "offer", "sdp": peer.localDescription.sdp}


async def answer(peer: RTCPeerConnection, data: Any, header: Header, sound: bool) -> dict[str, Any]:
    """The answer to an offer, with the stream's header, and whether it has sound. Raises
    `UsageError` for what is none."""
    try:
        described = RTCSessionDescription(str(data["sdp"]), str(data["type"]))
        if described.type != "offer" or "m=application" not in described.sdp:
            raise ValueError("no data channel is offered")
        await peer.setRemoteDescription(described)
        await peer.setLocalDescription(await peer.createAnswer())
    except Exception as error:  # aiortc raises whatever its parser meets
        raise UsageError(f"this is no offer of `hdac live join` ({error!r})") from error
    return {
        "type": "answer",
        "sdp": peer.localDescription.sdp,
        "header": base64.b64encode(pack_header(header)).decode(),
        "sound": sound,
    }


async def accept(peer: RTCPeerConnection, data: dict[str, Any]) -> tuple[Header, bool]:
    """Takes the answer to our offer; gives the stream's header, and whether it has sound. Raises
    `StreamError`."""
    try:
        header = read_header(Cursor(base64.b64decode(str(data["header"]), validate=True)))
        await peer.setRemoteDescription(RTCSessionDescription(str(data["sdp"]), "answer"))
    except StreamError:
        raise
    except (KeyError, binascii.Error) as error:
        raise StreamError(f"the answer is not that of `hdac live serve` ({error!r})") from error
    except Exception as error:  # aiortc raises whatever its parser meets
        raise StreamError(f"the answer's description cannot be used ({error!r})") from error
    if not header.live:
        raise StreamError("the answer's header is that of a file; a live stream was expected")
    return header, bool(data.get("sound"))


async def opened(channel: RTCDataChannel) -> None:
    """Waits until a channel is open. Raises `UsageError`."""
    is_open = asyncio.Event()
    channel.on("open", is_open.set)
    if channel.readyState == "open":
        is_open.set()
    try:
        await asyncio.wait_for(is_open.wait(), CONNECT)
    except TimeoutError as error:
        raise UsageError(
            f"no connection within {CONNECT:g} s: no way between the two machines; behind routers "
            "give --stun stun:HOST:PORT on both sides"
        ) from error


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
