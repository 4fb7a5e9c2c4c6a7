"""Decoding of base layers by libavcodec."""

from __future__ import annotations

import av

from hdac.video.picture import Picture

_PADDING = 128  # rows and columns that a codec may add to a picture


class LibavDecoder:
    """Base layer decoder over libavcodec (HEVC and VVC), single threaded, without output delay.

    width, height: of the pictures; larger ones are refused before memory is taken for them.
    Raises `av.error.FFmpegError` on data that libavcodec refuses.
    """

    def __init__(self, codec: str, width: int = 4096, height: int = 4096) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.options = {"max_pixels": str((width + _PADDING) * (height + _PADDING))}
        self._context = context
        self._context.thread_count = 1
        self._context.flags |= av.codec.context.Flags.low_delay

    def push(self, data: bytes) -> list[Picture]:
        return [Picture.from_av(frame) for frame in self._context.decode(av.Packet(data))]

    def flush(self) -> list[Picture]:
        return [Picture.from_av(frame) for frame in self._context.decode(None)]

    def push_numbered(self, data: bytes | None, number: int) -> list[tuple[int, Picture]]:
        """Decodes an access unit of that number (None: the end); gives the pictures that are ready
        in the order in which they are shown, each with its access unit's number."""
        packet = None
        if data is not None:
            packet = av.Packet(data)
            packet.pts = packet.dts = number
        frames = self._context.decode(packet)
        return [
            (number if frame.pts is None else frame.pts, Picture.from_av(frame)) for frame in frames
        ]
