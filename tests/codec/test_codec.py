"""Encoder and decoder together, on a real head and the shipped network."""

import itertools
import math
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from hdac.bitstream.container import Keypoints, PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec import synthesiser
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame
from hdac.codec.encoder import Encoder
from hdac.codec.files import base_units, decode, encode, inspect
from hdac.codec.modes import Shown
from hdac.codec.operating import VVC_TO
from hdac.codec.syntax import BaseReader, EnhancementReader
from hdac.codec.synthesiser import Synthesiser
from hdac.errors import DamagedError, UsageError
from hdac.layers.libav import LibavDecoder
from hdac.metrics.psnr import mean_psnr_y
from hdac.nets.fusion import FusionNet
from hdac.nets.published import PublishedConfig, PublishedNet
from hdac.nets.zoo import export_model, load_model
from hdac.runtime.models import find_model
from hdac.training.loop import with_more_keypoints
from hdac.video.ffmpeg import has_encoder
from hdac.video.fidelity import luma_mse
from hdac.video.picture import Picture
from tests.conftest import synthetic

FPS = Fraction(30000, 1001)


def equal(a: Picture, b: Picture) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def coded(pictures: list[Picture], **settings: object) -> tuple[bytes, list[Picture | None]]:
    """A stream, and what the encoder says the decoder will show (None: it does not say)."""
    shown: list[Shown] = []
    width, height = pictures[0].width, pictures[0].height
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    data = encode(pictures, width, height, FPS, config, on_shown=shown.append)
    return data, [s.picture for s in shown]


