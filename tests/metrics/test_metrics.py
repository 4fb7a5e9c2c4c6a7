"""Each metric against a second implementation, and its contract."""

import json
import math
import os
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d, gaussian_filter

from hdac.bench.sheets import captions, scores
from hdac.errors import UsageError
from hdac.metrics.contract import Clip, Scores, UnavailableError
from hdac.metrics.identity import Identity
from hdac.metrics.ms_ssim import decibels, ms_ssim_y
from hdac.metrics.msvgg import Vgg19, distance, lite, shrunk
from hdac.metrics.psnr import mean_psnr_y, psnr_y
from hdac.metrics.registry import METRICS, find_metrics, measure
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from tests.conftest import Run, synthetic, write_video


def noisy(pictures: list[Picture], strength: int = 9) -> list[Picture]:
    rng = np.random.default_rng(0)
    return [
        p._replace(
            y=(p.y + rng.integers(-strength, strength + 1, p.y.shape)).clip(0, 255).astype(np.uint8)
        )
        for p in pictures
    ]


@pytest.fixture
def pair(head: list[Picture]) -> tuple[Clip, Clip]:
    return Clip(head[:4], Fraction(25)), Clip(noisy(head[:4]), Fraction(25))


@pytest.fixture
def weights() -> None:
    if not Path(os.environ.get("HDAC_WEIGHTS", "/nowhere")).is_dir():
        pytest.skip("HDAC_WEIGHTS is not set: the metrics' networks are not here")


def filter_log(tmp_path: Path, x: Clip, x_hat: Clip, name: str) -> list[str]:
    for file, clip in (("a.mkv", x), ("b.mkv", x_hat)):
        write_video(tmp_path / file, list(clip.pictures))
    log = tmp_path / "log"
    run_ffmpeg(
        [
            "-i",
            str(tmp_path / "b.mkv"),
            "-i",
            str(tmp_path / "a.mkv"),
            "-lavfi",
            f"{name}=stats_file={log}",
            "-f",
            "null",
            "-",
        ]
    )
    return log.read_text().splitlines()


def test_psnr_against_ffmpeg(tmp_path: Path, pair: tuple[Clip, Clip]) -> None:
    lines = filter_log(tmp_path, *pair, "psnr")
    per_plane = {
        c: [float(line.split(f"psnr_{c}:")[1].split()[0]) for line in lines] for c in "yuv"
    }
    scores = METRICS["psnr-y"].measure(*pair)
    assert scores.frames == pytest.approx(per_plane["y"], abs=0.01)
    assert scores.value == pytest.approx(np.mean(per_plane["y"]), abs=0.01)
    mse = np.mean([float(line.split("mse_y:")[1].split()[0]) for line in lines])
    assert METRICS["apsnr-y"].measure(*pair).value == pytest.approx(
        10 * math.log10(255**2 / mse), abs=0.01
    )
    # chroma is untouched: 100 dB each by our cap
    assert METRICS["psnr-yuv"].measure(*pair).value == pytest.approx((6 * scores.value + 200) / 8)


def test_luma_errors_against_scikit_video(pair: tuple[Clip, Clip]) -> None:
    import skvideo.measure

    x, x_hat = (np.stack([p.y for p in c.pictures])[..., None] for c in pair)
    mse = skvideo.measure.mse(x, x_hat)
    assert METRICS["psnr-y"].measure(*pair).frames == pytest.approx(
        (10 * np.log10(255**2 / mse)).tolist(), abs=1e-4
    )
    changes = (np.diff(v.astype(int), axis=0) for v in (x, x_hat))
    assert METRICS["flicker"].measure(*pair).frames[1:] == pytest.approx(
        skvideo.measure.mae(*changes).tolist(), rel=1e-6
    )


def test_activity(pair: tuple[Clip, Clip]) -> None:
    """A reconstruction that stands still has none; noise that is new in every picture adds to
    it."""
    x, _ = pair
    still = Clip([x.pictures[0]] * len(x.pictures), x.fps)
    assert METRICS["activity"].measure(x, still).value == 0
    rng = np.random.default_rng(0)
    noisy = Clip(
        [
            p._replace(y=np.clip(p.y + rng.integers(-8, 9, p.y.shape), 0, 255).astype(np.uint8))
            for p in x.pictures
        ],
        x.fps,
    )
    assert METRICS["activity"].measure(x, noisy).value > 1.5
    with pytest.raises(UnavailableError, match="stands still"):
        METRICS["activity"].measure(still, x)
    with pytest.raises(UnavailableError, match="1 frame; activity needs 2"):
        METRICS["activity"].measure(Clip(x.pictures[:1]), Clip(x.pictures[:1]))


