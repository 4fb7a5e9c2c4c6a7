"""Backends against each other on a real head, and what they refuse."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from hdac.bitstream.container import NumberFormat
from hdac.errors import UsageError
from hdac.metrics.psnr import psnr_y
from hdac.motion.facemesh import POINTS
from hdac.runtime import backends, models
from hdac.runtime.backends import cores, open_backend
from hdac.runtime.graphs import read_graphs, write_graphs
from hdac.runtime.models import ANIMATION, ModelFile, find_model, resolve_model, shipped
from hdac.runtime.openvino import OpenVinoBackend
from hdac.runtime.planes import Array, picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Backend, Reference
from hdac.video.picture import Picture
from tests.graphs import quantised
from tests.scripts import ROOT

OURS = sorted(
    {
        m.name
        for m in shipped()
        if not {"points", "system", "shuffled", "interpolated"} & m.config.keys()
    }
)
#: Those that are not shipped too.
INT8 = sorted(path for folder in ("hdac", "models") for path in (ROOT / folder).rglob("*.int8"))


def made(backend: Backend, there: Picture, here: Picture, qp: int = 40) -> dict[str, Array]:
    """Everything that a backend makes of two pictures."""
    backend.enter()
    planes = [planes_from_picture(picture) for picture in (there, here)]
    points = [backend.detect(p) for p in planes]
    reference = Reference(planes[0], backend.encode(planes[0], 34), points[0])
    return {
        "keypoints": points[1],
        "fused": backend.fuse(planes[1], qp, reference, points[1]),
        "animated": backend.animate(reference, points[1]),
    }


def coarse(picture: Picture) -> Picture:
    """As if coded at a high QP."""
    return Picture(*((plane // 12 * 12 + 6).astype(np.uint8) for plane in picture))


@pytest.fixture(scope="module")
def exact(head: list[Picture]) -> Callable[[str], dict[str, Array]]:
    """What a network's graphs make of two pictures in fp32."""

    @cache
    def of(name: str) -> dict[str, Array]:
        return made(open_backend(find_model(name), "cpu", 1), head[0], coarse(head[20]))

    return of


@pytest.mark.parametrize("name", OURS)
def test_openvino_makes_what_torch_makes(
    name: str, exact: Callable[[str], dict[str, Array]], head: list[Picture]
) -> None:
    model = find_model(name)
    ours = exact(name)
    theirs = made(open_backend(model, "torch", 1), head[0], coarse(head[20]))
    assert isinstance(open_backend(model, "cpu", 1), OpenVinoBackend)
    for kind, limit in (("keypoints", 1e-4), ("fused", 0.05 / 255), ("animated", 0.05 / 255)):
        assert np.abs(ours[kind] - theirs[kind]).max() < limit, kind


@pytest.mark.parametrize("name", OURS)
def test_int8_is_near(
    name: str, exact: Callable[[str], dict[str, Array]], head: list[Picture]
) -> None:
    """Its keypoints, which are coded, are the same; its pictures nearly."""
    fp32, int8 = find_model(name), find_model(name, number_format=NumberFormat.INT8)
    assert int8.about["weights"] == fp32.digest
    assert int8.path.stat().st_size <= (4_000_000 if name.startswith("hdac-l") else 1_800_000)
    wanted, quantised = exact(name), made(open_backend(int8, "cpu", 1), head[0], coarse(head[20]))
    assert np.array_equal(wanted["keypoints"], quantised["keypoints"])
    for kind in ("fused", "animated"):
        pictures = [picture_from_planes(m[kind], 144, 176) for m in (wanted, quantised)]
        assert 34 < psnr_y(*pictures) < 60, kind


def test_int8_of_mode_animation_is_near(head: list[Picture]) -> None:
    """What finds a face's parameters is the same, pictures nearly; at most 3 MB."""
    fp32, int8 = find_model(ANIMATION), find_model(ANIMATION, number_format=NumberFormat.INT8)
    assert int8.about["weights"] == fp32.digest
    assert int8.path.stat().st_size <= 3_000_000
    points = np.random.default_rng(0).normal(0, 0.2, (1, POINTS, 2)).astype(np.float32)
    there, here = (planes_from_picture(picture) for picture in (head[0], head[20]))
    found = []
    for model in (fp32, int8):
        backend = open_backend(model, "cpu", 1)
        given = [
            np.concatenate([backend.fit(points), backend.detect(planes).reshape(1, -1)], 1)
            for planes in (there, here)
        ]
        reference = Reference(there, backend.encode(there, 34), given[0])
        found.append((*given, backend.animate(reference, given[1])))
    for exact, ours in zip(found[0][:2], found[1][:2], strict=True):
        assert np.array_equal(exact, ours)
    pictures = [picture_from_planes(made, 144, 176) for *_, made in found]
    assert 34 < psnr_y(*pictures) < 60


