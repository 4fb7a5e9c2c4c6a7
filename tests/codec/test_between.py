"""Frames of which nothing is sent: how streams say so, and what is shown of them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hdac as package
from hdac.bitstream.container import BaseCodec, Header, Keypoints, Mode, Packet, PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame
from hdac.codec.files import decode, encode, frame_bits, inspect
from hdac.codec.fitting import Source as Fitted
from hdac.codec.fitting import motion_kbps
from hdac.codec.gfv.export import export_gfv
from hdac.codec.modes import Shown
from hdac.codec.syntax import EnhancedFrame, EnhancementReader
from hdac.errors import DamagedError, HdacError, UsageError
from hdac.layers.reference import Drift
from hdac.motion.between import between, is_sent, shares
from hdac.nets.interpolate import InterpolateConfig, InterpolateNet
from hdac.nets.zoo import build, export_model, load_animation, load_interpolator, load_model
from hdac.runtime.backends import open_interpolator
from hdac.runtime.models import ModelFile, model_from_path, resolve_model
from hdac.runtime.planes import planes_from_picture
from hdac.runtime.pytorch import TorchInterpolator
from hdac.training.graphs import export_interpolator
from hdac.training.interpolating import Triple
from hdac.video.picture import Picture
from tests.codec.test_systems import made
from tests.conftest import Run
from tests.fuzz.mutate import written

SMALL = InterpolateConfig((8, 8, 8), 4)


def sent_of(frames: int, every: int) -> list[int]:
    """The frames of a GOP of one packet that are sent."""
    return sorted({*range(0, frames, every), frames - 1})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of `agarwal`, and one that interpolates: untrained it blends."""
    folder = tmp_path_factory.mktemp("models")
    about = {"system": "agarwal", "number": 6, "refined": False}
    net = build({**about, "widths": [8, 8, 8], "blocks": [1, 1, 1]})
    torch.manual_seed(0)
    torch.nn.init.normal_(net.detector.head.weight, 0, 8.0)  # type: ignore[union-attr,arg-type]
    made(net, folder)
    path = export_model(InterpolateNet(SMALL), "interpolate", folder, "not trained")
    export_interpolator(model_from_path(path), folder)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDAC_MODELS", str(folder))


def config(**about: Any) -> EncoderConfig:
    usual = {"mode": "animation", "model": "agarwal", "qp_intra": 36, "base_codec": "hevc"}
    return EncoderConfig(**{**usual, **about})


def enhanced(data: bytes) -> list[list[EnhancedFrame]]:
    """Frames of each packet."""
    header, packets = read_stream(data)
    reader = EnhancementReader(header)
    return [reader.read(p).frames for p in packets if p.type is PacketType.ENHANCEMENT]


@pytest.mark.parametrize("every", [2, 3, 4])
@pytest.mark.parametrize("frames", [13, 14, 15])
def test_what_the_encoder_says_is_what_the_decoder_shows(
    every: int, frames: int, face: list[Picture]
) -> None:
    """GOPs of 6, 6 and 1 to 3 frames."""
    shown: list[Shown] = []
    about = config(every=every, refresh=6)
    data = encode(face[:frames], 96, 80, 25, about, on_shown=shown.append)
    decoded = list(decode(data))
    assert [f.number for f in decoded] == list(range(frames))
    assert [f.level for f in decoded] == [
        "base" if n % 6 == 0 else "animation" for n in range(frames)
    ]
    for frame, said in zip(decoded, shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)
    assert data == encode(face[:frames], 96, 80, 25, about), "the same bytes again"

    gops = [len(sent_of(n, every)) for n in (6, 6, frames - 12)]
    info = inspect(data)
    assert (info.frames, info.sent, info.header.every) == (frames, sum(gops), every)
    assert info.raw_motion_kbps == pytest.approx(64 * 6 * sum(gops) * 25 / frames / 1000)
    for packet, length in zip(enhanced(data), (6, 6, frames - 12), strict=True):
        assert [i for i, f in enumerate(packet) if f.share is None] == sent_of(length, every)
    bits = frame_bits(data)["motion and fusion"]
    assert len(bits) == frames
    assert bits[1] == 0 < bits[0]


def test_frames_between_lie_on_the_line(head: list[Picture]) -> None:
    (frames,) = enhanced(encode(head[:12], 176, 144, 25, config(every=4)))
    places = sent_of(12, 4)
    assert places == [0, 4, 8, 11]
    assert not (frames[0].parameters == frames[8].parameters).all(), "the head moves"
    for first, last in pairwise(places):
        ends = frames[first].parameters, frames[last].parameters
        for i in range(first + 1, last):
            share = (i - first) / (last - first)
            assert frames[i].share == pytest.approx(share)
            assert np.allclose(frames[i].parameters, ends[0] + share * (ends[1] - ends[0]))
    assert between(np.array([0]), np.array([4]), 0.25).tolist() == [1]
    assert shares(3) == [0.25, 0.5, 0.75]


