"""Several processes training one network (`torchrun`): each has its own samples, all have the mean
gradient."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


class Workers:
    """The processes of this run; alone, every method is a no-op.

    `torchrun` says rank and number in `RANK`, `LOCAL_RANK` and `WORLD_SIZE`. Gradients are averaged
    over NCCL (CUDA) or Gloo (CPU).
    """

    def __init__(self) -> None:
        self.rank, self.count, self.local_rank = (
            int(os.environ.get(k, d))
            for k, d in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
        )
        self._device = torch.device("cpu")

    def start(self, device: torch.device) -> torch.device:
        """Joins the others; returns this process's device."""
        if self.count > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            if device.type == "cuda":
                device = torch.device("cuda", self.local_rank)
                torch.cuda.set_device(device)
        self._device = device
        return device

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Replaces the gradient of each parameter by its mean over all processes. One that is None
        counts as zeros, as steps without refinement leave it in one process and not in another;
        where all are None it stays so, and optimizers leave the parameter alone."""
        if self.count == 1:
            return
        learning = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
        given = gradients[0].new_tensor([p.grad is not None for p in learning])
        flat = torch.cat([*(g.flatten() for g in gradients), given])
        dist.all_reduce(flat)
        *means, given = flat.split([*(g.numel() for g in gradients), len(given)])
        for p, gradient, mean, anyone in zip(
            learning, gradients, means, given.tolist(), strict=True
        ):
            p.grad = gradient.copy_(mean.view_as(gradient) / self.count) if anyone else None

    def same(self, value: float) -> float:
        """The first process's value: all must stop at the same step."""
        if self.count == 1:
            return value
        shared = torch.tensor(
            [value],
            dtype=torch.float64 if self._device.type == "cpu" else torch.float32,
            device=self._device,
        )
        dist.broadcast(shared, 0)
        return float(shared)

    def stop(self) -> None:
        if self.count > 1:
            dist.destroy_process_group()
