"""Landmarks: does the reconstruction's face do what the source's does? Distance of facial points,
source against reconstruction, of all of the face, of the mouth and of the eyes.

The points are MediaPipe's face mesh with irises (478; Kartynnik et al., "Real-time Facial Surface
Geometry from Monocular Video on Mobile GPUs", 2019; Grishchenko et al., "Attention Mesh", 2020).
The face is found in the source (YuNet) and cut from both pictures in the same place, so that what
is compared is the face and not its detection.
"""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from functools import cache
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
import numpy.typing as npt

from hdac.metrics.contract import RGB8, Clip, Contract, Metric, NotOnThisClipError, Scores
from hdac.metrics.identity import DETECTOR
from hdac.metrics.weights import WeightsFile, find_weights, missing
from hdac.motion.facemesh import EYES, MOUTH, POINTS, eye_distance

Floats = npt.NDArray[np.floating]

MESH = WeightsFile(
    "mediapipe_face/face_landmarker_v2_with_blendshapes.task", "64184e229b263107bc2b804c6625db13"
)
#: The network of the points in that archive.
MEMBER = "face_landmarks_detector.tflite"
SIDE = 256
#: Side of the crop over the longer side of YuNet's box: MediaPipe's 1.5 times the box of the
#: points, which is less tall than YuNet's.
MARGIN = 1.4


#: Key and title of a metric -> its points.
_PARTS = {
    "landmarks": ("Landmarks", np.arange(POINTS)),
    "landmarks-mouth": ("Landmarks, mouth", MOUTH),
    "landmarks-eyes": ("Landmarks, eyes", EYES),
}


@cache
def _networks() -> tuple[Any, Any]:
    """The detector and the mesh. Raises `UnavailableError` without their weights."""
    import cv2

    from hdac.runtime.library import openvino

    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(find_weights(DETECTOR)), "", (256, 256), 0.6)
    # one thread and fp32: the same points on every run
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    archive, core = zipfile.ZipFile(find_weights(MESH)), openvino.Core()
    with archive, tempfile.TemporaryDirectory() as folder:  # OpenVINO reads TFLite from files only
        mesh = core.compile_model(core.read_model(archive.extract(MEMBER, folder)), "CPU", settings)
    return detector, mesh


def crop_matrix(rgb: npt.NDArray[np.uint8]) -> Floats | None:
    """The similarity transform `(2, 3)` that moves the largest face to the middle of a crop of
    256x256, its eyes level; None without a face. `rgb`: `(H, W, 3)`, R'G'B'. Raises
    `UnavailableError` without the weights."""
    import cv2

    detector = _networks()[0]
    detector.setInputSize((rgb.shape[1], rgb.shape[0]))
    faces = detector.detect(np.ascontiguousarray(rgb[..., ::-1]))[1]
    if faces is None or not len(faces):
        return None
    left, top, width, height, *eyes = max(faces, key=lambda f: f[2] * f[3])[:8].tolist()
    centre = left + width / 2, top + height / 2
    roll = np.degrees(np.arctan2(eyes[3] - eyes[1], eyes[2] - eyes[0]))
    scale = SIDE / (MARGIN * max(width, height))
    matrix: Floats = cv2.getRotationMatrix2D(centre, roll, scale)  # type: ignore[assignment]
    matrix[:, 2] += np.subtract(SIDE / 2, centre)
    return matrix


def face_points(rgb: npt.NDArray[np.uint8], matrix: Floats) -> Floats:
    """`(478, 2)`: x and y in samples of the crop that `matrix` makes; of anything, a face or not.
    `rgb`: `(H, W, 3)`, R'G'B'. Raises `UnavailableError` without the weights."""
    import cv2

    crop = cv2.warpAffine(rgb, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    found = _networks()[1](crop[None].astype(np.float32) / 255)["Identity"]
    points: Floats = found.reshape(POINTS, 3)[:, :2].copy()
    return points


def _errors(x: npt.NDArray[np.uint8], x_hat: npt.NDArray[np.uint8]) -> Floats:
    matrix = crop_matrix(x)
    if matrix is None:
        return np.full(POINTS, np.nan)
    source, shown = face_points(x, matrix), face_points(x_hat, matrix)
    return 100 * np.linalg.norm(shown - source, axis=1) / eye_distance(source)


#: By reconstruction, as long as it lives: its source, and the errors.
_KEPT: WeakKeyDictionary[Clip, tuple[ReferenceType[Clip], Floats]] = WeakKeyDictionary()


def point_errors(x: Clip, x_hat: Clip) -> Floats:
    """`(N, 478)`: how far each point is from the source's, in percent of the distance between the
    source's eyes (means of the points of their lids); NaN where the source has no face. Computed
    once for the metrics that share it. Raises `UnavailableError` without the weights."""
    source, errors = _KEPT.get(x_hat, (None, None))
    if errors is None or source is None or source() is not x:
        errors = np.stack([_errors(a, b) for a, b in zip(x.rgb, x_hat.rgb, strict=True)])
        _KEPT[x_hat] = ref(x), errors
    return errors


class Landmarks(Metric):
    """`landmarks` (all 478 points), `landmarks-mouth` (40 of the lips), `landmarks-eyes` (32 of the
    lids, 10 of the irises): their mean distance in percent of the distance between the eyes. 0: the
    source's. Where a reconstruction has lost its face, the network still puts points into it."""

    def __init__(self, key: str) -> None:
        title, self.points = _PARTS[key]
        self.contract = Contract(
            key, title, "%", False, RGB8, "mean over frames with a face in the source",
            "MediaPipe face mesh, % of the distance between the eyes", True,
        )  # fmt: skip

    def unavailable(self) -> str | None:
        needed = {"cv2": "opencv-python-headless", "openvino": "openvino"}
        absent = [name for module, name in needed.items() if not importlib.util.find_spec(module)]
        if absent:
            return f"not installed: {', '.join(absent)} (pip install 'hdac[bench]')"
        return missing(DETECTOR, MESH)

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        frames = point_errors(x, x_hat)[:, self.points].mean(1)
        if np.isnan(frames).all():
            raise NotOnThisClipError("no face was found in the source")
        return Scores.mean(frames.tolist())