CASES = [
    {"qp_base": 40},
    {"qp_base": 40, "live": True},
    {"mode": "animation", "qp_intra": 34, "live": True},
    {"qp_base": 34, "refresh": 4},
    {"qp_base": 44, "preset": "fast"},
    {"qp_base": 44, "preset": "slower"},
    {"qp_base": 36, "base_scale": 2},
    {"mode": "base", "qp_base": 40},
    {"mode": "animation", "qp_intra": 34},
    {"mode": "animation", "qp_intra": 34, "refresh": 5},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_decoder_shows_what_the_encoder_said(
    face: list[Picture], settings: dict[str, object]
) -> None:
    pictures = face[:9]
    data, shown = coded(pictures, **settings)
    frames = list(decode(data))
    assert [f.number for f in frames] == list(range(9))
    assert all(s is None or equal(f.picture, s) for f, s in zip(frames, shown, strict=True))
    unseen = (
        [f.number for f in frames if f.number not in (0, 1, 4, 7) and f.level == "fused"]
        if settings.get("preset") == "fast"
        else []
    )
    assert [number for number, picture in enumerate(shown) if picture is None] == unseen
    assert (settings.get("preset") == "fast") == bool(unseen)
    info = inspect(data)
    assert info.frames == 9
    assert sum(vars(info.bits).values()) == 8 * len(data)
    assert min(vars(info.bits).values()) >= 0
    assert info.kbps == pytest.approx(len(data) * 8 * 30000 / 1001 / 9 / 1000)


def test_levels_of_a_hybrid_stream(head: list[Picture]) -> None:
    pictures = head[:12]
    data, _ = coded(pictures, qp_base=44)
    fused, base, animated = (list(decode(data, level)) for level in ("fused", "base", "animation"))  # type: ignore[arg-type]
    assert {f.level for f in base} == {"base"}
    assert [f.level for f in animated] == ["base"] + ["animation"] * 11
    assert "fused" in {f.level for f in fused}
    # never worse than the base layer, picture by picture
    for f, b, source in zip(fused, base, pictures, strict=True):
        assert mean_psnr_y([source], [f.picture]) >= mean_psnr_y([source], [b.picture]) - 1e-9
    # the animation is no copy of its reference
    assert not equal(animated[-1].picture, animated[0].picture)


def test_a_hurried_decoder_shows_base_pictures(head: list[Picture]) -> None:
    """While it is in a hurry; what it shows afterwards is what it would have shown anyway."""
    config = EncoderConfig(mode="hybrid", preset="slow", qp_base=44, base_encoder="x265", live=True)
    with Encoder(176, 144, 30, config) as encoder:
        packets = [p for picture in head[:12] for p in encoder.push(picture)] + encoder.flush()
        header = encoder.header
    shown = list[list[Frame]]()
    for hurries in ((), (4, 5, 6, 7)):
        with Decoder(header) as decoder:
            frames = list[Frame]()
            for n, packet in enumerate(packets):
                decoder.hurry(n in hurries)
                frames += decoder.push(packet)
            shown.append(frames)
    calm, hurried = shown
    assert "fused" in {frame.level for frame in calm[4:8]}
    assert "fused" in {frame.level for frame in calm[8:]}
    assert {frame.level for frame in hurried[4:8]} == {"base"}
    for a, b in zip(calm[:4] + calm[8:], hurried[:4] + hurried[8:], strict=True):
        assert (a.level, equal(a.picture, b.picture)) == (b.level, True)


def test_scalable(head: list[Picture]) -> None:
    """Keypoints that follow the head, for level `animation`; what is fused does not change."""
    plain, finer = (
        coded(head[:12], qp_base=44, scalable=scalable, preset="medium")[0]
        for scalable in (False, True)
    )

    def moves(data: bytes) -> int:
        header, packets = read_stream(data)
        enhancement = EnhancementReader(header)
        coded = [
            f.parameters
            for p in packets
            if p.type is PacketType.ENHANCEMENT
            for f in enhancement.read(p).frames
        ]
        return sum(not np.array_equal(a, b) for a, b in itertools.pairwise(coded))

    assert moves(finer) > moves(plain)
    assert all(
        equal(a.picture, b.picture) for a, b in zip(decode(plain), decode(finer), strict=True)
    )
    assert not all(
        equal(a.picture, b.picture)
        for a, b in zip(decode(plain, "animation"), decode(finer, "animation"), strict=True)
    )


def test_base_layer_is_ordinary_hevc(head: list[Picture]) -> None:
    data, _ = coded(head[:8], qp_base=42)
    decoder = LibavDecoder("hevc")
    plain = [picture for unit in base_units(data) for picture in decoder.push(unit)]
    assert all(equal(a, f.picture) for a, f in zip(plain, decode(data, "base"), strict=True))


def test_vvc(head: list[Picture]) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    data, shown = coded(head[:9], qp_base=38, base_codec="vvc", refresh=6)
    assert all(equal(f.picture, s) for f, s in zip(decode(data), shown, strict=True))
    assert inspect(data).refreshes == 1


@pytest.mark.parametrize(("qp_base", "codec"), [(VVC_TO, "VVC"), (VVC_TO + 1, "MIXED")])
def test_auto(head: list[Picture], qp_base: int, codec: str) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    data, shown = coded(head[:4], qp_base=qp_base, base_codec="auto", preset="fast")
    assert inspect(data).header.base_codec.name == codec
    assert all(s is None or equal(f.picture, s) for f, s in zip(decode(data), shown, strict=True))


def test_mixed(head: list[Picture]) -> None:
    """Two GOPs of VVC and HEVC; the base layer is exported as plain HEVC. In mode animation there
    is nothing but VVC."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    data, shown = coded(head[:9], qp_base=38, base_codec="mixed", preset="medium", refresh=6)
    assert all(equal(f.picture, s) for f, s in zip(decode(data), shown, strict=True))
    assert inspect(data).refreshes == 1
    decoder = LibavDecoder("hevc")
    plain = [picture for unit in base_units(data) for picture in decoder.push(unit)]
    assert all(equal(a, f.picture) for a, f in zip(plain, decode(data, "base"), strict=True))
    for settings in ({"base_scale": 2},):
        small, shown = coded(head[:5], qp_base=38, base_codec="mixed", preset="fast", **settings)
        assert all(
            s is None or equal(f.picture, s) for f, s in zip(decode(small), shown, strict=True)
        )
    assert (
        inspect(
            coded(head[:4], kbps=4.0, base_codec="auto", preset="fast")[0]
        ).header.base_codec.name
        == "MIXED"
    )
    aimed, _ = coded(head[:24], mode="animation", kbps=30.0, base_codec="mixed", preset="fast")
    assert 24 < inspect(aimed).kbps < 36
    still, shown = coded(
        head[:4], mode="animation", qp_intra=30, base_codec="mixed", preset="medium"
    )
    assert inspect(still).header.base_codec.name == "VVC"
    assert all(equal(f.picture, s) for f, s in zip(decode(still), shown, strict=True))


def test_preset_fast_fuses_every_third_picture(
    head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it saw there holds for the two pictures behind it, be it for fusion or against it."""
    fused, seen = Synthesiser.fuse, []

    def fuse(self: Synthesiser, base: Picture, *more: Any) -> Future[Picture]:
        seen.append(base)
        spoilt = Picture(255 - base.y, base.u, base.v) if len(seen) == 2 else base
        return fused(self, spoilt, *more)  # the second look fails

    monkeypatch.setattr(Synthesiser, "fuse", fuse)
    data, shown = coded(head[:10], qp_base=46, preset="fast", refresh="never")
    monkeypatch.undo()
    assert len(seen) == 3
    levels = "".join(f.level[0] for f in decode(data))
    assert levels == "bfffbbbfff"
    assert [i for i, s in enumerate(shown) if s is None] == [2, 3, 8, 9]


@pytest.mark.parametrize("preset", ["fast", None])
def test_files_keep_two_workers_busy(
    preset: Any, head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder waits for a fused picture only when another one is to be made too."""
    begun: list[Future[Picture]] = []

    class Awaited(Future[Picture]):
        def result(self, timeout: float | None = None) -> Picture:
            assert len(begun) >= 2, "it waits although a worker is idle"
            return super().result(timeout)

    def fuse(self: Synthesiser, base: Picture, *_: object) -> Future[Picture]:
        begun.append(Awaited())
        begun[-1].set_result(base)
        return begun[-1]

    monkeypatch.setattr(Synthesiser, "fuse", fuse)
    monkeypatch.setattr(synthesiser, "CORES", 2)
    with Encoder(176, 144, FPS, EncoderConfig(qp_base=46, preset=preset, refresh="never")) as coder:
        for picture in head[:8]:
            coder.push(picture)
        coder.flush()
    assert len(begun) >= 2


def test_networks_run_on_one_thread(head: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    """At some sizes a convolution on two threads rounds otherwise than on one; encoder and decoder
    must agree bit for bit. The host process keeps the threads that it had."""
    still = np.zeros((10, 2), np.int64)
    results, seen, before = [], [], torch.get_num_threads()
    hook = register_module_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    try:
        for threads, workers in ((1, 1), (2, 1), (2, 2)):
            torch.set_num_threads(threads)
            monkeypatch.setattr(synthesiser, "CORES", workers)
            with open_synthesiser("hdac-s", "torch") as fuser:
                keypoints = fuser.analyse(head[0]).result().found
                fuser.set_reference(head[0], 30, still)
                results.append((keypoints, fuser.fuse(head[6], 44, still).result()))
            assert torch.get_num_threads() == threads
    finally:
        hook.remove()
        torch.set_num_threads(before)
    assert set(seen) == {1}
    for keypoints, fused in results[1:]:
        assert np.array_equal(keypoints, results[0][0])
        assert equal(fused, results[0][1])


def open_synthesiser(model: str, device: str = "cpu") -> Synthesiser:
    return Synthesiser(find_model(model), Keypoints(10), device)


def test_published_network(
    head: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fuses with coded keypoints: those of the source."""
    torch.manual_seed(0)
    export_model(
        PublishedNet(PublishedConfig("hdac-2022", width=1 / 8)),
        "hdac-2022-w8",
        tmp_path,
        "untrained",
    )
    monkeypatch.setenv("HDAC_MODELS", str(tmp_path))
    data, shown = coded(head[:6], qp_base=44, model="hdac-2022-w8", allow_loss=100)
    frames = list(decode(data))
    assert all(equal(f.picture, s) for f, s in zip(frames, shown, strict=True))
    assert [f.level for f in frames] == ["base"] + ["fused"] * 5
    still, moved = np.zeros((10, 2), np.int64), np.full((10, 2), 12)
    with open_synthesiser("hdac-2022-w8") as fuser:
        fuser.set_reference(head[0], 30, still)
        assert not equal(*(fuser.fuse(head[6], 44, p).result() for p in (still, moved)))


def test_fused_pictures_need_no_coded_keypoints(head: list[Picture]) -> None:
    """Those of the base picture serve; what is coded moves animated pictures alone."""
    still, moved = np.zeros((10, 2), np.int64), np.full((10, 2), 12)
    with open_synthesiser("hdac-s") as fuser:
        fuser.set_reference(head[0], 30, still)
        fused = [fuser.fuse(head[6], 44, p).result() for p in (still, moved)]
        animated = [fuser.animate(p).result() for p in (still, moved)]
    assert equal(*fused)
    assert not equal(*animated)


def test_tune(head: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own weights, said in the header; a fused picture may lose a little PSNR there, and
    nothing without `--tune`."""
    net = load_model(find_model("hdac-s"))
    assert isinstance(net, FusionNet)
    # luma by 3 code values: worse in PSNR, by less than 1 dB where the base layer is coarse
    net.out.bias.data[:4] += 0.012
    monkeypatch.setenv("HDAC_MODELS", str(tmp_path))
    with pytest.raises(UsageError, match="unknown model shifted-perceptual"):
        coded(head[:4], qp_base=50, model="shifted", tune="perceptual")
    file = export_model(net, "shifted-perceptual", tmp_path, "shifted")
    coarse: dict[str, object] = {"qp_base": 50, "preset": "medium"}
    data, shown = coded(head[:4], **coarse, model="shifted", tune="perceptual")
    header = inspect(data).header
    assert (header.tune.name, header.model, header.model_hash) == (
        "PERCEPTUAL",
        "shifted-perceptual",
        file.stem[-8:],
    )
    assert all(equal(f.picture, s) for f, s in zip(decode(data), shown, strict=True))
    perceptual = [f.level for f in decode(data)]
    faithful, _ = coded(head[:4], **coarse, model=str(file))
    assert inspect(faithful).header.tune.name == "PSNR"
    assert perceptual.count("fused") > [f.level for f in decode(faithful)].count("fused")
    net.out.bias.data += 0.1
    file = export_model(net, "broken", tmp_path, "far brighter")
    for allowed, level in ((None, "base"), (1.0, "base"), (100.0, "fused")):
        data, shown = coded(head[:4], **coarse, model="broken", allow_loss=allowed)
        frames = list(decode(data))
        assert {f.level for f in frames[1:]} == {level}
        assert all(equal(f.picture, s) for f, s in zip(frames, shown, strict=True))


def test_always_fused(head: list[Picture]) -> None:
    """`allow_loss` 100 has no exception: here the base layer has no error at all."""
    black = [Picture(*(np.zeros_like(plane) for plane in head[0]))] * 3
    data, _ = coded(black, qp_base=20, allow_loss=100.0)
    assert [f.level for f in decode(data)] == ["base", "fused", "fused"]


def test_live_rates_start_where_the_cascade_is(head: list[Picture]) -> None:
    """The calm cascade's mean is 2.75 lower."""
    found = []
    for settings in ({}, {"tune": "perceptual"}, {"kbps": 900.0, "cascade": (51,)}):
        config = EncoderConfig(**{"kbps": 10.0, "mode": "base", **settings})  # type: ignore[arg-type]
        with Encoder(176, 144, FPS, config) as encoder:
            encoder.push(head[0])
            (packet,) = encoder.flush()
            found.append(BaseReader(encoder.header).read(packet).qp_base)
    assert found[1] == found[0] + 3
    assert found[2] == 0, "no QP below the range"


def test_the_switch_does_not_go_to_and_fro(head: list[Picture]) -> None:
    """A picture may lose `allow_loss` where the one before was fused, half of that where it was
    not."""
    pictures, allowed = head[:16], 0.45
    always, _ = coded(pictures, qp_base=36, tune="perceptual", allow_loss=100.0)
    both = zip(decode(always), decode(always, "base"), pictures, strict=True)
    losses = [
        10 * math.log10(luma_mse(fused.picture, p) / luma_mse(base.picture, p))
        for fused, base, p in both
    ]
    expected = [False]  # the first picture is the reference itself
    for loss in losses[1:]:
        expected.append(loss <= (allowed if expected[-1] else allowed / 2))
    assert expected not in ([loss <= limit for loss in losses] for limit in (allowed, allowed / 2))
    data, _ = coded(pictures, qp_base=36, tune="perceptual", allow_loss=allowed)
    assert [f.level == "fused" for f in decode(data)] == expected


def test_fewer_keypoints(
    head: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested network codes its first ones, in mode animation under a name of its own; the motion
    layer costs what it codes."""
    shipped = load_model(find_model("hdac-s"))
    assert isinstance(shipped, FusionNet)
    net = FusionNet(replace(shipped.config, keypoints=14, nested=True))
    net.load_state_dict(with_more_keypoints(shipped.state_dict(), net), strict=False)
    monkeypatch.setenv("HDAC_MODELS", str(tmp_path))
    export_model(net, "own", tmp_path, "plain")
    export_model(net, "own-animation", tmp_path, "nested")
    found = {}
    for count in (5, None, 14):
        data, shown = coded(head[:9], mode="animation", qp_intra=34, model="own", keypoints=count)
        assert all(equal(f.picture, s) for f, s in zip(decode(data), shown, strict=True))
        found[count] = inspect(data)
    assert [i.header.motion.number for i in found.values() if i.header.motion] == [5, 10, 14]
    assert {i.header.model for i in found.values()} == {"own-animation"}
    assert found[5].bits.motion < found[None].bits.motion < found[14].bits.motion
    with pytest.raises(UsageError, match="--keypoints 20; network own takes 5 to 14"):
        coded(head[:2], model="own", keypoints=20)
    with pytest.raises(UsageError, match="--keypoints 12; network hdac-s takes 10"):
        coded(head[:2], keypoints=12)
    with pytest.raises(DamagedError, match="the header says 15 keypoints"):
        Decoder(replace(found[5].header, motion=Keypoints(15)))


def test_a_fresh_process_decodes_the_same(tmp_path: Path, head: list[Picture]) -> None:
    data, shown = coded(head[:6], qp_base=42)
    file, out = tmp_path / "a.hdac", tmp_path / "a.yuv"
    file.write_bytes(data)
    subprocess.run(
        [sys.executable, "-m", "hdac", "decode", str(file), "-o", str(out)],
        check=True,
        capture_output=True,
    )
    assert out.read_bytes() == b"".join(p.tobytes() for p in shown)


@pytest.mark.parametrize("size", [(175, 143), (64, 48), (66, 50), (33, 16)])
def test_any_size(size: tuple[int, int]) -> None:
    width, height = size
    pictures = synthetic(3, width + width % 2, height + height % 2)
    data = encode(pictures, width, height, FPS, EncoderConfig(qp_base=36))
    frames = list(decode(data))
    assert frames[2].picture.y.shape == pictures[0].y.shape
    assert mean_psnr_y(pictures, [f.picture for f in frames]) > 24
    assert (inspect(data).header.width, inspect(data).header.height) == size


def test_one_frame() -> None:
    data = encode(synthetic(1), 64, 48, FPS)
    assert len(list(decode(data))) == 1


def test_no_frames() -> None:
    with pytest.raises(UsageError, match="0 frames; at least 1"):
        encode([], 64, 48, FPS)


def test_bitrate_holds_over_refreshes(head: list[Picture]) -> None:
    """Nothing is known ahead: the next GOP starts where the last one has come to."""
    with Encoder(176, 144, FPS, EncoderConfig(kbps=300.0, mode="base", refresh=12)) as encoder:
        packets = [p for picture in head for p in encoder.push(picture)] + encoder.flush()
        reader = BaseReader(encoder.header)
    first, second = (reader.read(packet).qp_base for packet in packets)
    assert second != first


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"qp_base": 99}, r"--qp-base 99; allowed are 0 .best. to 51"),
        ({"qp_intra": -1}, r"--qp-intra -1; allowed are 0"),
        ({"mode": "magic"}, r"--mode magic; choose one of hybrid, animation, base"),
        ({"tune": "vmaf"}, r"--tune vmaf; choose one of psnr, perceptual"),
        (
            {"allow_loss": -1.0},
            r"--allow-loss -1; allowed are 0 .never worse. to 100 dB .always fused.",
        ),
        ({"allow_loss": float("nan")}, r"--allow-loss nan; allowed are 0"),
        ({"preset": "placebo"}, r"--preset placebo; choose one of fast, medium, slow, slower"),
        ({"base_codec": "av1"}, r"--base-codec av1; choose one of hevc, vvc, mixed, auto"),
        ({"kbps": 0.1}, r"--bitrate 0.1 kbps; allowed are 0.5k to 5000k"),
        ({"kbps": 8.0, "qp_base": 40}, "contradict each other"),
        ({"base_scale": 3}, r"--base-scale 3; choose one of 1, 2, 4"),
        ({"precision": "fp8"}, r"--precision fp8; choose one of auto, int8, fp32, bf16"),
        ({"live": True, "base_codec": "vvc"}, r"--live with --base-codec vvc; only hevc is live"),
        ({"refresh": 0}, r"--refresh 0; allowed"),
        ({"cascade": ()}, r"cascade .*allowed are 1 to 64 offsets"),
        ({"qp_base": 30.5}, r"--qp-base 30.5; a whole number"),
        ({"qp_intra": True}, r"--qp-intra True; a whole number"),
        ({"qp_base": "30"}, r"--qp-base '30'; a whole number"),
        ({"base_scale": 2.0}, r"--base-scale 2.0; a whole number"),
        ({"cascade": (1.5,)}, r"cascade offset 1.5; a whole number"),
        ({"keypoints": 10.0}, r"--keypoints 10.0; a whole number"),
        ({"every": None}, r"--every None; a whole number"),
        ({"refresh": "nevr"}, r"--refresh nevr; allowed are auto, never, drift or"),
        ({"refresh": 24.0}, r"--refresh 24.0; a whole number"),
        ({"refresh": None}, r"--refresh None; a whole number"),
    ],
)
def test_bad_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EncoderConfig(**settings)  # type: ignore[arg-type]


def test_whole_numbers_of_numpy_are_settings(face: list[Picture]) -> None:
    given = {"qp_base": 40, "qp_intra": 36, "refresh": 2, "base_scale": 2, "every": 1}
    numbers = {name: np.int64(value) for name, value in given.items()}
    config = EncoderConfig("base", **numbers, cascade=tuple(np.array([8, 6, 8, 0])))  # type: ignore[arg-type]
    assert config == EncoderConfig("base", **given, cascade=(8, 6, 8, 0))  # type: ignore[arg-type]
    assert {type(getattr(config, name)) for name in given} == {int}
    assert coded(face[:3], mode="base", **numbers)[0] == coded(face[:3], mode="base", **given)[0]


def test_bad_pictures_and_levels(head: list[Picture]) -> None:
    with pytest.raises(UsageError, match="8x8; allowed are 16x16 to 4096x4096"):
        Encoder(8, 8, FPS)
    with pytest.raises(UsageError, match="picture of 176x144; the encoder was opened for 64x64"):
        Encoder(64, 64, FPS, EncoderConfig(mode="base")).push(head[0])
    data, _ = coded(head[:2], mode="base")
    with pytest.raises(
        UsageError, match="--level animation: this stream's mode is base; it decodes at fused, base"
    ):
        list(decode(data, "animation"))
    with pytest.raises(UsageError, match="--device tpu; choose one of cpu, torch, cuda"):
        Encoder(64, 64, FPS, EncoderConfig(device="tpu"))


def test_no_colour_is_lost(face: list[Picture]) -> None:
    """At the best QP everything comes back almost as it was, chroma too."""
    data, _ = coded(face[:3], mode="base", qp_base=2, qp_intra=1)
    for source, frame in zip(face, decode(data), strict=False):
        assert all(
            np.abs(a.astype(int) - b).mean() < 1.5
            for a, b in zip(source, frame.picture, strict=True)
        )


def test_iterators_are_read_once(head: list[Picture]) -> None:
    stream = iter(head)
    encode(itertools.islice(stream, 3), 176, 144, FPS, EncoderConfig(mode="base"))
    assert next(stream) is head[3]