@pytest.mark.parametrize("path", INT8, ids=lambda path: path.stem)
def test_parameters_of_motion_are_not_quantised(path: Path) -> None:
    """Of what graphs are given int8 may round pictures and features alone."""
    given = [node for node, _ in quantised(path) if node.get_type_name() == "Parameter"]
    ranks = {node.get_output_partial_shape(0).rank.get_length() for node in given}
    assert ranks <= {4}


def test_sizes_and_threads_of_one_backend(head: list[Picture]) -> None:
    """Each size has graphs of its own; pictures do not depend on the number of streams."""
    model = resolve_model("hdac-s", "auto")
    small = [Picture(p.y[:64, :48], p.u[:32, :24], p.v[:32, :24]) for p in (head[0], head[9])]
    one, four = (open_backend(model, "cpu", streams) for streams in (1, 4))
    found = [made(b, *pair)["fused"] for b in (one, four) for pair in (small, (head[0], head[9]))]
    assert [f.shape for f in found[:2]] == [(1, 6, 32, 24), (1, 6, 72, 88)]
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[3])


def test_large_pictures_do_not_depend_on_threads(head: list[Picture]) -> None:
    """They run one at a time, on all threads."""
    model = resolve_model("hdac-s", "auto")
    pair = [
        Picture(*(np.tile(plane, (8, 6)) for plane in picture)) for picture in (head[0], head[20])
    ]
    one, two = (made(open_backend(model, "cpu", threads), *pair) for threads in (1, 2))
    for kind in one:
        assert np.array_equal(one[kind], two[kind]), kind


def test_fewer_keypoints_than_the_graph_has(head: list[Picture]) -> None:
    model = find_model("hdac-s-animation")
    planes = [planes_from_picture(p) for p in (head[0], head[20])]
    found = []
    for device in ("cpu", "torch"):
        backend = open_backend(model, device, 1)
        backend.enter()
        points = [backend.detect(p)[:, :7] for p in planes]
        reference = Reference(planes[0], backend.encode(planes[0], 34), points[0])
        found.append(backend.animate(reference, points[1]))
    assert np.abs(found[0] - found[1]).max() < 0.05 / 255


def test_precision_chooses_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fp32, int8 = resolve_model("hdac-s"), resolve_model("hdac-s", "int8")
    assert resolve_model("hdac-s", "auto") == int8
    assert resolve_model(str(int8.path), "auto") == replace(int8, path=int8.path)
    assert resolve_model(str(fp32.path), "auto").number_format is NumberFormat.FP32
    assert resolve_model("hdac-s", "bf16").number_format is NumberFormat.BF16
    with pytest.raises(UsageError, match=r"--precision fp32 with model .*int8: use auto"):
        resolve_model(str(int8.path), "fp32")
    with pytest.raises(UsageError, match=r"--precision int8 with model .*name an \.int8 file"):
        resolve_model(str(fp32.path), "int8")
    # weights of the user's that have the name: the int8 network is not theirs
    shutil.copy(find_model("hdac-l").path, tmp_path / "hdac-s-4e6d2667.safetensors")
    monkeypatch.setenv(models.VARIABLE, str(tmp_path))
    assert resolve_model("hdac-s", "auto").digest == "4e6d2667"


def test_which_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    fp32, int8 = resolve_model("hdac-s"), resolve_model("hdac-s", "int8")
    with pytest.raises(UsageError, match="is in int8, which is computed on the CPU by OpenVINO"):
        open_backend(int8, "torch", 1)
    find = importlib.util.find_spec
    for missing, cases in {
        ("openvino",): [(int8, "cpu", "int8, for which OpenVINO is missing: pip install openvino")],
        ("torch",): [
            (fp32, "cuda", r"--device cuda: PyTorch is not installed; use --device cpu, or pip"),
            (fp32.computing(NumberFormat.BF16), "cpu", r"computes in bf16.*hdac\[cuda\]"),
        ],
        ("openvino", "torch"): [(fp32, "cpu", "OpenVINO is not installed: pip install openvino")],
    }.items():
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, no=missing: None if name in no else find(name)
        )
        for model, device, message in cases:
            with pytest.raises(UsageError, match=message):
                open_backend(model, device, 1)
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: name == "torch" or None)
    assert not isinstance(open_backend(fp32, "cpu", 1), OpenVinoBackend)


def copied(model: ModelFile, folder: Path) -> ModelFile:
    for path in {model.path, model.graphs}:
        shutil.copy(path, folder / path.name)
    return replace(model, path=folder / model.path.name)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("damage", ["cut", "altered", "other", "empty"])
