"""The network that finds landmarks (`hdac/nets/landmarks.py`): taught by MediaPipe's face mesh,
judged against it.

    python experiments/landmarks.py points --out runs/landmarks/train --every 4 FOLDER...
    python experiments/landmarks.py train runs/landmarks/train --out runs/landmarks/run --minutes 75
    python experiments/landmarks.py export runs/landmarks/run --data runs/landmarks/few --note TEXT
    python experiments/landmarks.py judge landmarks --points runs/landmarks/val FOLDER...

`points` needs the teacher's weights (HDAC_WEIGHTS); folders are of clips: those of `train` splits
to learn from, those of `val` to judge on, none of `test`; `few`: some of the files of `train`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hdac.metrics.landmarks import crop_matrix, face_points
from hdac.motion.facemesh import (
    DENSE,
    EYES,
    FEW,
    LEFT_EYE,
    LEFT_IRIS,
    MIRROR,
    MOUTH,
    POINTS,
    RIGHT_EYE,
    RIGHT_IRIS,
    USUAL,
    Steady,
    eye_distance,
    found_twice,
    in_frame,
    thumbnail,
)
from hdac.nets.landmarks import LandmarkConfig, LandmarkNet, crop_around, similarity
from hdac.nets.zoo import export_model
from hdac.runtime.backends import open_landmarks
from hdac.runtime.models import model_from_path, resolve_model
from hdac.runtime.protocol import THUMBNAIL
from hdac.training.graphs import export_landmarks
from hdac.video.colour import rgb_from_picture
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

NAME, MODELS = "landmarks", Path("models")
#: Side of the pictures that are kept, and of the teacher's crop.
SIDE, CROP = 192, 256
#: Pictures where the teacher's two passes differ by more, in distances between the eyes, are no
#: faces, or half hidden ones.
MOST = 0.12
BATCH, RATE = 48, 1.5e-3


# ---- the teacher


def _undone(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    inverse = cv2.invertAffineTransform(matrix)
    return points @ inverse[:, :2].T + inverse[:, 2]


def _crop(points: np.ndarray) -> np.ndarray:
    """MediaPipe's crop around the points of a pass before: eyes level, 1.5 times the longer side of
    their box."""
    away = points[263] - points[33]
    roll = math.atan2(away[1], away[0])
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    level = points @ turn.T
    low, high = level.min(0), level.max(0)
    centre = ((low + high) / 2) @ turn
    scale = CROP / (1.5 * (high - low).max())
    matrix = cv2.getRotationMatrix2D(centre.tolist(), math.degrees(roll), scale)
    matrix[:, 2] += CROP / 2 - centre
    return matrix


def taught(picture: Picture) -> tuple[np.ndarray, float] | None:
    """The teacher's points `(478, 2)` in [-1, 1], and how far its two passes are from each other,
    in distances between the eyes; None without a face."""
    rgb = rgb_from_picture(picture, 6)
    matrix = crop_matrix(rgb)
    if matrix is None:
        return None
    first = _undone(face_points(rgb, matrix), matrix)
    matrix = _crop(first)
    second = _undone(face_points(rgb, matrix), matrix)
    gap = np.linalg.norm(second - first, axis=1).mean() / max(1, eye_distance(second))
    return (2 * second / [picture.width, picture.height] - 1).astype(np.float32), float(gap)


def _small(picture: Picture) -> np.ndarray:
    planes = [
        cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA if len(p) > SIDE else 1)
        for p in picture
    ]
    return np.stack(planes, -1)


def write_points(clips: list[Path], out: Path, every: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        path = out / f"{clip.stem}.npz"
        if path.exists():
            continue
        rows = []
        for number, picture in enumerate(VideoReader(clip)):
            if number % every == every // 4 and (found := taught(picture)):
                rows.append((_small(picture), *found, number))
        if rows:
            pictures, points, gap, numbers = map(np.array, zip(*rows, strict=True))
            part = path.with_suffix(".part.npz")
            np.savez(part, pictures=pictures, points=points, gap=gap, number=numbers)
            part.rename(path)
        print(f"{clip.stem}: {len(rows)} pictures", flush=True)


# ---- samples


class Data(NamedTuple):
    """`pictures` `(N, 192, 192, 3)` uint8 (Y, U, V); `points` `(N, 478, 2)`; `weights` `(N,)`: how
    often each is taken."""

    pictures: np.ndarray
    points: np.ndarray
    weights: np.ndarray


def load(folder: Path) -> Data:
    pictures, points, weights = [], [], []
    for path in sorted(folder.glob("*.npz")):
        clip = np.load(path)
        good = clip["gap"] < MOST
        pictures.append(clip["pictures"][good])
        points.append(clip["points"][good])
        weights += [good.sum() ** -0.5] * good.sum()  # long clips are not so much more than short
    return Data(np.concatenate(pictures), np.concatenate(points), np.array(weights) / sum(weights))


class Sampler:
    """Thumbnails with their points: turned, moved, scaled, mirrored, tinted, blurred, noisy, and
    partly hidden."""

    def __init__(self, data: Data, seed: int) -> None:
        self._data, self._rng = data, np.random.default_rng(seed)

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        rng, data = self._rng, self._data
        images = np.empty((count, THUMBNAIL, THUMBNAIL, 3), np.uint8)
        points = np.empty((count, POINTS, 2), np.float32)
        tints = np.empty((count, 3, 2), np.float32)
        for k, index in enumerate(rng.choice(len(data.points), count, p=data.weights)):
            images[k], points[k] = self._moved(data.pictures[index], data.points[index])
            colour = rng.uniform(0.5, 1.3)
            tints[k] = [
                (rng.uniform(0.65, 1.3), rng.uniform(-25, 25)),
                (colour, rng.normal(0, 6)), (colour, rng.normal(0, 6)),
            ]  # fmt: skip
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        gain, offset = torch.from_numpy(tints)[..., None, None].unbind(2)
        x = x.sub_(127).mul_(gain).add_(offset + 127)
        for k in np.flatnonzero(rng.random(count) < 0.12):
            x[k] += torch.randn(3, THUMBNAIL, THUMBNAIL) * rng.uniform(1, 6)
        return x.clamp_(0, 255).div_(255), torch.from_numpy(points)

    def _moved(self, picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = self._rng
        usual = rng.random(3) < (0.85, 0.9, 0.85)
        scale = math.exp(
            rng.normal(0, 0.12) if usual[0] else rng.uniform(math.log(0.55), math.log(1.35))
        )
        angle = math.radians(rng.normal(0, 8) if usual[1] else rng.uniform(-30, 30))
        shift = rng.normal(0, 0.08, 2) if usual[2] else rng.uniform(-0.3, 0.3, 2)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        turn, centre = np.array([[cos, -sin], [sin, cos]]), (points.max(0) + points.min(0)) / 2
        there = centre
        if rng.random() < 0.5:
            turn, there = np.diag([-1.0, 1.0]) @ turn, centre * [-1, 1]
            points = points[MIRROR]
        offset = there + shift - turn @ centre
        matrix = np.empty((2, 3))
        matrix[:, :2] = turn * (THUMBNAIL / SIDE)
        middle = turn @ np.full(2, 1 / SIDE - 1) + offset  # where sample (0, 0) goes
        matrix[:, 2] = (middle + 1) * (THUMBNAIL / 2) - 0.5
        image = cv2.warpAffine(
            picture, matrix, (THUMBNAIL, THUMBNAIL), borderMode=cv2.BORDER_REPLICATE
        )
        if rng.random() < 0.12:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
        if rng.random() < 0.1:
            (x, y), (w, h) = rng.integers(0, THUMBNAIL, 2), rng.integers(8, 40, 2)
            image[y : y + h, x : x + w] = rng.uniform(30, 220, 3)
        return image, points @ turn.T + offset


# ---- training


def train(folder: Path, out: Path, minutes: float) -> None:
    """Goes on from `out`, where it has begun; `minutes`: of all parts together."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    out.mkdir(parents=True, exist_ok=True)
    sampler = Sampler(load(folder), int(time.time()))
    net, mean = LandmarkNet(), LandmarkNet()
    weights = torch.ones(POINTS)
    weights[[*RIGHT_IRIS, *LEFT_IRIS]] = 2
    weights[np.concatenate([USUAL, MOUTH, RIGHT_EYE, LEFT_EYE])] = 3
    weights /= weights.sum()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-3)
    checkpoint, step, spent = out / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["opt"])
        step, spent = state["step"], state["spent"]
    else:
        _start(net, *sampler.batch(256))
        mean.load_state_dict(net.state_dict())
    saved, losses = time.monotonic(), []
    while spent < 60 * minutes:
        began = time.monotonic()
        cosine = 0.5 * (1 + math.cos(math.pi * spent / (60 * minutes)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 300) * (0.02 + 0.98 * cosine)
        losses.append(_step(net, optimizer, *sampler.batch(BATCH), step, weights))
        with torch.no_grad():
            share = 1 - min(0.998, (step + 1) / (step + 10))
            for a, b in zip(mean.parameters(), net.parameters(), strict=True):
                a.lerp_(b, share)
        step += 1
        spent += time.monotonic() - began
        if time.monotonic() - saved > 180 or spent >= 60 * minutes:
            state = {
                "net": net.state_dict(), "ema": mean.state_dict(), "opt": optimizer.state_dict(),
                "step": step, "spent": spent,
            }  # fmt: skip
            part = out / "checkpoint.part"
            torch.save(state, part)
            part.rename(checkpoint)
            print(f"step {step}, {spent / 60:.1f} min, {100 * np.mean(losses):.2f} %", flush=True)
            saved, losses = time.monotonic(), []


@torch.no_grad()
def _start(net: LandmarkNet, _: Tensor, points: Tensor) -> None:
    """The untrained network shows the mean face."""
    crop = crop_around(points)
    inverse = torch.linalg.inv(crop[:, :, :2]).transpose(1, 2)
    net.shape.bias.copy_(((points - crop[:, None, :, 2]) @ inverse).mean(0).flatten())
    net.shape.weight.mul_(0.1)


def _step(
    net: LandmarkNet, optimizer: Any, x: Tensor, points: Tensor, step: int, weights: Tensor
) -> float:
    wanted = crop_around(points)
    with torch.autocast("cpu", torch.bfloat16):
        crop = net.locate(x)
        noise = torch.randn(len(x), 4) * torch.tensor([0.04, 0.03, 0.04, 0.04])
        # its own crop mostly, and the wanted one with noise otherwise, and while it learns
        own = (torch.rand(len(x)) < min(0.8, step / 2000)).float()[:, None, None]
        near = wanted + similarity(*noise.unbind(1))
        found = net.points_in(x, own * crop.detach() + (1 - own) * near)
    eyes = 0.55 * wanted[:, :, 0].norm(dim=1)  # of turned faces, too
    away = ((found - points).square().sum(-1) + 1e-6).sqrt() / eyes[:, None]
    loss = (torch.where(away < 1, away, 1 + 0.3 * (away - 1)) * weights).sum(1).mean()
    (loss + 2 * F.smooth_l1_loss(crop, wanted, beta=0.02)).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def export(run: Path, data: Path, note: str, folder: Path, passes: int) -> None:
    net = LandmarkNet(LandmarkConfig(passes=passes))
    net.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["ema"])
    model = model_from_path(export_model(net, NAME, folder, note))
    x, _ = Sampler(load(data), 0).batch(100)
    samples = [one[None].contiguous().numpy() for one in x]
    for path in (model.path, export_landmarks(model, folder),
                 export_landmarks(model, folder, samples)):  # fmt: skip
        print(path, path.stat().st_size)


