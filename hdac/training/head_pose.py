"""A face in space, found in the landmarks of many faces in the plane (Tomasi and Kanade, "Shape and
Motion from Image Streams under Orthography", IJCV 1992)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hdac.nets.pose import RIGID

#: The tip of the nose, in front.
_TIP = 4

Floats = npt.NDArray[np.floating]


def learn_head(clips: list[npt.NDArray[np.float32]], every: int = 6) -> Tensor:
    """Places `(P, 3)` of the points `RIGID` (x to the right, y down, z to the viewer; middle 0,
    mean square distance from it 1), from landmarks `(T, 478, 2)` of clips."""
    seen = np.concatenate([clip[::every, RIGID] for clip in clips]).astype(np.float64)
    seen -= seen.mean(1, keepdims=True)
    seen /= np.sqrt(np.square(seen).sum((1, 2), keepdims=True))  # each picture weighs the same
    u, s, v = np.linalg.svd(seen.transpose(0, 2, 1).reshape(-1, len(RIGID)), full_matrices=False)
    rows, shape = (u[:, :3] * s[:3]).reshape(-1, 2, 3), v[:3]
    upgrade = _metric(rows)
    shape = np.linalg.solve(upgrade, shape)
    shape = _frontal(rows @ upgrade).T @ shape
    if shape[2, np.flatnonzero(RIGID == _TIP)[0]] < shape[2].mean():
        shape[2] *= -1
    shape /= np.sqrt(np.square(shape).sum(0).mean())
    return torch.from_numpy(shape.T.copy()).float()


def _metric(rows: Floats) -> Floats:
    """The matrix `(3, 3)` that makes both rows `(2, 3)` of each picture as long as each other and
    perpendicular, as those of a turned and scaled head are."""

    def products(a: Floats, b: Floats) -> Floats:
        """Of a symmetric matrix' six numbers."""
        both = a[:, :, None] * b[:, None] + b[:, :, None] * a[:, None]
        i, j = np.triu_indices(3)
        return both[:, i, j] * np.where(i == j, 0.5, 1.0)

    a, b = rows[:, 0], rows[:, 1]
    equations = np.concatenate([products(a, a) - products(b, b), products(a, b)])
    found = np.linalg.svd(equations, full_matrices=False)[2][-1]
    square = np.zeros((3, 3))
    square[np.triu_indices(3)] = found
    square = square + square.T - np.diag(np.diag(square))
    values, vectors = np.linalg.eigh(square * np.sign(np.trace(square)))
    root: Floats = vectors * np.sqrt(values.clip(1e-9))
    return root


def _frontal(rows: Floats) -> Floats:
    """Axes `(3, 3)`, in columns, in which the mean picture is frontal."""
    x, y = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).mean(0)
    x = x / np.linalg.norm(x)
    y = y - x * (x @ y)
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)