def test_identical_pictures(pair: tuple[Clip, Clip]) -> None:
    a = synthetic(1)[0]
    assert psnr_y(a, a) == 100
    x = pair[0]
    assert METRICS["flicker"].measure(x, x).value == 0
    assert METRICS["activity"].measure(x, x).value == 1
    assert decibels(1.0) == 60


def reference_ms_ssim(x: np.ndarray, y: np.ndarray, size: int) -> float:
    """Wang et al. (2003), equation 7, in plain numpy: Gaussian of sigma 1.5, valid region, 2x2
    means between scales."""
    offsets = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-(offsets**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def blur(image: np.ndarray) -> np.ndarray:
        edge = size // 2
        both = correlate1d(correlate1d(image, kernel, axis=0), kernel, axis=1)
        return both[edge : image.shape[0] - edge, edge : image.shape[1] - edge]

    c1, c2, out = (0.01 * 255) ** 2, (0.03 * 255) ** 2, 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my = blur(x), blur(y)
        sx, sy, sxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        cs = (2 * sxy + c2) / (sx + sy + c2)
        whole = (2 * mx * my + c1) / (mx**2 + my**2 + c1) * cs
        out *= max(0.0, float((whole if scale == 4 else cs).mean())) ** weight
        x, y = (
            i[: i.shape[0] // 2 * 2, : i.shape[1] // 2 * 2]
            .reshape(i.shape[0] // 2, 2, -1, 2)
            .mean((1, 3))
            for i in (x, y)
        )
    return out


@pytest.mark.parametrize(("width", "height"), [(176, 176), (192, 176), (240, 208)])
def test_ms_ssim_against_a_second_implementation(width: int, height: int) -> None:
    rng = np.random.default_rng(width)
    y = np.kron(rng.integers(0, 256, (height // 8, width // 8)), np.ones((8, 8))).astype(np.uint8)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    x = Picture(y, chroma, chroma)
    x_hat = noisy([x], 40)[0]
    expected = reference_ms_ssim(x.y.astype(float), x_hat.y.astype(float), 11)
    assert ms_ssim_y([x], [x_hat]) == pytest.approx(expected, abs=2e-5)


def test_ssim_of_the_package_against_ffmpeg(tmp_path: Path, pair: tuple[Clip, Clip]) -> None:
    """FFmpeg's filter averages 8x8 blocks where the package has a Gaussian of 11: near, not
    equal."""
    from pytorch_msssim import ssim

    theirs = [float(line.split("Y:")[1].split()[0]) for line in filter_log(tmp_path, *pair, "ssim")]
    x, x_hat = (
        torch.from_numpy(np.stack([p.y for p in c.pictures])[:, None]).float() for c in pair
    )
    ours = ssim(x, x_hat, data_range=255, size_average=False)
    assert ours.tolist() == pytest.approx(theirs, abs=0.03)


def test_ms_ssim() -> None:
    large = synthetic(3, 192, 176)
    assert ms_ssim_y(large, large) == pytest.approx(1)
    assert METRICS["ms-ssim-rgb"].measure(Clip(large), Clip(large)).value == pytest.approx(1)
    assert 0.5 < ms_ssim_y(large, noisy(large)) < 0.99


@pytest.mark.parametrize("size", [(64, 48), (176, 144), (160, 160), (320, 160), (160, 400)])
def test_no_ms_ssim_of_another_window(size: tuple[int, int]) -> None:
    """Below 161 pixels the standard window does not fit; another has no right to the name."""
    small = synthetic(1, *size)
    for key in ("ms-ssim-y", "ms-ssim-rgb"):
        with pytest.raises(UnavailableError, match="five scales need 161 pixels a side"):
            METRICS[key].measure(Clip(small), Clip(small))
    with pytest.raises(UsageError, match="both sides must be at least 161"):
        ms_ssim_y(small, small)
    assert scores(small, small) == {"psnr-y": 100}
    assert captions(scores(small, small)) == "PSNR-Y 100.00 dB"


@pytest.mark.usefixtures("weights")
def test_lpips_squeeze_against_documented_values() -> None:
    from hdac.metrics.lpips import squeeze

    torch.manual_seed(42)
    x, x_hat = torch.rand(2, 3, 100, 100), torch.rand(2, 3, 100, 100)
    with torch.inference_mode():
        assert squeeze()(2 * x - 1, 2 * x_hat - 1).tolist() == pytest.approx(
            [0.1024, 0.0938], abs=5e-5
        )


def test_lpips_squeeze_against_the_package() -> None:
    """One random SqueezeNet in both, so that nothing is downloaded; the package has the heads."""
    pytest.importorskip("torchvision", reason="lpips needs torchvision, which is not installed")
    lpips = pytest.importorskip("lpips", reason="the package lpips is not installed")
    from hdac.metrics.lpips import SqueezeLpips

    theirs = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    state = theirs.state_dict()
    backbone = {
        re.sub(r"net\.slice\d\.", "features.", key): value
        for key, value in state.items()
        if key.startswith("net.slice")
    }
    heads = {f"lin{i}": state[f"lin{i}.model.1.weight"] for i in range(7)}
    ours = SqueezeLpips(backbone, heads)
    generator = torch.Generator().manual_seed(0)
    for height, width in ((64, 64), (97, 131), (32, 45)):
        x, x_hat = (2 * torch.rand(2, 3, height, width, generator=generator) - 1 for _ in range(2))
        with torch.inference_mode():
            assert torch.allclose(ours(x, x_hat), theirs(x, x_hat).flatten(), rtol=1e-4)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_by_the_package(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metric is the package's network on R'G'B' in [-1, 1]; with random weights, so that
    nothing is downloaded."""
    pytest.importorskip("torchvision", reason="lpips needs torchvision, which is not installed")
    lpips = pytest.importorskip("lpips", reason="the package lpips is not installed")
    torch.manual_seed(0)
    network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    monkeypatch.setattr("hdac.metrics.lpips._package", {net: network}.__getitem__)
    x = synthetic(2, 96, 80)
    x_hat = noisy(x)
    pairs = zip(
        *(torch.from_numpy(np.stack([p.to_rgb() for p in c])) for c in (x, x_hat)), strict=True
    )
    with torch.inference_mode():
        wanted = [
            float(network(*(t.permute(2, 0, 1)[None] / 127.5 - 1 for t in pair))) for pair in pairs
        ]
    found = METRICS[f"lpips-{net}"].measure(Clip(x), Clip(x_hat))
    assert found.frames == pytest.approx(wanted, rel=1e-4)
    assert found.value > 0


@pytest.mark.usefixtures("weights")
def test_msvgg_lite(head: list[Picture]) -> None:
    sides = (
        (c, n - c.shape[0], n - c.shape[1]) for c, n in zip(head[0], (256, 128, 128), strict=True)
    )
    small = [
        Picture(*(np.pad(c, ((0, down), (0, right)), mode="reflect") for c, down, right in sides))
    ]
    x = Clip(small)
    with pytest.raises(
        UnavailableError, match="pictures of 176x144; four scales need 256 pixels a side"
    ):
        METRICS["msvgg-lite"].measure(Clip(head[:1]), Clip(head[:1]))
    values = [METRICS["msvgg-lite"].measure(x, Clip(noisy(small, s))).value for s in (0, 4, 16)]
    assert values[0] == pytest.approx(0, abs=1e-4)
    assert values[0] < values[1] < values[2]
    # the blocks of pixels and the flattened matrix product are the plain 1x1 convolution and mean
    a, b = (next(c.rgb_frames()) for c in (x, Clip(noisy(small, 16))))
    with torch.inference_mode():
        plain = 0.0
        for factor in (1, 2, 4, 8):
            features = [lite()(shrunk(t, factor)) for t in (a, b)]
            for tap, (u, v) in enumerate(zip(*features, strict=True)):
                weight, bias = (
                    lite().tensors[f"conv{tap + 1}1_aux/{n}"] for n in ("weight", "bias")
                )
                u, v = (torch.relu(torch.nn.functional.conv2d(t, weight, bias)) for t in (u, v))
                plain += 10 * float((u - v).abs().mean())
        assert distance(lite(), a, b) == pytest.approx(plain, rel=1e-4)


def test_shrinking() -> None:
    """A constant away from the border stays; the size is halved; corners are aligned."""
    x = torch.full((1, 3, 64, 64), 0.5)
    half = shrunk(x, 2)
    assert half.shape == (1, 3, 32, 32)
    assert half[..., 8:-8, 8:-8] == pytest.approx(torch.full((1, 3, 16, 16), 0.5), abs=1e-6)
    assert shrunk(x, 1) is x


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(64, 64), (97, 131)])
def test_shrinking_against_scipy(factor: int, size: tuple[int, int]) -> None:
    x, sigma = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)), (factor - 1) / 2
    blurred = gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="constant", truncate=4)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(blurred), scale_factor=1 / factor, mode="bilinear", align_corners=True
    )
    assert torch.allclose(shrunk(x, factor), theirs, atol=1e-6)


def test_vmaf_and_xpsnr(pair: tuple[Clip, Clip]) -> None:
    for key in ("vmaf", "xpsnr"):
        metric = METRICS[key]
        if metric.unavailable():
            pytest.skip(str(metric.unavailable()))
        same, worse = metric.measure(pair[0], pair[0]), metric.measure(*pair)
        assert worse.frames is not None
        assert len(worse.frames) == 4
        assert worse.value == pytest.approx(np.mean(worse.frames), abs=0.01)
        assert same.value > worse.value + 3


@pytest.mark.usefixtures("weights")
def test_identity(head: list[Picture]) -> None:
    if reason := Identity().unavailable():
        pytest.skip(reason)
    x = Clip(head[:2])
    assert Identity().measure(x, x).value == pytest.approx(1, abs=1e-4)
    assert Identity().measure(x, Clip(noisy(head[:2], 60))).value < 0.95
    with pytest.raises(UnavailableError, match="no face was found"):
        Identity().measure(Clip(synthetic(2, 128, 128)), Clip(synthetic(2, 128, 128)))


def test_unavailable_says_why(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Clip, Clip], tmp_path: Path
) -> None:
    monkeypatch.delenv("HDAC_WEIGHTS", raising=False)
    found = measure(*pair, ["msvgg-lite", "psnr-y"])
    assert "HDAC_WEIGHTS is not set" in str(found["msvgg-lite"])
    assert isinstance(found["psnr-y"], Scores)
    monkeypatch.setenv("HDAC_WEIGHTS", str(tmp_path))
    assert "HDAC_WEIGHTS has no vgg19_distilled_16x" in str(METRICS["msvgg-lite"].unavailable())
    wrong = tmp_path / "vgg19_distilled_16x" / "vgg19_se16x_relu5_1.safetensors"
    wrong.parent.mkdir()
    wrong.write_bytes(b"something else")
    assert "has SHA-256" in str(METRICS["msvgg-lite"].unavailable())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    packages = "not installed: opencv-python-headless, openvino (pip install 'hdac[bench]')"
    assert METRICS["landmarks"].unavailable() == packages


def test_registry() -> None:
    asked = "psnr-y apsnr-y psnr-rgb psnr-yuv ms-ssim-y ms-ssim-rgb msvgg msvgg-lite vmaf xpsnr "
    asked += "lpips-alex lpips-vgg lpips-squeeze dists"
    asked += " landmarks landmarks-mouth landmarks-eyes identity flicker activity grid"
    assert set(METRICS) == set(asked.split())
    for key, metric in METRICS.items():
        assert metric.contract.key == key
        assert metric.contract.averaging
    with pytest.raises(UsageError, match="metric 'ssim' is unknown; choose from psnr-y, apsnr-y"):
        find_metrics(["ssim"])


def test_clips_must_match(pair: tuple[Clip, Clip]) -> None:
    x, x_hat = pair
    with pytest.raises(UsageError, match="has 3 frames, its source 4"):
        measure(x, Clip(x_hat.pictures[:3]), ["psnr-y"])
    with pytest.raises(UsageError, match="is 64x48, its source 176x144"):
        measure(x, Clip(synthetic(4)), ["psnr-y"])


def test_every_nth_frame(head: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow metrics see frames 0, 3, 6; their values stay in their places; the others see all."""
    x, x_hat = Clip(head[:8]), Clip(noisy(head[:8]))

    class Slow:
        contract = METRICS["lpips-squeeze"].contract

        def unavailable(self) -> None:
            return None

        def measure(self, a: Clip, b: Clip) -> Scores:
            return METRICS["psnr-y"].measure(a, b)

    full = METRICS["psnr-y"].measure(x, x_hat)
    monkeypatch.setattr("hdac.metrics.registry.METRICS", {**METRICS, "lpips-squeeze": Slow()})
    found = measure(x, x_hat, ["lpips-squeeze", "psnr-y"], every=3)
    assert found["psnr-y"] == full
    slow = found["lpips-squeeze"]
    assert isinstance(slow, Scores)
    assert slow.frames is not None
    assert full.frames is not None
    assert [i for i, v in enumerate(slow.frames) if not math.isnan(v)] == [0, 3, 6]
    assert slow.frames[3] == full.frames[3]
    assert slow.value == pytest.approx(np.mean(full.frames[::3]))


def test_measure_on_the_command_line(
    hdac: Run, clip: Path, head: list[Picture], tmp_path: Path
) -> None:
    decoded = write_video(tmp_path / "dec.mkv", noisy(head[:10]))
    table = tmp_path / "frames.csv"
    code, out, _ = hdac(
        "measure", clip, decoded, "--metrics", "psnr-y,flicker", "--per-frame", table, "--json"
    )
    assert code == 0
    found = json.loads(out)["metrics"]
    assert found["psnr-y"] == pytest.approx(mean_psnr_y(head[:10], noisy(head[:10])))
    lines = table.read_text().splitlines()
    assert lines[0] == "frame,psnr-y,flicker"
    assert len(lines) == 11
    assert lines[1].endswith(",")
    code, _, err = hdac("measure", clip, decoded, "--per-frame", table)
    assert code == 2
    assert "exists" in err
    code, _, err = hdac("measure", clip, decoded, "--metrics", "ssim")
    assert (code, "metric 'ssim' is unknown" in err) == (2, True)
    code, out, _ = hdac("measure", clip, decoded, "--metrics", "lpips-alex,psnr-y")
    assert code == 0
    assert "psnr-y" in out


def test_whole_vgg_on_weights_of_its_shape(head: list[Picture]) -> None:
    """The real weights are 548 MB: shapes, order of taps and normalisation are tested on random
    ones."""
    widths, weights, before, index = (64, 128, 256, 512, 512), {}, 3, 0
    for width, count in zip(widths, (2, 2, 4, 4, 4), strict=True):
        for _ in range(count):
            weights |= {
                f"features.{index}.weight": torch.randn(width, before, 3, 3) * 0.05,
                f"features.{index}.bias": torch.zeros(width),
            }
            before, index = width, index + 2
        index += 1
    network = Vgg19(weights)
    x = next(Clip(head[:1]).rgb_frames())
    with torch.inference_mode():
        taps = network(x)
        assert [t.shape[1] for t in taps] == list(widths)
        assert [t.shape[2] for t in taps] == [144, 72, 36, 18, 9]
        first = (x - network.mean) / network.std
        plain = torch.relu(
            torch.nn.functional.conv2d(first, weights["features.0.weight"], padding=1)
        )
        assert torch.allclose(taps[0], plain, atol=1e-4)
        assert distance(network, x, x) == 0
        assert distance(network, x, 1 - x) > 0


def test_vgg_is_not_fetched_to_say_that_it_could_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HDAC_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    assert "cannot be downloaded (Name or service not known)" in str(METRICS["msvgg"].unavailable())
    found = measure(Clip(synthetic(1, 128, 128)), Clip(synthetic(1, 128, 128)), ["msvgg"])
    assert "HDAC_WEIGHTS is not set" in str(found["msvgg"])
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth").write_bytes(b"half a download")
    assert METRICS["msvgg"].unavailable() is None
    found = measure(Clip(synthetic(1, 128, 128)), Clip(synthetic(1, 128, 128)), ["msvgg"])
    assert "is not vgg19-dcbb9e9d.pth: its SHA-256 does not start with dcbb9e9d; remove it" in str(
        found["msvgg"]
    )