# ---- judgement


class Judged(NamedTuple):
    """Of one clip, in percent of the distance between the eyes: errors of sets of points, of the
    raw and of the steady student; `jitter` of teacher, raw and steady student."""

    raw: dict[str, float]
    steady: dict[str, float]
    jitter: tuple[float, float, float]


SETS = {
    "20": FEW,
    "68": USUAL,
    "162": DENSE,
    "478": np.arange(POINTS),
    "mouth": MOUTH,
    "eyes": EYES,
}


def jitter(points: np.ndarray, eyes: np.ndarray) -> float:
    """Mean length of the second difference over time, of the 68 points."""
    bend = points[2:, USUAL] - 2 * points[1:-1, USUAL] + points[:-2, USUAL]
    return float(100 * (np.linalg.norm(bend, axis=-1).mean(-1) / eyes[1:-1]).mean())


def errors(points: np.ndarray, teacher: np.ndarray) -> dict[str, float]:
    away = 100 * np.linalg.norm(points - teacher, axis=-1) / eye_distance(teacher)[:, None]
    return {name: float(away[:, indices].mean()) for name, indices in SETS.items()}


def found(clips: list[Path], folder: Path, model: str) -> Iterator[tuple[Any, ...]]:
    """Of each clip its name, frame rate, teacher's and student's points (in frames where the
    teacher has a face)."""
    find = open_landmarks(resolve_model(model, "fp32"))
    for clip in clips:
        taught = np.load(folder / f"{clip.stem}.npz")
        reader = VideoReader(clip, frames=int(taught["number"].max()) + 1)
        points = np.stack([
            in_frame(found_twice(find, thumbnail(p))[0], p.width, p.height) for p in reader
        ])  # fmt: skip
        good = taught["gap"] < MOST
        numbers = taught["number"][good]
        yield clip.stem, float(reader.info.fps), taught["points"][good], points[numbers]


