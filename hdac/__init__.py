"""hdac: the hybrid deep animation codec.

    >>> import hdac
    >>> pictures = [np.full((64, 64, 3), 8 * i, np.uint8) for i in range(5)]
    >>> data = hdac.encode(pictures, fps=25, mode="base", qp_base=30)
    >>> [frame.to_rgb().shape for frame in hdac.decode(data)][0]
    (64, 64, 3)
    >>> hdac.inspect(data).frames
    5

Importing it costs nothing: what is used is imported then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdac import gfv as gfv
    from hdac.bitstream.container import Colour as Colour
    from hdac.bitstream.container import Header as Header
    from hdac.bitstream.container import Packet as Packet
    from hdac.bitstream.container import PacketType as PacketType
    from hdac.bitstream.stream import StreamReader as StreamReader
    from hdac.bitstream.stream import StreamWriter as StreamWriter
    from hdac.codec.api import decode as decode
    from hdac.codec.api import encode as encode
    from hdac.codec.api import inspect as inspect
    from hdac.codec.api import read_audio as read_audio
    from hdac.codec.audio import Audio as Audio
    from hdac.codec.audio import AudioReader as AudioReader
    from hdac.codec.config import EncoderConfig as EncoderConfig
    from hdac.codec.decoder import Decoder as Decoder
    from hdac.codec.decoder import Frame as Frame
    from hdac.codec.encoder import Encoder as Encoder
    from hdac.codec.files import StreamInfo as StreamInfo
    from hdac.errors import DamagedError as DamagedError
    from hdac.errors import HdacError as HdacError
    from hdac.errors import IncompleteError as IncompleteError
    from hdac.errors import StreamError as StreamError
    from hdac.errors import ToolError as ToolError
    from hdac.errors import TruncatedError as TruncatedError
    from hdac.errors import UsageError as UsageError
    from hdac.video.opus import OpusPacket as OpusPacket
    from hdac.video.picture import Picture as Picture
    from hdac.video.sound import decode_audio as decode_audio
    from hdac.video.sound import encode_audio as encode_audio

__version__ = "0.1.0"

_HOMES = {
    "hdac.bitstream.container": ("Colour", "Header", "Packet", "PacketType"),
    "hdac.bitstream.stream": ("StreamReader", "StreamWriter"),
    "hdac.codec.api": ("decode", "encode", "inspect", "read_audio"),
    "hdac.codec.audio": ("Audio", "AudioReader"),
    "hdac.codec.config": ("EncoderConfig",),
    "hdac.codec.decoder": ("Decoder", "Frame"),
    "hdac.codec.encoder": ("Encoder",),
    "hdac.codec.files": ("StreamInfo",),
    "hdac.errors": (
        "DamagedError", "HdacError", "IncompleteError", "StreamError", "ToolError",
        "TruncatedError", "UsageError",
    ),
    "hdac.video.opus": ("OpusPacket",),
    "hdac.video.picture": ("Picture",),
    "hdac.video.sound": ("decode_audio", "encode_audio"),
}  # fmt: skip
_MODULES = ("gfv",)
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"hdac.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'hdac' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, *_MODULES, "__version__"]
