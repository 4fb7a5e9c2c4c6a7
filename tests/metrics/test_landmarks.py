"""Landmarks: the points against another network's, distances against known motion."""

import math

import numpy as np
import pytest

from hdac.errors import HdacError
from hdac.metrics import landmarks
from hdac.metrics.contract import Clip, Scores, UnavailableError
from hdac.metrics.landmarks import crop_matrix, face_points
from hdac.metrics.registry import METRICS, measure
from hdac.motion.facemesh import LEFT_EYE, MOUTH, RIGHT_EYE
from hdac.video.picture import Picture
from tests.conftest import synthetic

KEYS = ("landmarks", "landmarks-mouth", "landmarks-eyes")


@pytest.fixture(autouse=True)
def networks() -> None:
    if reason := METRICS["landmarks"].unavailable():
        pytest.skip(reason)


def values(x: Clip, x_hat: Clip) -> dict[str, float]:
    found = measure(x, x_hat, KEYS)
    errors = [str(score) for score in found.values() if isinstance(score, HdacError)]
    assert not errors
    return {key: score.value for key, score in found.items() if isinstance(score, Scores)}


def detected(rgb: np.ndarray) -> np.ndarray:
    """YuNet's five points `(5, 2)`: right eye, left eye, nose, right and left corner of the
    mouth."""
    detector = landmarks._networks()[0]
    detector.setInputSize((rgb.shape[1], rgb.shape[0]))
    return detector.detect(np.ascontiguousarray(rgb[..., ::-1]))[1][0][4:14].reshape(5, 2)


def gray(like: Picture) -> Picture:
    return Picture(*(np.full_like(plane, 128) for plane in like))


def moved(picture: Picture, by: int) -> Picture:
    """To the right by `by` pixels, which is even."""
    y, u, v = picture
    return Picture(np.roll(y, by, 1), np.roll(u, by // 2, 1), np.roll(v, by // 2, 1))


def test_points_against_the_detector(head: list[Picture]) -> None:
    """Eyes and corners of the mouth are where YuNet has them, within 0.3 of the distance between
    the eyes (5 pixels here, where YuNet takes the head for more upright than it is)."""
    for rgb in Clip(head[::8]).rgb:
        theirs, matrix = detected(rgb), crop_matrix(rgb)
        assert matrix is not None
        theirs = theirs @ matrix[:, :2].T + matrix[:, 2]
        points = face_points(rgb, matrix)
        eyes = [points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)]
        ours = np.stack([*eyes, points[61], points[291]])
        away = np.linalg.norm(ours - theirs[[0, 1, 3, 4]], axis=1)
        assert away.max() < 0.3 * np.linalg.norm(eyes[1] - eyes[0])
        assert theirs[0, 1] == pytest.approx(theirs[1, 1], abs=0.01)  # the crop levels the eyes


def test_parts_of_the_face() -> None:
    parts = [landmarks._PARTS[key][1] for key in KEYS]
    assert [len(set(part)) for part in parts] == [478, 40, 42]
    assert not set(parts[1]) & set(parts[2])


def test_identical_clips(head: list[Picture]) -> None:
    x = Clip(head[:2])
    assert values(x, Clip(list(head[:2]))) == dict.fromkeys(KEYS, 0)


def test_a_picture_moved_by_known_pixels(head: list[Picture]) -> None:
    """In percent of the distance between the eyes, which the detector knows too."""
    x = Clip(head[:3])
    points = [detected(rgb) for rgb in x.rgb]
    expected = np.mean([100 * 2 / np.linalg.norm(p[1] - p[0]) for p in points])
    for value in values(x, Clip([moved(p, 2) for p in head[:3]])).values():
        assert value == pytest.approx(expected, rel=0.25)


def test_a_mouth_that_moves_is_seen_as_the_mouth(head: list[Picture]) -> None:
    import cv2

    x = Clip(head[:1])
    matrix = crop_matrix(x.rgb[0])
    assert matrix is not None
    back = cv2.invertAffineTransform(matrix)
    mouth = face_points(x.rgb[0], matrix)[MOUTH] @ back[:, :2].T + back[:, 2]
    (cx, cy), (rx, ry) = mouth.mean(0), np.ptp(mouth, 0)
    yy, xx = np.mgrid[: head[0].height, : head[0].width].astype(np.float32)
    near = np.exp(-((((xx - cx) / rx) ** 2 + ((yy - cy) / ry) ** 2) ** 2))

    def lifted(by: float) -> Clip:
        y = cv2.remap(head[0].y, xx, (yy + by * near).astype(np.float32), cv2.INTER_LINEAR)
        return Clip([head[0]._replace(y=y)])

    little, more = values(x, lifted(1)), values(x, lifted(3))
    assert 1 < little["landmarks-mouth"] < more["landmarks-mouth"]
    assert more["landmarks-mouth"] > 3 * more["landmarks-eyes"]
    assert more["landmarks-eyes"] < more["landmarks"] < more["landmarks-mouth"]


def test_pictures_without_a_face(head: list[Picture]) -> None:
    """Left out where the source has none; counted where the reconstruction has lost it."""
    nothing = gray(head[0])
    scores = METRICS["landmarks"].measure(Clip([head[0], nothing]), Clip([head[1], head[1]]))
    assert scores.frames is not None
    assert math.isnan(scores.frames[1])
    assert scores.value == scores.frames[0] > 0
    assert METRICS["landmarks"].measure(Clip(head[:1]), Clip([nothing])).value > 5
    empty = Clip(synthetic(2, 128, 128))
    with pytest.raises(UnavailableError, match="no face was found in the source"):
        METRICS["landmarks-mouth"].measure(empty, empty)


def test_one_computation_for_three_metrics(
    head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(rgb: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        calls.append(1)
        return face_points(rgb, matrix)

    monkeypatch.setattr(landmarks, "face_points", counted)
    x, other, x_hat = Clip(head[:2]), Clip(head[2:4]), Clip(head[4:6])
    first = values(x, x_hat)
    assert len(calls) == 2 * 2
    assert values(other, x_hat) != first  # another source is not answered from memory
    assert values(x, x_hat) == first
    assert len(calls) == 3 * 2 * 2
    del x_hat
    assert not [clip for clip in landmarks._KEPT if len(clip.pictures) == 2 and clip is not other]
