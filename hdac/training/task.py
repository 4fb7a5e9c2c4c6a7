"""What the tasks of all networks share."""

from __future__ import annotations

import random
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from hdac.training.adversary import Adversary
from hdac.training.loop import TrainConfig
from hdac.training.perceptual import PerceptualLoss


def noisy(values: Tensor, step: float | Tensor, generator: torch.Generator) -> Tensor:
    """Uniform noise of one quantiser step in place of rounding (Balle et al., ICLR 2017, section
    3.1)."""
    noise = torch.rand(values.shape, generator=generator).to(values.device) - 0.5
    return values + noise * step


class Samples(Protocol):
    rng: random.Random


S = TypeVar("S", bound=Samples)


class SampledTask(Generic[S]):
    """What a `Task` is of that trains on a sampler's batches and learns nothing beside the
    network. Raises `UsageError` where the recipe has a perceptual loss and its weights are not
    there."""

    def __init__(self, sampler: S, config: TrainConfig, device: str) -> None:
        self._sampler, self._config, self._device = sampler, config, torch.device(device)
        self._perceptual: PerceptualLoss | None = None
        if config.weight_perceptual > 0:
            self._perceptual = PerceptualLoss().to(self._device)

    @property
    def rng(self) -> random.Random:
        return self._sampler.rng

    def prepare(self, net: Any) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        pass


class AdversarialTask(SampledTask[S]):
    """The same with a critic, where the recipe weighs it."""

    def __init__(self, sampler: S, config: TrainConfig, device: str) -> None:
        super().__init__(sampler, config, device)
        self._adversary: Adversary | None = None
        if config.weight_adversarial > 0:
            self._adversary = Adversary(config.seed, self._device)

    def state(self) -> dict[str, Any]:
        return {} if self._adversary is None else self._adversary.state()

    def load_state(self, state: dict[str, Any]) -> None:
        if self._adversary is not None and state:
            self._adversary.load_state(state)

    def _doubt(self, progress: float, made: Tensor, target: Tensor) -> Tensor:
        """What the critic says from its share of the schedule on; before, nothing."""
        if self._adversary is None or progress < self._config.adversarial_from:
            return made.new_zeros(())
        return self._adversary.doubt(made, target)
