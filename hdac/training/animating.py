"""The motion models' part of training: parameters of pictures, loss terms, an adversary, and what
is measured on val."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hdac.motion.facemesh import EYES, LANDMARK_LEVELS, MOUTH, SETS
from hdac.motion.keypoints import quantise
from hdac.motion.pose import POSE
from hdac.motion.regions import POINTS, REGION_LEVELS, regions
from hdac.nets.conditioning import draw
from hdac.nets.face import FaceNet, ShapeModel
from hdac.nets.keypoints import KeypointDetector, thumbnail
from hdac.nets.planes import luma
from hdac.nets.pose import PoseNet
from hdac.nets.zoo import AnimationNet, DetectingNet, FittingNet
from hdac.runtime.protocol import FAR
from hdac.training.faces import FaceBatch, Faces, FaceSampler
from hdac.training.head_pose import learn_head
from hdac.training.loop import trains_in_bf16
from hdac.training.losses import (
    decibel,
    equivariance_loss,
    misfit,
    picture_loss,
    smoothness_loss,
)
from hdac.training.perceptual import PerceptualLoss
from hdac.training.task import AdversarialTask, noisy
from hdac.training.validate import picture_planes, psnr_y

#: Perceptual loss and critic see a square of so many pixels: they cost more than the network.
_PART = 160
#: Distance that keypoints in space keep.
_APART = 0.25


def parameters_of(
    net: AnimationNet, batch: FaceBatch, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Those of reference and picture, as a decoder has them."""
    if net.takes == "landmarks":
        sent = _sent(net, generator)
        both = (points[:, SETS[net.config.number]] for points in (batch.there, batch.here))
        there, here = (
            noisy(points, 1 / LANDMARK_LEVELS, generator).where(sent.to(points.device), FAR)
            for points in both
        )
    elif net.takes == "regions":
        there, here = (
            drawn(noisy(points[:, POINTS], 1 / REGION_LEVELS, generator))
            for points in (batch.there, batch.here)
        )
    elif isinstance(net, FittingNet):
        found = net.find(torch.cat([batch.reference_original, batch.target])).float().flatten(1)
        fitted = net.fit(torch.cat([batch.there, batch.here]))
        found = torch.cat([fitted, found], 1)
        there, here = noisy(found, net.step, generator).chunk(2)
        if isinstance(net, PoseNet):
            person = 3 * net.config.number
            here = torch.cat([here[:, :-person], there[:, -person:]], 1)
    else:
        assert isinstance(net, DetectingNet)
        found = net.find(torch.cat([batch.reference_original, batch.target])).float()
        there, here = noisy(found, net.step, generator).chunk(2)
    return there, here


def drawn(points: Tensor) -> Tensor:
    """Maps of regions `(N, 64, 64)`, in float32, of the quantised points of outlines `(N, 58,
    2)`."""
    outlines = quantise(points.cpu().numpy(), None, REGION_LEVELS)
    maps = np.stack([regions(one, REGION_LEVELS) for one in outlines])
    return torch.from_numpy(maps).float().to(points.device)


def _sent(net: AnimationNet, generator: torch.Generator) -> Tensor:
    """Which of its landmarks a network is given, `(K, 1)`: all, or (nested) those of one of its
    sets."""
    most = count = net.config.number
    if getattr(net.config, "nested", False):
        counts = [number for number in SETS if number <= most]
        count = counts[int(torch.randint(len(counts), (), generator=generator))]
    return torch.from_numpy(np.isin(SETS[most], SETS[count]))[:, None]