def test_files_that_are_damaged(precision: str, damage: str, tmp_path: Path) -> None:
    model = copied(resolve_model("hdac-s", precision), tmp_path)
    data = bytearray(model.graphs.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "altered":
        data[len(data) // 3] ^= 0x55
    elif damage == "empty":
        data = bytearray()
    else:
        graphs = read_graphs(model.graphs)
        graphs.about["weights"] = "00000000"
        write_graphs(model.graphs, graphs)
        data = bytearray(model.graphs.read_bytes())
    model.graphs.write_bytes(bytes(data))
    with pytest.raises(UsageError, match=r"damaged|graphs of other weights"):
        made(open_backend(model, "cpu", 1), *[Picture(*(np.zeros((s, s), np.uint8)
             for s in (64, 32, 32)))] * 2)  # fmt: skip


def test_graph_files_that_are_hostile(tmp_path: Path) -> None:
    model = copied(find_model("hdac-s"), tmp_path)
    graphs = read_graphs(model.graphs)
    for xml in (b"<", b"", b"<net name='a' version='99'/>"):
        write_graphs(model.graphs, graphs._replace(xml={**graphs.xml, "detect": xml}))
        with pytest.raises(UsageError, match="OpenVINO does not take its graph detect"):
            open_backend(model, "cpu", 1).detect(np.zeros((1, 6, 32, 32), np.float32))
    with ZipFile(model.graphs, "w") as archive:
        archive.writestr("about.json", json.dumps({"schema": "hdac-graphs/2"}))
    with pytest.raises(UsageError, match="not of schema hdac-graphs/1"):
        open_backend(model, "cpu", 1)
    with ZipFile(model.graphs, "w", 8) as archive:
        archive.writestr("about.json", b" " * (2 << 20))
    with pytest.raises(UsageError, match=r"about\.json of 2097152 bytes; at most 1048576"):
        open_backend(model, "cpu", 1)


def test_openvino_sends_no_messages() -> None:
    """Imported as it is, it starts a process that does."""
    script = (
        "import sys, multiprocessing, hdac.runtime.openvino; "
        "print(sys.modules['openvino_telemetry'], multiprocessing.active_children())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split() == [b"None", b"[]"]


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cores() == 3
    for odd in ("0", "many", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", odd)
        assert cores() >= 1


#: Runs command lines, in JSON, where these packages are missing: exit codes, outputs, messages.
BARE = """
import contextlib, io, json, sys
for name in ("torch", "torchvision", "kornia", "pytorch_msssim", "safetensors", "skvideo", "scipy",
             "lpips", "nncf", "cv2", "matplotlib", "plotly", "jinja2", "openpyxl", "bjontegaard",
             "pandas"):
    sys.modules[name] = None
from hdac.cli.main import main

done = []
for command in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(command)
        except SystemExit as end:
            code = end.code
    done.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(done))
"""


def bare(*commands: tuple[object, ...], **environment: str) -> list[tuple[int, str, str]]:
    """Of each command, in one process: its exit code, stdout and stderr."""
    import os

    words = json.dumps([list(map(str, command)) for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", BARE, words],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]


def test_without_the_extras(clip: Path, tmp_path: Path) -> None:
    """No framework, no metrics: coding and looking at what was coded work."""
    stream, decoded = tmp_path / "a.hdac", tmp_path / "a.mkv"
    *whole, measure, demo, train = bare(
        ("encode", clip, "-o", stream, "--frames", 3, "--qp-base", 46, "--preset", "fast"),
        ("decode", stream, "-o", decoded),
        ("info", stream),
        ("export", stream, "-o", tmp_path / "a.mp4"),
        ("compare", decoded, stream, "-o", tmp_path / "a.png"),
        ("models",),
        ("doctor",),
        ("measure", "a", "b"),
        ("demo",),
        ("train",),
    )
    for code, _, err in whole:
        assert (code, "unforeseen" in err) == (0, False), err
    assert "absent  metrics" in whole[-1][1], "of the doctor"
    lacking = {"measure": (measure, "bench"), "demo": (demo, "bench"), "train": (train, "train")}
    for verb, ((code, _, err), extra) in lacking.items():
        assert code == 2
        assert err.startswith(f"hdac: {verb} needs ")
        assert f"pip install 'hdac[{extra}]'" in err


def test_a_cache_that_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    stream = tmp_path / "a.hdac"
    arguments = ("encode", clip, "-o", stream, "--frames", 2, "--qp-base", 46, "--preset", "fast")
    ((code, _, err),) = bare(arguments, HDAC_CACHE=str(blocked / "cache"))
    assert code == 0, err
    assert "networks are compiled anew in every process" in err
