"""Settings of an encoder: one object for the command line and for Python."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from hdac.bitstream.container import MAX_EVERY
from hdac.errors import UsageError
from hdac.layers.base import HEVC_ENCODERS, PRESETS, QP_MAX
from hdac.layers.reference import Refresh, check_refresh
from hdac.runtime.models import ANIMATION, DEFAULT

PRECISIONS = ("auto", "int8", "fp32", "bf16")
MODES = ("hybrid", "animation", "base")
TUNES = ("psnr", "perceptual")
BASE_CODECS = ("hevc", "vvc", "mixed", "auto")
DEFAULT_QP_BASE = 44
#: More than any two 8-bit pictures can differ by, in dB: the network's picture is always shown.
MAX_LOSS = 100.0
#: Mode `animation` aims at this rate, reference included, where nothing else is asked for.
ANIMATION_KBPS = 3.5


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        known = ", ".join(str(each) for each in allowed if each is not None)
        raise UsageError(f"{name} {value}; choose one of {known}")


def _whole(name: str, value: object) -> int:
    """A whole number of any type, as `int`. Raises `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UsageError(f"{name} {value!r:.80}; a whole number is needed")
    return int(value)


def check_kbps(kbps: float) -> None:
    """Raises `UsageError`."""
    if not 0.5 <= kbps <= 5000:
        raise UsageError(f"--bitrate {kbps:g} kbps; allowed are 0.5k to 5000k")


@dataclass(frozen=True)
class EncoderConfig:
    """What an encoder is asked for. Raises `UsageError` for values out of range.

    mode: "hybrid", "animation" (reference and keypoints only) or "base" (no network).
    qp_base, qp_intra: HEVC's scale, 0 (best) to 51; None: from `kbps`, else 44 and what goes with
        it.
    kbps: target bit rate, 0.5 to 5000, 1 kbps = 1000 bit/s; None: as the QPs give. `encode` reads
        the whole source first and finds the QPs; `Encoder` moves them while pictures come.
    model: name of a network, or path of a .safetensors file; None: "hdac-s", in mode "animation"
        "hdac-face" where no number of keypoints is asked for.
    tune: "psnr" for fidelity, "perceptual" for what people see: other weights of the same network,
        another switch to the base layer.
    base_codec: "hevc", "vvc" (a GOP is coded when it is complete), "mixed" (the first picture of a
        GOP VVC, 1 to 3 s each, the others HEVC) or "auto" (what takes fewest bits); None: "mixed"
        where Kvazaar codes the HEVC pictures and FFmpeg has libvvenc, else "hevc".
    base_encoder: of HEVC pictures: "x265" (in process), "kvazaar" (fewer bits, two to three times
        the time, in an FFmpeg beside) or "auto", which is kvazaar where FFmpeg has it and it can do
        what is asked for: not live, nor in mode "animation", with a bit rate while pictures come,
        presets "fast" and "medium", tune "perceptual" or a cascade of one's own.
    refresh: new reference pictures: "auto" (scene cuts, and where a new one pays; in mode
        "animation" where a face has come or gone), "never", a period in frames, or, in mode
        "animation" with `qp_intra`, "drift": where pictures have become too far from their sources,
        too.
    base_scale: the base layer is coded at 1, 1/2 or 1/4 of the frame's side, the first picture of a
        mixed one at full size; None: 1, for large pictures in files with a bit rate 2 if better.
    cascade: 1 to 64 offsets that the pictures after the first add to `qp_base` in turn; None: what
        suits `tune` (`layers.base`).
    allow_loss: decibels that a fused picture may lose to its base picture in PSNR-Y, in PSNR of Y,
        Cb and Cr 6:1:1, and, 0.5 more, in Cb or Cr and still be shown, 0 to 100 (always shown);
        None: 0 with tune "psnr", 1.5 with "perceptual"; half of it where the last fused picture was
        not shown.
    keypoints: as many as the network takes, or landmarks; None: what is usual for it (of landmarks,
        as many as suit the bit rate where it takes several numbers of them).
    motion_kbps: what landmarks may take at most, 0.1 to 500, where the network takes several
        numbers of them: each reference begins with as many as fit, by what those before took, the
        first one with `keypoints`; None: all have as many.
    scalable: keypoints of hybrid streams follow the head as finely as those of mode "animation":
        level `animation` moves with it.
    preset: effort of the base encoder, "fast", "medium", "slow" or "slower"; None: slow, but medium
        for base codec "vvc". With "fast" every third picture, and what is not like it, is fused by
        the encoder too, and the others are shown as the last one. "slower" also tries both base
        codecs of "auto" in files.
    every: in mode "animation" parameters of one frame in so many are sent, 1 to 8; those between
        are moved along the straight line (not live).
    live: a stream for a line: a packet a frame, each of which stands alone, with a sequence number
        and a time; GOPs of at most 256 frames; base codec "hevc" alone.
    precision: what the network computes in, "int8", "fp32" or "bf16" (by PyTorch); "auto": int8 on
        the CPU where the model has been quantised, else fp32. The stream says it to the decoder.
    device: where networks run: "cpu" (by OpenVINO), "torch" (PyTorch on the CPU, to check the
        other) or "cuda" (PyTorch); ffmpeg: the executable that Kvazaar and VVC need.
    """

    mode: Literal["hybrid", "animation", "base"] = "hybrid"
    qp_base: int | None = None
    qp_intra: int | None = None
    kbps: float | None = None
    model: str | None = None
    tune: Literal["psnr", "perceptual"] = "psnr"
    base_codec: Literal["hevc", "vvc", "mixed", "auto"] | None = None
    base_encoder: Literal["auto", "x265", "kvazaar"] = "auto"
    refresh: Refresh = "auto"
    base_scale: int | None = None
    cascade: tuple[int, ...] | None = None
    allow_loss: float | None = None
    keypoints: int | None = None
    motion_kbps: float | None = None
    scalable: bool = False
    preset: Literal["fast", "medium", "slow", "slower"] | None = None
    every: int = 1
    live: bool = False
    precision: Literal["auto", "int8", "fp32", "bf16"] = "auto"
    device: str = "cpu"
    ffmpeg: str | None = None

    def __post_init__(self) -> None:
        self._make_whole()
        _check("--mode", self.mode, MODES)
        _check("--tune", self.tune, TUNES)
        _check("--base-codec", self.base_codec, (None, *BASE_CODECS))
        _check("--base-encoder", self.base_encoder, ("auto", *HEVC_ENCODERS))
        _check("--base-scale", self.base_scale, (None, 1, 2, 4))
        _check("--precision", self.precision, PRECISIONS)
        _check("--preset", self.preset, (None, *PRESETS))
        check_refresh(self.refresh)
        if self.allow_loss is not None and not 0 <= self.allow_loss <= MAX_LOSS:
            raise UsageError(
                f"--allow-loss {self.allow_loss:g}; allowed are 0 (never worse) to {MAX_LOSS:g} dB "
                "(always fused)"
            )
        for name, qp in (("--qp-base", self.qp_base), ("--qp-intra", self.qp_intra)):
            if qp is not None and not 0 <= qp <= QP_MAX:
                raise UsageError(f"{name} {qp}; allowed are 0 (best) to {QP_MAX} (smallest)")
        if self.cascade is not None and not (
            1 <= len(self.cascade) <= 64 and all(-QP_MAX <= o <= QP_MAX for o in self.cascade)
        ):
            raise UsageError(
                f"cascade {self.cascade}; allowed are 1 to 64 offsets of -{QP_MAX} to {QP_MAX}"
            )
        if self.motion_kbps is not None and not 0.1 <= self.motion_kbps <= 500:
            raise UsageError(f"motion_kbps {self.motion_kbps:g}; allowed are 0.1 to 500")
        if not 1 <= self.every <= MAX_EVERY:
            raise UsageError(f"--every {self.every}; allowed are 1 (all frames) to {MAX_EVERY}")
        if self.every > 1 and (self.mode != "animation" or self.live):
            wrong = "--live" if self.live else f"--mode {self.mode}"
            raise UsageError(
                f"--every {self.every} with {wrong}; --mode animation, of files, has it"
            )
        if self.refresh == "drift" and (self.mode != "animation" or self.qp_intra is None):
            raise UsageError(
                "--refresh drift: --mode animation with --qp-intra has it (how many references it "
                "takes is not known before)"
            )
        if self.live and self.base_codec not in (None, "hevc"):
            raise UsageError(f"--live with --base-codec {self.base_codec}; only hevc is live")
        if self.base_encoder == "kvazaar" and (lacking := kvazaar_lacks(self)):
            raise UsageError(f"--base-encoder kvazaar with {lacking}: use --base-encoder x265")
        self._check_rate()

    def _make_whole(self) -> None:
        """Raises `UsageError` for what should be a whole number and is none."""
        whole: dict[str, object] = {"every": self.every}
        if not isinstance(self.refresh, str):
            whole["refresh"] = self.refresh
        for name in ("qp_base", "qp_intra", "base_scale", "keypoints"):
            if getattr(self, name) is not None:
                whole[name] = getattr(self, name)
        for name, value in whole.items():  # (the object is frozen)
            object.__setattr__(self, name, _whole(f"--{name.replace('_', '-')}", value))
        if self.cascade is not None:
            cascade = tuple(_whole("cascade offset", offset) for offset in self.cascade)
            object.__setattr__(self, "cascade", cascade)

    def _check_rate(self) -> None:
        if self.kbps is None:
            return
        check_kbps(self.kbps)
        both = {"--qp-base": self.qp_base}
        if self.mode == "animation":
            both["--qp-intra"] = self.qp_intra
        for name, qp in both.items():
            if qp is not None:
                raise UsageError(
                    f"--bitrate {self.kbps:g}k and {name} {qp} contradict each other; give one of "
                    "them"
                )

    @property
    def network(self) -> str:
        """Name or path of the network."""
        if self.model is not None:
            return self.model
        free = self.mode == "animation" and self.keypoints is None
        return ANIMATION if free else DEFAULT

    @property
    def target_kbps(self) -> float | None:
        """The bit rate to aim at; mode `animation` has a default unless `qp_intra` says it all."""
        if self.kbps is None and self.mode == "animation" and self.qp_intra is None:
            return ANIMATION_KBPS
        return self.kbps


def kvazaar_lacks(config: EncoderConfig) -> str | None:
    """What is asked for that Kvazaar cannot do, or does no better than x265."""
    asked = {
        "--live": config.live,
        "--mode animation": config.mode == "animation",
        "--base-codec vvc": config.base_codec == "vvc",
        f"--preset {config.preset}": config.preset in ("fast", "medium"),
        "--tune perceptual": config.tune == "perceptual",
        "a cascade of one's own": config.cascade is not None,
    }
    return next((name for name, is_asked in asked.items() if is_asked), None)