def test_sent_as_all_frames_are_they_are_the_same(head: list[Picture]) -> None:
    """With 1 the stream is that of before, byte for byte."""
    plain = encode(head[:10], 176, 144, 25, config())
    assert plain == encode(head[:10], 176, 144, 25, config(every=1))
    assert inspect(plain).sent == 10
    rare = encode(head[:10], 176, 144, 25, config(every=3))
    assert inspect(rare).bits.motion < inspect(plain).bits.motion
    assert inspect(rare).bits.reference == inspect(plain).bits.reference


@pytest.mark.parametrize("room", [1, 2, 7])
@pytest.mark.parametrize("every", [2, 3])
def test_packets_hold_what_their_frames_need(
    room: int, every: int, head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GOP of several packets: each ends with a frame that is sent."""
    monkeypatch.setattr("hdac.bitstream.container.MAX_PACKET_PIXELS", room * 176 * 144)
    shown: list[Shown] = []
    data = encode(
        head[:20], 176, 144, 25, config(every=every, refresh="never"), on_shown=shown.append
    )
    packets = enhanced(data)
    assert [len(packet) for packet in packets[:-1]] == [room] * (len(packets) - 1)
    assert all(packet[-1].share is None for packet in packets)
    for number, packet in enumerate(packets):
        wanted = [is_sent(i, len(packet), number == 0, every) for i in range(len(packet))]
        assert [frame.share is None for frame in packet] == wanted
    for frame, said in zip(decode(data), shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)


@pytest.mark.parametrize(
    ("frames", "start", "every", "sent"),
    [
        (8, True, 3, [0, 3, 6, 7]),
        (8, False, 3, [2, 5, 7]),
        (1, True, 8, [0]),
        (2, False, 8, [1]),
        (4, False, 1, [0, 1, 2, 3]),
    ],
)
def test_which_frames_are_sent(frames: int, start: bool, every: int, sent: list[int]) -> None:
    assert [i for i in range(frames) if is_sent(i, frames, start, every)] == sent


def test_other_systems_too(head: list[Picture]) -> None:
    """Parameters of any kind: those of a face, and their pictures."""
    about = EncoderConfig(mode="animation", qp_intra=36, base_codec="hevc", every=3)
    shown: list[Shown] = []
    data = encode(head[:6], 176, 144, 25, about, on_shown=shown.append)
    assert inspect(data).header.model == "hdac-face"
    assert inspect(data).sent == 3
    assert inspect(data).raw_motion_kbps is None
    for frame, said in zip(decode(data), shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)


def test_a_fresh_process_decodes_the_same(head: list[Picture], tmp_path: Path) -> None:
    path = tmp_path / "a.hdac"
    path.write_bytes(encode(head[:7], 176, 144, 25, config(every=4)))
    for way in ("motion", "pictures"):
        out = tmp_path / f"{way}.yuv"
        command = [sys.executable, "-m", "hdac", "decode", path, "-o", out, "--between", way]
        subprocess.run([*map(str, command)], check=True, timeout=120, capture_output=True)
        frames = decode(path.read_bytes(), between=way)  # type: ignore[arg-type]
        assert out.read_bytes() == b"".join(frame.picture.tobytes() for frame in frames)


def test_pictures_in_place_of_parameters(head: list[Picture]) -> None:
    """The network, untrained, blends; what is sent stays what it was."""
    data = encode(head[:9], 176, 144, 25, config(every=4, refresh=7))
    moved = [frame.picture for frame in decode(data)]
    frames = list(package.decode(data, between="pictures"))
    shown = [frame.picture for frame in frames]
    assert [f.level for f in frames] == [f.level for f in decode(data)]
    for i in (0, 4, 6, 7, 8):
        assert shown[i].same(moved[i])
    for i, (a, b, share) in {1: (0, 4, 0.25), 3: (0, 4, 0.75), 5: (4, 6, 0.5)}.items():
        blend = (1 - share) * moved[a].y.astype(float) + share * moved[b].y
        assert np.abs(shown[i].y - blend).max() <= 0.51
        assert not shown[i].same(moved[i])
    plain = encode(head[:4], 176, 144, 25, config())
    for one, other in zip(decode(plain, between="pictures"), decode(plain), strict=True):
        assert one.picture.same(other.picture)


# ---- damage


def test_lost_packets_are_concealed(head: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdac.bitstream.container.MAX_PACKET_PIXELS", 5 * 176 * 144)
    data = encode(head[:20], 176, 144, 25, config(every=3, refresh=10))
    header, packets = read_stream(data)
    places = [i for i, p in enumerate(packets) if p.type is PacketType.ENHANCEMENT]
    assert len(places) == 4
    for way in ("motion", "pictures"):
        frames = _decoded(header, packets, places[1], way)
        assert [f.level for f in frames].count("concealed") == 0
        assert [f.number for f in frames] == list(range(15)), "the rest of a GOP is lost"
        broken = list(packets)
        broken[places[1]] = Packet(
            PacketType.ENHANCEMENT, b"\0\5", sequence=broken[places[1]].sequence
        )
        shown = _decoded(header, broken, None, way)
        assert len(shown) == 20
        assert all(frame.picture.y.shape == (144, 176) for frame in shown)


def _decoded(header: Header, packets: list[Packet], lost: int | None, way: str) -> list[Frame]:
    frames = []
    with Decoder(header, between=way) as decoder:  # type: ignore[arg-type]
        for i, packet in enumerate(packets):
            if i != lost:
                with contextlib.suppress(HdacError):
                    frames += decoder.push(packet)
        return frames + decoder.flush()


@pytest.mark.parametrize("way", ["motion", "pictures"])
def test_damage_is_named_or_concealed(way: str, face: list[Picture]) -> None:
    """Below the checksums."""
    data = encode(face[:14], 96, 80, 25, config(every=3, refresh=7, qp_intra=44))
    header, packets = read_stream(data)
    rng = np.random.default_rng(0)
    for _ in range(25):
        broken = list(packets)
        i = int(rng.integers(len(packets)))
        payload = bytearray(packets[i].payload)
        for place in rng.integers(0, len(payload), 2):
            payload[place] ^= 1 << int(rng.integers(8))
        broken[i] = Packet(packets[i].type, bytes(payload), packets[i].gop_start)
        frames: list[Frame] = []
        with contextlib.suppress(HdacError):
            frames.extend(decode(written(header, broken), between=way))  # type: ignore[arg-type]
        assert all(frame.picture.y.shape == (80, 96) for frame in frames)
        assert len(frames) <= 2 * header.packet_frames


def test_frames_between_nothing_are_damaged() -> None:
    header = Header(
        Mode.ANIMATION, BaseCodec.HEVC, 64, 48, Fraction(25), motion=Keypoints(3), every=3
    )
    reader = EnhancementReader(header)
    assert len(reader.read(Packet(PacketType.ENHANCEMENT, bytes([1, 5]) + bytes(80))).frames) == 5
    assert reader._state is not None
    reader._state.last = None
    with pytest.raises(DamagedError, match="nothing before them"):
        reader.read(Packet(PacketType.ENHANCEMENT, bytes([0, 4]) + bytes(80)))


# ---- options


def test_what_cannot_be(head: list[Picture]) -> None:
    for every, words in ((0, "allowed are 1 .* to 8"), (9, "allowed"), (2.5, "a whole number")):
        with pytest.raises(UsageError, match=f"--every {every}; {words}"):
            config(every=every)
    with pytest.raises(UsageError, match="--every 2 with --mode hybrid"):
        EncoderConfig(every=2)
    with pytest.raises(UsageError, match="--every 2 with --live"):
        config(every=2, live=True)
    data = encode(head[:3], 176, 144, 25, config(every=2))
    with pytest.raises(UsageError, match="--between all; choose one of motion, pictures"):
        list(decode(data, between="all"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"of one frame in 2; .* without --every"):
        export_gfv(data)


def test_rates_are_fitted_to_what_is_sent(head: list[Picture]) -> None:
    source = Fitted(head[:21], 176, 144, Fraction(25))
    network = resolve_model("agarwal")
    (every,), (fourth,) = (motion_kbps(config(every=n), network, source) for n in (1, 4))
    assert fourth < 0.7 * every
    data = encode(head[:21], 176, 144, 25, config(every=4))
    assert inspect(data).motion_kbps == pytest.approx(fourth, rel=0.2)


def test_the_commands(clip: Path, tmp_path: Path, hdac: Run) -> None:
    out = tmp_path / "a.hdac"
    about = ("--mode", "animation", "--model", "agarwal", "--qp-intra", 36, "--base-codec", "hevc")
    code, _, err = hdac("encode", clip, "-o", out, *about, "--every", 4)
    assert code == 0, err
    code, shown, _ = hdac("info", out)
    assert code == 0
    assert "sent:        4 frames" in shown
    raw = 64 * 6 * 4 * 30000 / 1001 / 10 / 1000
    assert f"({raw:.4f} at 8 bytes a keypoint)" in shown
    code, shown, _ = hdac("info", out, "--json")
    assert (code, json.loads(shown)["every"], json.loads(shown)["sent"]) == (0, 4, 4)
    assert json.loads(shown)["raw_motion_kbps"] == pytest.approx(raw, abs=1e-3)
    code, _, err = hdac("decode", out, "-o", tmp_path / "b.mkv", "--between", "x")
    assert code == 2
    assert "--between x" in err
    code, _, err = hdac("encode", clip, "-o", tmp_path / "c.hdac", *about, "--every", 9)
    assert code == 2
    assert "--every 9" in err


# ---- the network


def network() -> InterpolateNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    net = InterpolateNet(SMALL).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return net


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    folder = tmp_path_factory.mktemp("interpolate")
    model = model_from_path(export_model(network(), "interpolate", folder, "not trained"))
    export_interpolator(model, folder)
    return model


@torch.inference_mode()
def test_untrained_it_blends_by_time() -> None:
    ends = torch.rand(2, 2, 6, 24, 32)
    made = InterpolateNet(SMALL)(*ends, torch.tensor([0.25, 0.5]))
    torch.testing.assert_close(made[0], 0.75 * ends[0, 0] + 0.25 * ends[1, 0])
    torch.testing.assert_close(made[1], ends[:, 1].mean(0))


def test_openvino_makes_what_torch_makes(model: ModelFile, head: list[Picture]) -> None:
    ends = [planes_from_picture(picture) for picture in (head[0], head[4])]
    ours, theirs = open_interpolator(model, "cpu", 1), TorchInterpolator(model, "cpu")
    assert type(ours).__name__ == "OpenVinoInterpolator"
    for share in (0.25, 0.5):
        assert np.abs(ours(*ends, share) - theirs(*ends, share)).max() < 1e-3
    assert np.abs(ours(*ends, 0.25) - ours(*ends, 0.75)).max() > 0.01


def test_quantised_graphs(model: ModelFile, tmp_path: Path, head: list[Picture]) -> None:
    ends = [planes_from_picture(picture) for picture in (head[0], head[4])]
    parts = [torch.from_numpy(planes) for planes in ends]
    batch = Triple(*parts, torch.tensor([0.5]), parts[0])
    int8 = model_from_path(export_interpolator(model, tmp_path, batch))
    away = open_interpolator(int8, "cpu", 1)(*ends, 0.5) - open_interpolator(model, "cpu", 1)(
        *ends, 0.5
    )
    assert 0 < np.abs(away).mean() < 0.05
    with pytest.raises(UsageError, match="int8"):
        open_interpolator(int8, "torch", 1)


def test_networks_are_not_taken_for_each_other(model: ModelFile) -> None:
    for load in (load_model, load_animation):
        with pytest.raises(UsageError, match=r"interpolates pictures|not the network"):
            load(model)
    with pytest.raises(UsageError, match="not a network that interpolates"):
        load_interpolator(resolve_model("hdac-s"))
    with pytest.raises(UsageError, match="interpolates pictures and codes none"):
        _ = model.most
    with pytest.raises(UsageError, match="numbers from 1 to"):
        InterpolateConfig(repaired=0)


# ---- references where pictures drift


def turning(picture: Picture, frames: int) -> list[Picture]:
    """A picture that moves sideways by a pixel a frame: no cut, and no motion model's face."""
    steps = ((n, n // 2, n // 2) for n in range(frames))
    return [
        Picture(*(np.roll(p, -n, 1) for p, n in zip(picture, step, strict=True))) for step in steps
    ]


@pytest.mark.parametrize("every", [1, 3])
def test_references_where_pictures_drift(every: int, face: list[Picture]) -> None:
    still = [face[0]] * 30 + turning(face[0], 16)
    shown: list[Shown] = []
    about = config(refresh="drift", every=every)
    data = encode(still, 96, 80, 25, about, on_shown=shown.append)
    starts = [n for n, said in enumerate(shown) if said.level == "base"]
    assert len(starts) > 1
    assert 32 < starts[1] < 46, "soon after it turns"
    assert inspect(data).refreshes == len(starts) - 1
    for frame, said in zip(decode(data), shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)
    assert data == encode(still, 96, 80, 25, about), "the same bytes again"
    assert inspect(encode(still, 96, 80, 25, config(every=every))).refreshes == 0
    assert inspect(encode(still[:30], 96, 80, 25, about)).refreshes == 0


def test_drift_is_of_animation_with_a_known_reference() -> None:
    for about in ({"mode": "hybrid"}, {"qp_intra": None}):
        with pytest.raises(UsageError, match="--refresh drift: --mode animation with --qp-intra"):
            config(refresh="drift", **about)


def test_drift_is_measured_from_the_first_pictures() -> None:
    """100 dB of frames below them."""
    drift = Drift(8)
    assert not any(drift.asks(psnr) for psnr in (30.0, 36.0, 33.0))
    assert not drift.asks(27.0), "6 dB, of 8 frames"
    assert not drift.asks(40.0)
    assert not drift.asks(27.0)
    assert drift.asks(32.0)
