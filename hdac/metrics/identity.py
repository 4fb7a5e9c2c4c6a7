"""Identity: does the reconstruction still show the same person? Cosine of face embeddings, source
against reconstruction.

The face is found and aligned in the source (YuNet, five points, the ArcFace template) and cut from
both pictures in the same place, so that what is compared is the face and not the alignment.
"""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hdac.metrics.contract import RGB8, Clip, Contract, Metric, NotOnThisClipError, Scores
from hdac.metrics.weights import WeightsFile, find_weights, missing

DETECTOR = WeightsFile(
    "yunet/face_detection_yunet_2026may.onnx", "ebafce4e3c118d6554634be5c27ab333"
)
EMBEDDING = WeightsFile(
    "mobilefacenet_insightface_y1/mobilefacenet_y1_112.onnx", "ad9482ca5b6ba25dbf99b406d6b1f335"
)
#: ArcFace's five points in a 112x112 crop (Deng et al., 2019).
_TEMPLATE = "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041"
TEMPLATE = np.array(_TEMPLATE.split(), np.float32).reshape(5, 2)


@cache
def _networks() -> tuple[Any, Any]:
    import cv2

    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(find_weights(DETECTOR)), "", (256, 256), 0.6)
    return detector, cv2.dnn.readNetFromONNX(str(find_weights(EMBEDDING)))


def crop_matrix(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating] | None:
    """The similarity transform `(2, 3)` that moves the largest face to the template; None without a
    face."""
    import cv2

    detector = _networks()[0]
    detector.setInputSize((rgb.shape[1], rgb.shape[0]))
    faces = detector.detect(np.ascontiguousarray(rgb[..., ::-1]))[1]
    if faces is None or not len(faces):
        return None
    points = max(faces, key=lambda f: f[2] * f[3])[4:14].reshape(5, 2)
    return cv2.estimateAffinePartial2D(points, TEMPLATE, method=cv2.LMEDS)[0]  # type: ignore[no-any-return, return-value]


def embedding(
    rgb: npt.NDArray[np.uint8], matrix: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Unit vector `(128,)` of the face that `matrix` cuts out."""
    import cv2

    network = _networks()[1]
    crop = cv2.warpAffine(rgb, matrix, (112, 112))
    network.setInput(crop.astype(np.float32).transpose(2, 0, 1)[None].copy())
    vector = network.forward()[0]
    unit: npt.NDArray[np.floating] = vector / np.linalg.norm(vector)
    return unit


class Identity(Metric):
    """1: the same person; other people are near 0."""

    contract = Contract(
        "identity", "Identity", "", True, RGB8, "mean over frames with a face in the source",
        "MobileFaceNet, ArcFace on MS1M", True,
    )  # fmt: skip

    def unavailable(self) -> str | None:
        if importlib.util.find_spec("cv2") is None:
            return "not installed: opencv-python-headless (pip install 'hdac[bench]')"
        return missing(DETECTOR, EMBEDDING)

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        frames = []
        for a, b in zip(x.rgb, x_hat.rgb, strict=True):
            matrix = crop_matrix(a)
            alike = math.nan
            if matrix is not None:
                alike = float(np.dot(embedding(a, matrix), embedding(b, matrix)))
            frames.append(alike)
        if all(map(math.isnan, frames)):
            raise NotOnThisClipError("no face was found in the source")
        return Scores.mean(frames)
