"""What `import hdac` offers to programs."""

import doctest
import io
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hdac
from tests.conftest import synthetic, write_video

FAST = {"mode": "base", "qp_base": 40, "preset": "fast"}


def arrays(count: int = 3, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """R'G'B' `(H, W, 3)`: a gradient that moves."""
    x, y = np.arange(width), np.arange(height)[:, None]
    planes = [np.stack([(2 * x + y + 5 * t) % 256, x + 0 * y, y + 0 * x], -1) for t in range(count)]
    return [plane.astype(np.uint8) for plane in planes]


def test_importing_takes_nothing_heavy() -> None:
    code = "import hdac, sys; print([m for m in ('numpy', 'av', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_decoding_a_base_layer_takes_no_torch() -> None:
    golden = Path(__file__).parent / "golden" / "hybrid-hevc.hdac"
    code = (
        f"import hdac, sys; assert len(list(hdac.decode({str(golden)!r}, 'base'))) == 6; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


def test_all_names_are_there() -> None:
    assert hdac.__all__ == sorted(hdac.__all__)
    for name in hdac.__all__:
        assert getattr(hdac, name).__name__ == name
    assert set(hdac.__all__) <= set(dir(hdac))
    assert hdac.__version__
    assert set(hdac.gfv.__all__) <= set(dir(hdac.gfv))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hdac.nothing  # noqa: B018


@pytest.mark.parametrize(
    "module", ["hdac", "hdac.gfv", "hdac.codec.api", "hdac.video.rate", "hdac.video.picture"]
)
def test_examples_of_docstrings(module: str) -> None:
    result = doctest.testmod(import_module(module), extraglobs={"np": np})
    assert result.attempted
    assert not result.failed


# ---- encoding


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (17, 30)])
def test_arrays_come_back_in_their_size(size: tuple[int, int]) -> None:
    source = arrays(3, *size)
    data = hdac.encode(source, fps=25, mode="base", qp_base=10, preset="fast")
    back = [frame.to_rgb() for frame in hdac.decode(data)]
    assert [a.shape for a in back] == [a.shape for a in source]
    assert {a.dtype for a in back} == {np.dtype(np.uint8)}
    errors = [
        np.abs(a.astype(int) - b)[4:-4, 4:-4].mean() for a, b in zip(source, back, strict=True)
    ]
    assert max(errors) < 12
    header = hdac.inspect(data).header
    assert ((header.width, header.height), header.fps) == (size, 25)


def test_all_sorts_of_sources(tmp_path: Path) -> None:
    pictures = synthetic(3)
    path = write_video(tmp_path / "a.mkv", pictures)
    of_path = hdac.encode(path, **FAST)
    colour = hdac.inspect(of_path).header.colour
    assert hdac.encode(str(path), **FAST) == of_path
    assert hdac.encode(pictures, colour=colour, **FAST) == of_path
    assert hdac.encode(iter(pictures), colour=colour, **FAST) == of_path
    one = hdac.encode(arrays(), **FAST)
    assert hdac.encode(np.stack(arrays()), **FAST) == one
    assert hdac.encode((a for a in arrays()), **FAST) == one


