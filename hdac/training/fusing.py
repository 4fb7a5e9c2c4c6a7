"""The fusion networks' part of training: what a step gives them, and its loss terms."""

from __future__ import annotations

import torch
from torch import Tensor

from hdac.motion.keypoints import STEP
from hdac.nets.fusion import Fused, FusionNet, Reference
from hdac.nets.zoo import CodecNet, load_model
from hdac.runtime.models import resolve_model
from hdac.training.clips import Batch, Sampler
from hdac.training.loop import TrainConfig, trains_in_bf16
from hdac.training.losses import (
    equivariance_loss,
    photometric_loss,
    picture_loss,
    smoothness_loss,
)
from hdac.training.perceptual import PerceptualLoss
from hdac.training.task import AdversarialTask, noisy


class FusionTask(AdversarialTask[Sampler]):
    """`Task` of `FusionNet` and of the published networks. Raises `UsageError` where there is no
    such teacher."""

    def __init__(self, sampler: Sampler, config: TrainConfig, device: str) -> None:
        super().__init__(sampler, config, device)
        self._teacher: CodecNet | None = None
        if config.teacher:
            self._teacher = load_model(resolve_model(config.teacher)).to(self._device)

    def terms(
        self, net: CodecNet, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        batch = self._sampler.batch(self._config.batch, self._config.crop)
        batch = Batch(*(tensor.to(self._device) for tensor in batch))
        terms, fused = losses(net, batch, self._config, generator, self._perceptual)
        if self._teacher is not None:
            better, config = taught(self._teacher, batch), self._config
            apart = picture_loss(fused.planes, better, config.weight_chroma) * batch.mask
            terms["teacher"] = apart.mean()
            terms["total"] = terms["total"] + config.weight_teacher * terms["teacher"]
        if self._adversary is None:
            return terms
        doubt = self._doubt(progress, fused.planes, batch.target)
        terms["total"] = terms["total"] + self._config.weight_adversarial * doubt
        return terms | {"adversarial": doubt}


@torch.no_grad()
def taught(teacher: CodecNet, batch: Batch) -> Tensor:
    """What a teacher fuses of base pictures, planes `(N, 6, h, w)` in [0, 1]. (Distillation, of
    pictures: Hinton, Vinyals and Dean, 2015.)"""
    n, device = len(batch.base), batch.base.device.type
    with torch.autocast(device, torch.bfloat16, enabled=trains_in_bf16(device)):
        both = torch.cat([batch.base, batch.reference])
        points = teacher.detector(teacher.thumbnail(both)).float()
        features = teacher.encode(batch.reference, batch.qp_intra)
        reference = Reference(batch.reference, features, points[n:])
        return teacher(batch.base, batch.qp, reference, points[:n], batch.mask).planes.clamp(0, 1)


def run_net(
    net: CodecNet, batch: Batch, generator: torch.Generator, counts: tuple[int, ...] = ()
) -> tuple[Fused, Tensor, Tensor]:
    """The network's output, from as many keypoints as one of `counts` (empty: all); thumbnails and
    (unquantised) keypoints of the targets. Fused pictures have the keypoints that the codec gives
    them: those of the base pictures, or coded ones."""
    n = len(batch.target)
    thumbs = net.thumbnail(torch.cat([batch.target, batch.reference_original]))
    points = net.detector(thumbs).float()
    given = noisy(points, STEP, generator)
    if net.derives_keypoints and bool(batch.mask.any()):  # where the base layer is fused
        derived = net.detector(net.thumbnail(torch.cat([batch.base, batch.reference]))).float()
        given = torch.where(batch.mask.repeat(2).view(-1, 1, 1) == 1, derived, given)
    if counts:
        given = given[:, : counts[int(torch.randint(len(counts), (1,), generator=generator))]]
    features = net.encode(batch.reference, batch.qp_intra)
    reference = Reference(batch.reference, features, given[n:])
    fused = net(batch.base, batch.qp, reference, given[:n], batch.mask)
    return fused, thumbs[:n], points[:n]


def losses(
    net: CodecNet,
    batch: Batch,
    config: TrainConfig,
    generator: torch.Generator,
    perceptual: PerceptualLoss | None = None,
) -> tuple[dict[str, Tensor], Fused]:
    """The terms of a step (`total` is what is differentiated), and what the network made."""
    device = batch.target.device.type
    # published networks turn planes into RGB and back inside: 8 bits of mantissa are too few there
    rounds = trains_in_bf16(device) and isinstance(net, FusionNet)
    with torch.autocast(device, torch.bfloat16, enabled=rounds):
        fused, thumbs, points = run_net(net, batch, generator, config.keypoints)
        equivariance = equivariance_loss(net.detector, thumbs, points, generator)
    picture = picture_loss(fused.planes, batch.target, config.weight_chroma)
    motion = photometric_loss(fused.motion, batch.reference_original, batch.target).mean()
    smooth = smoothness_loss(fused.motion.flow).mean()
    seen = torch.zeros_like(motion)
    if perceptual is not None:
        seen = perceptual(fused.planes, batch.target, generator).mean()
    total = (
        config.weight_picture * picture.mean()
        + config.weight_motion * motion
        + config.weight_perceptual * seen
        + config.weight_smooth * smooth
        + config.weight_equivariance * equivariance
    )
    with torch.no_grad():
        gain = picture_loss(batch.base, batch.target, config.weight_chroma) - picture
        m, still = batch.mask, 1 - batch.mask
        terms = {
            "total": total,
            "gain": (gain * m).sum() / m.sum().clamp_min(1),
            "animation": (picture * still).sum() / still.sum().clamp_min(1),
            "motion": motion,
            "smooth": smooth,
            "equivariance": equivariance,
            "perceptual": seen,
        }
    return terms, fused
