"""Maps of regions: drawn of outlines, the same everywhere, and held where nothing moves."""

import hashlib
from itertools import cycle
from typing import Any

import numpy as np
import pytest

from hdac.bitstream.motions import OUTLINE_POINTS, Regions
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.motion.facemesh import GROUPS, MIRROR, NOSE, POINTS
from hdac.motion.kinds import parameter_coder
from hdac.motion.regions import MAP, OUTLINES, REGIONS, RegionMotion, regions
from hdac.motion.regions import POINTS as SENT
from hdac.runtime.planes import Array
from hdac.runtime.protocol import Reference
from hdac.video.picture import Picture

#: Beyond the frame's corner: a region that is not there.
NOWHERE = 512


def ring(outline: int, radius: int, levels: int = 128) -> np.ndarray:
    """Parameters with one outline, a ring around the frame's middle."""
    parameters = np.full((OUTLINE_POINTS, 2), NOWHERE)
    start = sum(map(len, OUTLINES[:outline]))
    turn = np.linspace(0, 2 * np.pi, len(OUTLINES[outline]), endpoint=False)
    around = np.rint(radius * levels / 128 * np.stack([np.cos(turn), np.sin(turn)], -1))
    parameters[start : start + len(turn)] = around
    return parameters


def track(frames: int, levels: int = 48) -> list[np.ndarray]:
    """Outlines that stand, jitter and move, in turn."""
    rng = np.random.default_rng(5)
    points = [rng.integers(-levels // 2, levels // 2, (OUTLINE_POINTS, 2))]
    for n in range(1, frames):
        change = rng.integers(-1, 2, (OUTLINE_POINTS, 2)) * (rng.random((OUTLINE_POINTS, 1)) < 0.2)
        points.append(points[-1] + (change, 0, [2, -1])[n % 3])
    return points


def test_outlines_are_of_the_parts_that_they_name() -> None:
    face, right_brow, left_brow, nose, right_eye, left_eye, lips, inside, _ = GROUPS
    parts = (face, right_brow, left_brow, right_eye, left_eye, nose, lips, inside)
    beside_the_nose = [64, 48, 278, 98, 327, 2, 168, *NOSE]
    for outline, part in zip(OUTLINES, parts, strict=True):
        allowed = beside_the_nose if part is nose else part
        assert set(outline.tolist()) <= set(np.asarray(allowed).tolist())
    assert REGIONS == 9


@pytest.mark.parametrize("radius", [3, 17, 64, 120, 128])
def test_a_convex_region_is_what_all_its_edges_have_on_one_side(radius: int) -> None:
    """A second definition of the inside, exact too: samples on an edge may be on either side."""
    parameters = ring(0, radius)
    corners = parameters[: len(OUTLINES[0])] * MAP
    middles = 128 * (2 * np.arange(MAP) + 1 - MAP)
    x, y = np.meshgrid(middles, middles)
    turns = np.array([
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)
    ])  # fmt: skip
    found = regions(parameters, 128) == 1
    assert (found | ~(turns > 0).all(0)).all(), "whatever is inside is drawn"
    assert (~found | (turns >= 0).all(0)).all(), "and nothing else"
    assert found.sum() == pytest.approx(3 * (radius / 4) ** 2, abs=radius / 3 + 2), "12 corners"


def test_later_regions_lie_above() -> None:
    both = ring(0, 100)
    inside = ring(7, 20)
    both[inside != NOWHERE] = inside[inside != NOWHERE]
    found = regions(both, 128)
    assert set(found.flat) == {0, 1, REGIONS - 1}
    assert (found[32, 32], found[32, 50], found[0, 0]) == (REGIONS - 1, 1, 0)


def test_finer_levels_of_the_same_places_change_nothing() -> None:
    parameters = track(1)[0]
    assert np.array_equal(regions(parameters, 48), regions(10 * parameters, 480))


def test_maps_and_bytes_are_the_same_on_every_machine() -> None:
    sent, motion = track(12), Regions(48)
    writer, coder = Writer(), parameter_coder(motion)
    for parameters in sent:
        coder.code(writer, parameters)
    data = writer.finish()
    maps = np.stack([regions(parameters, 48) for parameters in sent]).astype(np.uint8)
    assert len(data) == 181
    assert hashlib.sha256(data).hexdigest()[:16] == "d0b6c945166e8524"
    assert hashlib.sha256(maps.tobytes()).hexdigest()[:16] == "72e4f114a644279c"
    reader, coder = Reader(data), parameter_coder(motion)
    for parameters in sent:
        assert np.array_equal(coder.code(reader, None), parameters)


class _Network:
    """A backend that shows of which map it was asked."""

    parallel = True

    def encode(self, planes: Array, qp: int) -> Any:
        return []

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        assert reference.keypoints.shape == keypoints.shape == (1, MAP, MAP)
        assert keypoints.dtype == np.float32
        return np.full_like(reference.planes, keypoints[0, 32, 32] / 255)


def test_jitter_stays_what_it_was_and_movement_does_not() -> None:
    """A wide picture: networks see it padded below."""
    points = np.zeros((1, POINTS, 2), np.float32)
    points[0, SENT] = np.linspace(-0.5, 0.5, 2 * OUTLINE_POINTS).reshape(-1, 2)
    rng, moved, mirrored = np.random.default_rng(0), np.float32(0), cycle((False, True))

    def find(thumbnail: Array) -> Array:
        jitter = rng.uniform(-1e-3, 1e-3, points.shape)
        found: Array = (points + jitter + moved).astype(np.float32)
        return found[:, MIRROR] * np.array([-1, 1], np.float32) if next(mirrored) else found

    model = RegionMotion(Regions(48), _Network(), find, 25)  # type: ignore[arg-type]
    grey = Picture(*(np.full(size, 99, np.uint8) for size in ((40, 80), (20, 40), (20, 40))))
    first = last = model.quantise(model.analyse(grey), None, 0.75)
    wanted = ((points[0, SENT] * [1, 2]) + 1) * [1, 40 / 48] - 1
    assert np.abs(first - 48 * wanted).max() < 0.7
    for _ in range(20):
        last = model.quantise(model.analyse(grey), last, 0.75)
        assert np.array_equal(first, last)
    moved += np.float32(0.1)
    for _ in range(9):
        last = model.quantise(model.analyse(grey), last, 0.75)
    assert (last - first)[:, 0].min() >= 3

    reference = model.refer(grey, 30, first)
    made = model.synthesise(reference, ring(7, 30, 48), None)
    assert made.y.shape == (40, 80)
    assert set(made.y.flat) == {REGIONS - 1}