def test_settings_of_encode(tmp_path: Path) -> None:
    pictures, told = synthetic(5), []
    path = write_video(tmp_path / "a.mkv", pictures)
    info = hdac.inspect(hdac.encode(path, size=(32, 24), frames=2, fps="30000/1001", **FAST))
    assert (info.frames, info.header.width, info.header.height) == (2, 32, 24)
    assert str(info.header.fps) == "30000/1001"
    data = hdac.encode(
        pictures, frames=4, progress=told.append, colour=hdac.Colour(1, 1, 1), **FAST
    )
    assert told == [1, 2, 3, 4]
    assert hdac.inspect(data).header.colour == (1, 1, 1)
    config = hdac.EncoderConfig(**FAST)
    assert hdac.encode(pictures, config=config) == hdac.encode(pictures, **FAST)
    assert hdac.inspect(data).qps[0][1] == 40


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hdac.encode(arrays(), qp=3), "'qp'; settings are mode, qp_base"),
        (
            lambda: hdac.encode(arrays(), config=hdac.EncoderConfig(), qp_base=3, mode="base"),
            "config and qp_base, mode; give a config or its fields",
        ),
        (lambda: hdac.encode(arrays(), qp_base=52), "--qp-base 52; allowed are 0"),
        (lambda: hdac.encode(arrays(), qp_base="40"), "--qp-base '40'; a whole number is needed"),
        (lambda: hdac.encode(arrays(), fps=0, **FAST), "frame rate 0; allowed are more than 0"),
        (lambda: hdac.encode(arrays(), fps="fast", **FAST), "frame rate fast; expected a number"),
        (lambda: hdac.encode(arrays(), frames=0, **FAST), "frames 0; at least 1"),
        (lambda: hdac.encode([], **FAST), "0 frames; at least 1"),
        (lambda: hdac.encode(iter(()), **FAST), "0 frames; at least 1"),
        (lambda: hdac.encode(arrays(), size=(32, 32)), r"size \(32, 32\); only the pictures of a"),
        (
            lambda: hdac.encode([a.astype(float) for a in arrays()], **FAST),
            "an array of float64; expected R'G'B' of uint8",
        ),
        (lambda: hdac.encode([a[..., 0] for a in arrays()], **FAST), r"shape \(48, 64\); expected"),
        (
            lambda: hdac.encode([np.moveaxis(a, -1, 0) for a in arrays()], **FAST),
            r"shape \(3, 48, 64\) .its colours come first: np.moveaxis",
        ),
        (lambda: hdac.encode(arrays(1, 8, 8), **FAST), "8x8; allowed are 16x16 to 4096x4096"),
        (
            lambda: hdac.encode([*arrays(1), *arrays(1, 62, 48)], **FAST),
            "a frame of 62x48; the first is 64x48: all must agree",
        ),
        (
            lambda: hdac.encode([*arrays(1, 63, 47), *arrays(1)], **FAST),
            "a frame of 64x48; the first is 63x47",
        ),
        (lambda: hdac.encode("nowhere.mp4", **FAST), r"nowhere\.mp4"),
        (lambda: list(hdac.decode("nowhere.hdac")), r"nowhere\.hdac: no such file"),
        (lambda: hdac.inspect(Path("nowhere.hdac")), r"nowhere\.hdac: no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_coded(call: Callable[[], object], words: str) -> None:
    with pytest.raises(hdac.UsageError, match=words):
        call()


def test_images_of_pillow() -> None:
    """`Picture.from_rgb` takes them."""
    images = [Image.fromarray(array) for array in arrays()]
    assert hdac.encode(images, **FAST) == hdac.encode(arrays(), **FAST)  # type: ignore[arg-type]


def test_small_base_layers() -> None:
    """They are coded, or refused by name."""
    try:
        hdac.encode(synthetic(2), base_scale=4, **FAST)
    except hdac.UsageError as error:
        assert "base-scale" in str(error)  # noqa: PT017


# ---- decoding


def test_all_sorts_of_streams(tmp_path: Path) -> None:
    data = hdac.encode(arrays(), **FAST)
    path = tmp_path / "a.hdac"
    path.write_bytes(data)
    streams = (data, bytearray(data), memoryview(data), path, str(path), io.BytesIO(data))
    for stream in streams:
        assert len(list(hdac.decode(stream))) == 3
    with path.open("rb") as file:
        assert hdac.inspect(file).frames == 3
    frame = next(hdac.decode(data, "base", device="cpu"))
    assert (frame.number, frame.level, frame.time) == (0, "base", 0)
    with pytest.raises(hdac.UsageError, match="allowed are 100 pixels"):
        next(hdac.decode(data, max_pixels=100))
    with pytest.raises(hdac.UsageError, match="--level best; choose one of"):
        next(hdac.decode(data, "best"))  # type: ignore[arg-type]


def test_errors_have_one_base() -> None:
    for name in ("DamagedError", "IncompleteError", "StreamError", "ToolError", "UsageError"):
        assert issubclass(getattr(hdac, name), hdac.HdacError)
    data = hdac.encode(arrays(), refresh=1, **FAST)
    with pytest.raises(hdac.IncompleteError, match="2 frames were decoded"):
        list(hdac.decode(data[:-9]))
    with pytest.raises(hdac.TruncatedError):
        list(hdac.decode(data[:-9], strict=True))
    with pytest.raises(hdac.StreamError, match=r"not an \.hdac stream"):
        list(hdac.decode(b"RIFF"))


@pytest.mark.parametrize("live", [False, True])
def test_piece_by_piece(live: bool) -> None:
    """Encoder and decoder as context managers, with streams between them."""
    pictures, out = synthetic(6), io.BytesIO()
    config = hdac.EncoderConfig(live=live, refresh=3, **FAST)  # type: ignore[arg-type]
    with (
        hdac.Encoder(64, 48, 25, config) as encoder,
        hdac.StreamWriter(out, encoder.header) as writer,
    ):
        for picture in pictures:
            for packet in encoder.push(picture):
                writer.write(packet)
        for packet in encoder.flush():
            writer.write(packet)
    data, reader, frames = out.getvalue(), hdac.StreamReader(), []
    assert data == hdac.encode(pictures, config=config)
    decoder = None
    for at in range(0, len(data), 50):
        packets = reader.feed(data[at : at + 50])
        if decoder is None and reader.header is not None:
            decoder = hdac.Decoder(reader.header)
        for packet in packets:
            assert decoder is not None
            frames += decoder.push(packet)
    reader.close()
    assert decoder is not None
    with decoder:
        frames += decoder.flush()
    whole = list(hdac.decode(data))
    assert len(frames) == len(whole) == 6
    for a, b in zip(frames, whole, strict=True):
        assert np.array_equal(a.to_rgb(), b.to_rgb())
