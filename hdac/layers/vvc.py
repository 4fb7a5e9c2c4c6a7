"""VVC base layer: libvvenc through FFmpeg, low delay, decoded by libavcodec. Offline: a GOP is
coded when it is complete."""

from __future__ import annotations

from hdac.atomic import scratch_folder
from hdac.bitstream.vvc.pictures import split_access_units
from hdac.errors import ToolError
from hdac.layers.base import BaseConfig, CodedPicture
from hdac.layers.libav import LibavDecoder
from hdac.video.ffmpeg import find_ffmpeg, has_encoder, raw_input, run_ffmpeg
from hdac.video.picture import Picture

#: Chosen on `val` (docs/measured/layers.md).
PARAMS = (
    "PicReordering=0:IntraPeriod=-1:GOPSize=8:DecodingRefreshType=none:POC0IDR=1"
    ":AccessUnitDelimiter=0:BIM=0:CbQpOffset=-2:CrQpOffset=-2"
)
#: libvvenc's bytes depend on their number.
THREADS = 2
#: Effort -> libvvenc's preset (docs/measured/layers.md).
EFFORT = {None: "medium", "fast": "fast", "medium": "medium", "slow": "slow", "slower": "slow"}


class VvcEncoder:
    """Collects a GOP; `flush` codes it and returns every coded picture.

    `qp_base` is libvvenc's QP (its own cascade applies), `qp_intra` the first picture's.
    """

    def __init__(self, config: BaseConfig, ffmpeg: str | None = None) -> None:
        self.config = config
        self.ffmpeg = find_ffmpeg(ffmpeg)
        if not has_encoder("libvvenc", self.ffmpeg):
            raise ToolError(
                f"{self.ffmpeg} has no libvvenc: use --base-codec hevc, or set HDAC_FFMPEG to an "
                "FFmpeg with libvvenc"
            )
        self._pictures: list[Picture] = []

    def push(self, picture: Picture, offset: int = 0) -> list[CodedPicture]:
        assert not offset, "a GOP is coded when it is complete"
        self._pictures.append(picture)
        return []

    def flush(self) -> list[CodedPicture]:
        config, pictures = self.config, self._pictures
        self._pictures = []
        if not pictures:
            return []
        params = f"{PARAMS}:IntraQPOffset={config.qp_intra - config.qp_base}"
        source = raw_input("-", config.width, config.height, config.fps)
        coding = {
            "c:v": "libvvenc", "threads": THREADS, "preset": EFFORT[config.preset],
            "qp": config.qp_base, "qpa": 0, "vvenc-params": params,
        }  # fmt: skip
        # seconds; a picture of 256x256 takes up to 1
        patience = 60 + 5.0 * len(pictures) * max(1.0, config.width * config.height / 256**2)
        raw = b"".join(p.tobytes() for p in pictures)
        with scratch_folder() as folder:  # libvvenc prints warnings to stdout
            path = folder / "gop.vvc"
            coded = source.output(str(path), f="vvc", pix_fmt="yuv420p10le", **coding)
            run_ffmpeg(coded.get_args(), self.ffmpeg, raw, timeout=patience)
            stream = path.read_bytes()
        units = split_access_units(stream)
        decoder = LibavDecoder("vvc")
        decoded = [picture for unit in units for picture in decoder.push(unit)] + decoder.flush()
        if not len(units) == len(decoded) == len(pictures):
            raise ToolError(
                f"libvvenc gave {len(units)} access units and {len(decoded)} pictures for "
                f"{len(pictures)} pictures"
            )
        return [CodedPicture(unit, picture) for unit, picture in zip(units, decoded, strict=True)]

    def close(self) -> None:
        pass
