"""What the tasks of all networks share."""

from __future__ import annotations

import random
from typing import Any, Generic, Protocol, TypeVar

import torch

from hdac.training.loop import TrainConfig
from hdac.training.perceptual import PerceptualLoss


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
