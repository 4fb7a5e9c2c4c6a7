"""Settings of an encoder: one object for the command line and for Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hdac.codec.operating import ANIMATION_KBPS, VVC_TO, default_qp_intra
from hdac.codec.syntax import MAX_FRAMES
from hdac.errors import UsageError
from hdac.layers.base import CALM_CASCADE, CASCADE, PRESETS, QP_MAX
from hdac.layers.reference import Refresh, RefreshConfig
from hdac.nets.keypoints import MAX_KEYPOINTS, MIN_KEYPOINTS
from hdac.nets.zoo import DEFAULT, serving

PRECISIONS = ("auto", "fp32", "bf16")
MODES = ("hybrid", "animation", "base")
TUNES = ("psnr", "perceptual")
BASE_CODECS = ("hevc", "vvc", "mixed", "auto")
Codec = Literal["hevc", "vvc", "mixed"]
DEFAULT_QP_BASE = 44
#: Decibels that a fused picture may lose to its base picture in PSNR-Y and still be shown, by
#: `tune`: detail that is not exactly in place costs PSNR, a broken picture costs far more. Half of
#: it is allowed where the last fused picture was not shown: to and fro would flicker.
LOSS = {"psnr": 0.0, "perceptual": 1.5}
MAX_LOSS = (
    100.0  # more than any two 8-bit pictures can differ by: the network's picture is always shown
)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} {value}; choose one of {', '.join(map(str, allowed))}")


@dataclass(frozen=True)
class EncoderConfig:
    """What an encoder does. Raises `UsageError` for values out of range.

    qp_base, qp_intra: HEVC's scale, 0 (best) to 51; None: from `kbps`, else 44 and what goes with it.
    kbps: target bit rate, 1 kbps = 1000 bit/s; None: as the QPs give.
    base_scale: the base layer is coded at 1, 1/2 or 1/4 of the frame's side; frame_step: every 1st,
        2nd or 4th frame has one.
    cascade: 1 to 64 offsets that the pictures after the first add to `qp_base` in turn; None:
        `CASCADE`, `CALM_CASCADE` with tune "perceptual" (`layers.base`).
    tune: "psnr" for fidelity, "perceptual" for what people see: other weights of the same network,
        another switch to the base layer.
    allow_loss: decibels that a fused picture may lose to its base picture in PSNR-Y and still be
        shown, 0 to 100 (always shown); None: 0 with tune "psnr", 1.5 with "perceptual"; half of it
        where the last fused picture was not shown.
    keypoints: 5 to 40, as many as the network takes; None: 10.
    scalable: keypoints of hybrid streams follow the head as finely as those of mode "animation":
        level `animation` moves with it.
    base_codec: "hevc", "vvc" (a GOP is coded when it is complete), "mixed": the first picture of a
        GOP VVC (1 to 3 s each), the others HEVC; or "auto": "vvc" up to `qp_base` `VVC_TO` with
        tune "psnr", else "mixed". Only "hevc" is live.
    preset: effort of the base encoder, "fast", "medium", "slow" or "slower"; None: slow, but medium
        for base codec "vvc" ("auto": slow). With "fast" the encoder fuses every third picture only,
        and shows the others as that one (fused or base): live at 25 frames per second on two cores.
        With "slower" and tune "psnr" files also try both base codecs of "auto", from `qp_base`
        `SURELY_VVC` (`codec.fitting`) on.
    precision: what the networks compute in; "auto": what is faster on this machine. The stream says
        it to the decoder.
    packet_frames: frames in a packet, 1 to 256; None: 1 in `Encoder` (live, a frame of delay at
        most), the most in files (fewest bytes).
    """

    mode: Literal["hybrid", "animation", "base"] = "hybrid"
    qp_base: int | None = None
    qp_intra: int | None = None
    kbps: float | None = None
    model: str = DEFAULT
    tune: Literal["psnr", "perceptual"] = "psnr"
    base_codec: Literal["hevc", "vvc", "mixed", "auto"] = "hevc"
    refresh: Refresh = "auto"
    base_scale: int = 1
    frame_step: int = 1
    cascade: tuple[int, ...] | None = None
    allow_loss: float | None = None
    keypoints: int | None = None
    scalable: bool = False
    preset: Literal["fast", "medium", "slow", "slower"] | None = None
    packet_frames: int | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    ffmpeg: str | None = None

    def __post_init__(self) -> None:
        _one_of("--mode", self.mode, MODES)
        _one_of("--tune", self.tune, TUNES)
        _one_of("--base-codec", self.base_codec, BASE_CODECS)
        _one_of("--base-scale", self.base_scale, (1, 2, 4))
        _one_of("--frame-step", self.frame_step, (1, 2, 4))
        _one_of("--precision", self.precision, PRECISIONS)
        if self.preset is not None:
            _one_of("--preset", self.preset, PRESETS)
        if self.keypoints is not None and not MIN_KEYPOINTS <= self.keypoints <= MAX_KEYPOINTS:
            raise UsageError(
                f"--keypoints {self.keypoints}; allowed are {MIN_KEYPOINTS} to {MAX_KEYPOINTS}"
            )
        if self.allow_loss is not None and not 0 <= self.allow_loss <= MAX_LOSS:
            raise UsageError(
                f"--allow-loss {self.allow_loss:g}; allowed are 0 (never worse) to {MAX_LOSS:g} dB (always fused)"
            )
        for name, qp in (("--qp-base", self.qp_base), ("--qp-intra", self.qp_intra)):
            if qp is not None and not 0 <= qp <= QP_MAX:
                raise UsageError(f"{name} {qp}; allowed are 0 (best) to {QP_MAX} (smallest)")
        if self.kbps is not None and not 0.5 <= self.kbps <= 5000:
            raise UsageError(f"--bitrate {self.kbps:g} kbps; allowed are 0.5k to 5000k")
        if self.kbps is not None and self.qp_base is not None:
            raise UsageError(
                f"--bitrate {self.kbps:g}k and --qp-base {self.qp_base} contradict each other; give one of them"
            )
        if self.kbps is not None and self.mode == "animation" and self.qp_intra is not None:
            raise UsageError(
                f"--bitrate {self.kbps:g}k and --qp-intra {self.qp_intra} contradict each other in mode animation; give one"
            )
        if self.packet_frames is not None and not 1 <= self.packet_frames <= MAX_FRAMES:
            raise UsageError(
                f"packet_frames {self.packet_frames}; allowed are 1 (live) to {MAX_FRAMES}"
            )
        if (
            not self.offsets
            or not all(-QP_MAX <= o <= QP_MAX for o in self.offsets)
            or len(self.offsets) > 64
        ):
            raise UsageError(
                f"cascade {self.cascade}; allowed are 1 to 64 offsets of -{QP_MAX} to {QP_MAX}"
            )
        RefreshConfig(self.refresh)

    @property
    def weights(self) -> str:
        """Name of the weights that serve `model` in this mode and tune."""
        return serving(self.model, self.mode, self.tune)

    def codec_for(self, qp_base: int) -> Codec:
        """Base codec of this mode at this QP: where only first pictures are coded, "mixed" is
        VVC."""
        codec = self.base_codec
        if codec == "auto":
            codec = "vvc" if self.tune == "psnr" and qp_base <= VVC_TO else "mixed"
        return "vvc" if codec == "mixed" and self.mode == "animation" else codec

    @property
    def codec(self) -> Codec:
        """Base codec at the QP that is asked for, 44 where none is (with "auto" and a bit rate the
        search for the QP decides)."""
        return self.codec_for(DEFAULT_QP_BASE if self.qp_base is None else self.qp_base)

    @property
    def effort(self) -> str | None:
        """Preset of the base encoder; None: its own default."""
        return "slow" if self.preset is None and self.base_codec == "auto" else self.preset

    @property
    def offsets(self) -> tuple[int, ...]:
        """The cascade: what the P pictures add to `qp_base`, in turn. (libvvenc has its own; its
        first picture's QP goes by `CASCADE`.)"""
        usual = CALM_CASCADE if self.tune == "perceptual" and self.codec != "vvc" else CASCADE
        return usual if self.cascade is None else self.cascade

    @property
    def loss(self) -> float:
        """Decibels that a fused picture may lose."""
        return LOSS[self.tune] if self.allow_loss is None else self.allow_loss

    @property
    def animation_kbps(self) -> float | None:
        """Target of mode `animation`: the bit rate given, else the default unless `qp_intra` says it
        all."""
        return ANIMATION_KBPS if self.kbps is None and self.qp_intra is None else self.kbps

    def ref_for(self, qp_base: int) -> int:
        """QP of reference pictures: the one that was given, else what goes with `qp_base`."""
        return (
            default_qp_intra(qp_base, self.offsets, self.tune, self.codec_for(qp_base))
            if self.qp_intra is None
            else self.qp_intra
        )

    def qps(self) -> tuple[int, int]:
        """(qp_intra, qp_base) where no bit rate is asked for."""
        qp_base = DEFAULT_QP_BASE if self.qp_base is None else self.qp_base
        return self.ref_for(qp_base), qp_base