def face_loss(output: Tensor, target: Tensor, points: Tensor) -> Tensor:
    """dB of the mean absolute error of luma at eyes and mouth, `(N,)`. Planes `(N, 6, h, w)`;
    points `(N, 478, 2)`."""
    y, wanted = luma(output), luma(target)
    h, w = y.shape[-2:]
    where = draw(points, [[*EYES, *MOUTH]], h // 4, w // 4, 2.0)
    where = F.interpolate(where, size=(h, w), mode="bilinear", align_corners=False)
    error = ((y - wanted).abs() * where).sum((1, 2, 3)) / (where.sum((1, 2, 3)) + 1)
    return decibel(error, 2e-3)


def landmark_loss(flow: Tensor, there: Tensor, here: Tensor) -> Tensor:
    """dB of how far from their places in the reference a flow takes landmarks, `(N,)`. flow `(N, 2,
    h, w)` in pixels of a frame of 4 h x 4 w; points `(N, K, 2)`.

    A network that has to find by itself what moves gets no hint from pictures alone: where they are
    alike, motion by chance makes them worse.
    """
    half = flow.new_tensor([2 * flow.shape[-1], 2 * flow.shape[-2]])
    at = F.grid_sample(flow, here[:, None], padding_mode="border", align_corners=False)
    away = at[:, :, 0].transpose(1, 2) / half - (there - here)
    return decibel(away.abs().mean((1, 2)), 2e-3)


def learn_shapes(model: ShapeModel, clips: list[npt.NDArray[np.float32]], every: int = 6) -> None:
    """Sets mean and directions of a shape model by the landmarks `(T, 478, 2)` of clips:
    generalised Procrustes analysis, then principal components, eyes and mouth weighing more."""
    chosen = SETS[len(model.weights)]
    faces = torch.from_numpy(np.concatenate([clip[::every, chosen] for clip in clips])).double()
    fitted = model.double()
    important = np.isin(chosen, [*EYES, *MOUTH])
    fitted.weights.copy_(torch.from_numpy(np.where(important, 2.0, 1.0) ** 0.5))
    fitted.mean.copy_(faces.mean(0) - faces.mean((0, 1)))
    for _ in range(4):
        upright = fitted.upright(faces)
        fitted.mean.copy_(upright.mean(0))
    rest = ((upright - fitted.mean) * fitted.weights[:, None]).flatten(1)
    directions = torch.linalg.eigh(rest.T @ rest).eigenvectors.flip(1).T[: len(model.basis)]
    fitted.basis.copy_(directions.view(-1, *fitted.mean.shape) / fitted.weights[:, None])
    model.float()


def person_loss(number: int, there: Tensor, here: Tensor) -> Tensor:
    """What keeps a person's keypoints in space apart, and what expressions add to them small;
    there, here: parameters of `number` keypoints."""
    person = there[:, -3 * number :].view(-1, number, 3)
    near = torch.cdist(person, person) + torch.eye(number, device=person.device)
    crowded = F.relu(_APART - near).sum((1, 2)).mean()
    expressions = torch.cat([there, here])[:, POSE : -3 * number]
    return 5 * crowded + expressions.abs().mean()


class AnimationTask(AdversarialTask[FaceSampler]):
    """`Task` of the networks of motion models."""

    def prepare(self, net: AnimationNet) -> None:
        if isinstance(net, FaceNet) and not bool(net.shape.basis.any()):
            learn_shapes(net.shape, [clip.points for clip in self._sampler.clips])
        if isinstance(net, PoseNet) and not bool(net.head.inverse.any()):
            net.head.learn(learn_head([clip.points for clip in self._sampler.clips]))

    def terms(
        self, net: AnimationNet, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        config, device = self._config, self._device.type
        batch = FaceBatch(*(t.to(self._device) for t in self._sampler.batch(config.batch)))
        refine = float(torch.rand((), generator=generator)) >= config.unrefined
        with torch.autocast(device, torch.bfloat16, enabled=trains_in_bf16(device)):
            there, here = parameters_of(net, batch, generator)
            features = net.encode(batch.reference)
            made = net(batch.reference, features, there, here, refine)
            detector = getattr(net, "detector", None)
            if isinstance(detector, KeypointDetector):
                thumbs = thumbnail(batch.target)
                points = detector(thumbs).float()
                equivariance = equivariance_loss(detector, thumbs, points, generator)
        picture = picture_loss(made.planes, batch.target, config.weight_chroma).mean()
        terms = {"animation": (config.weight_picture, picture)}
        if made.flow is not None:
            flow = F.interpolate(made.flow, scale_factor=4.0, mode="bilinear")
            moved = misfit(luma(batch.reference_original), luma(batch.target), flow).mean()
            terms["motion"] = config.weight_motion, moved
            terms["smooth"] = config.weight_smooth, smoothness_loss(made.flow).mean()
        if config.weight_face:
            face = face_loss(made.planes, batch.target, batch.here).mean()
            terms["face"] = config.weight_face, face
        part = self._part(made.planes, batch.target)
        if self._perceptual is not None:
            seen = self._perceptual(*part, generator).mean()
            terms["perceptual"] = config.weight_perceptual, seen
        if self._adversary is not None:
            terms["adversarial"] = config.weight_adversarial, self._doubt(progress, *part)
        if made.flow is not None and config.weight_landmarks:
            led = landmark_loss(made.flow, batch.there, batch.here).mean()
            terms["landmarks"] = config.weight_landmarks, led
        if isinstance(net, PoseNet) and config.weight_person:
            terms["person"] = config.weight_person, person_loss(net.config.number, there, here)
        if isinstance(detector, KeypointDetector):
            terms["equivariance"] = config.weight_equivariance, equivariance
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return {"total": total} | {name: term for name, (_, term) in terms.items()}

    def _part(self, *pictures: Tensor) -> list[Tensor]:
        """The same square of pictures, anywhere."""
        side, (h, w) = _PART // 2, pictures[0].shape[-2:]
        down, right = self.rng.randint(0, h - side), self.rng.randint(0, w - side)
        return [p[..., down : down + side, right : right + side] for p in pictures]


# ---- validation


@dataclass(frozen=True)
class FaceValidation:
    """Means over pictures of val, of what the network makes and of the reference held: PSNR-Y (dB),
    the perceptual loss (dB), and the error at eyes and mouth (dB); lower is better in both."""

    pictures: int
    psnr: float
    seen: float
    face: float
    held_psnr: float
    held_seen: float
    held_face: float

    def row(self) -> dict[str, float | int | str]:
        return {k: round(v, 4) for k, v in vars(self).items()}

    def text(self) -> str:
        return (
            f"validation: PSNR-Y {self.psnr:.2f} dB (held {self.held_psnr:.2f}), perceptual "
            f"{self.seen:.2f} dB ({self.held_seen:.2f}), eyes and mouth {self.face:.2f} dB "
            f"({self.held_face:.2f}); {self.pictures} pictures"
        )


def validate(
    net: AnimationNet, clips: list[Faces], perceptual: PerceptualLoss, pictures: int = 3
) -> FaceValidation:
    """`pictures` pictures after the first reference of each clip, evenly spread."""
    net = copy.deepcopy(net).eval().to("cpu", torch.float32)
    rows, generator = [], torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for clip in clips:
            reference = picture_planes(clip.references, 0)
            features = net.encode(reference)
            for i in range(1, pictures + 1):
                t = i * (min(250, len(clip.points)) - 1) // pictures
                target, original = (picture_planes(clip.pictures, k) for k in (t, 0))
                there, here = (torch.from_numpy(clip.points[k])[None] for k in (0, t))
                batch = FaceBatch(target, reference, original, there, here)
                made = net(reference, features, *parameters_of(net, batch, generator)).planes
                rows.append([
                    value
                    for shown in (made.clamp(0, 1), reference)
                    for value in (
                        psnr_y(shown, target),
                        float(perceptual(shown, target, generator)),
                        float(face_loss(shown, target, here)),
                    )
                ])  # fmt: skip
    means = [fmean(column) for column in zip(*rows, strict=True)]
    return FaceValidation(len(rows), *means)
