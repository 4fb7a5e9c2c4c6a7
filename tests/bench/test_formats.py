"""`decoded_format`: only what is read as it was written."""

from pathlib import Path

import pytest

from hdac.bench.codecs import load_codec
from hdac.bench.experiment import load_experiment
from hdac.bench.raw import FORMATS, read_raw
from hdac.errors import UsageError
from tests.bench.conftest import experiment, x264
from tests.conftest import Run, synthetic

WRONG = (
    "nv12",
    "nv21",
    "yuv422p",
    "yuv420p10",
    "yuv420p10be",
    "yuv420p12le",
    "yuvj420p",
    "gray",
    "",
)


@pytest.mark.parametrize("name", WRONG)
def test_formats_that_are_not_read_are_refused(
    name: str, tmp_path: Path, clips: Path, hdac: Run
) -> None:
    text = x264("a").replace("suffix", f'decoded_format = "{name}"\nsuffix')
    path = experiment(tmp_path, clips, text, '["a"]')
    code, _, err = hdac("experiment", "run", path, "--out", tmp_path / "out")
    assert code == 2
    assert f"decoded_format = '{name}'; allowed are 'yuv420p', 'yuv420p10le'" in err
    (tmp_path / "a.toml").write_text('schema = "hdac-anchor/1"\n' + text.split("\n", 2)[2])
    with pytest.raises(UsageError, match="decoded_format"):
        load_codec(str(tmp_path / "a.toml"))
    (tmp_path / "raw").write_bytes(bytes(64 * 48 * 3))
    with pytest.raises(UsageError, match="allowed are 'yuv420p', 'yuv420p10le'"):
        list(read_raw(tmp_path / "raw", 64, 48, name))


@pytest.mark.parametrize("name", FORMATS)
def test_formats_that_are_read(name: str, tmp_path: Path, clips: Path) -> None:
    text = x264("a").replace("suffix", f'decoded_format = "{name}"\nsuffix')
    assert load_experiment(str(experiment(tmp_path, clips, text, '["a"]'))).codecs
    pictures, ten = synthetic(3), name.endswith("10le")
    planes = [c.astype("<u2") * 4 + 1 if ten else c for p in pictures for c in p]
    (tmp_path / "raw").write_bytes(b"".join(c.tobytes() for c in planes))
    read = list(read_raw(tmp_path / "raw", 64, 48, name))
    assert len(read) == 3
    assert all(
        (a == b).all()
        for p, q in zip(read, pictures, strict=True)
        for a, b in zip(p, q, strict=True)
    )