def judge(track: tuple[Any, ...], cutoff: float, slope: float) -> Judged:
    _, fps, teacher, student = track
    steady = Steady(fps, cutoff, slope)
    held = np.stack([steady(points) for points in student])
    eyes = eye_distance(teacher)
    return Judged(
        errors(student, teacher),
        errors(held, teacher),
        (jitter(teacher, eyes), jitter(student, eyes), jitter(held, eyes)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    points = verbs.add_parser("points")
    points.add_argument("folders", nargs="+", type=Path)
    points.add_argument("--out", type=Path, required=True)
    points.add_argument("--every", type=int, default=1)
    learn = verbs.add_parser("train")
    learn.add_argument("data", type=Path)
    learn.add_argument("--out", type=Path, required=True)
    learn.add_argument("--minutes", type=float, required=True)
    write = verbs.add_parser("export")
    write.add_argument("run", type=Path)
    write.add_argument("--data", type=Path, required=True)
    write.add_argument("--note", required=True)
    write.add_argument("--folder", type=Path, default=MODELS)
    write.add_argument("--passes", type=int, default=1)
    test = verbs.add_parser("judge")
    test.add_argument("model")
    test.add_argument("folders", nargs="+", type=Path)
    test.add_argument("--points", type=Path, required=True)
    test.add_argument("--cutoff", type=float, nargs="+", default=[Steady.CUTOFF])
    test.add_argument("--slope", type=float, nargs="+", default=[Steady.SLOPE])
    options = parser.parse_args()
    if options.verb == "train":
        train(options.data, options.out, options.minutes)
        return
    if options.verb == "export":
        export(options.run, options.data, options.note, options.folder, options.passes)
        return
    clips = [clip for folder in options.folders for clip in sorted(folder.glob("*.mp4"))]
    if options.verb == "points":
        write_points(clips, options.out, options.every)
        return
    tracks = list(found(clips, options.points, options.model))
    for cutoff in options.cutoff:
        for slope in options.slope:
            all_of_them = [judge(track, cutoff, slope) for track in tracks]
            print(f"cutoff {cutoff:g} Hz, slope {slope:g}: mean of {len(tracks)} clips")
            for kind in ("raw", "steady"):
                rows = [getattr(one, kind) for one in all_of_them]
                means = (f"{key} {np.mean([row[key] for row in rows]):.2f}" for key in SETS)
                print(f"  {kind}: {', '.join(means)}; worst {max(row['68'] for row in rows):.2f}")
            marks = np.mean([one.jitter for one in all_of_them], 0)
            print("  jitter: teacher {:.2f}, raw {:.2f}, steady {:.2f}".format(*marks))


if __name__ == "__main__":
    main()
