"""Adversarial training: a critic that learns beside the network, and what it says of pictures."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hdac.nets.critic import Critic
from hdac.nets.published import rgb_from_planes
from hdac.training.loop import trains_in_bf16
from hdac.training.parallel import Workers

#: Weight of the features' distance beside the critic's verdict.
_MATCHING = 5.0


class Adversary:
    """A `Critic` and its optimizer, the same in all processes of a run; `state` is theirs."""

    def __init__(self, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self._device, self._workers = device, Workers()
        self._critic = Critic().to(device)
        self._optimizer = torch.optim.Adam(self._critic.parameters(), lr=2e-4, betas=(0.5, 0.99))

    def state(self) -> dict[str, Any]:
        return {"critic": self._critic.state_dict(), "teach": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self._critic.load_state_dict(state["critic"])
        self._optimizer.load_state_dict(state["teach"])

    def doubt(self, made: Tensor, target: Tensor) -> Tensor:
        """Teaches the critic (hinge loss) and returns what it says of the pictures, and how far
        they are from the real ones in its features. Planes `(N, 6, h, w)` in [0, 1]."""
        critic, device = self._critic, self._device.type
        fake, real = (rgb_from_planes(planes).clamp(0, 1) for planes in (made, target))
        with torch.autocast(device, torch.bfloat16, enabled=trains_in_bf16(device)):
            says = critic(torch.cat([fake.detach(), real]))[0].float()
            lies, truth = says.chunk(2)
            lesson = F.relu(1 + lies).mean() + F.relu(1 - truth).mean()
            self._optimizer.zero_grad(set_to_none=True)
            lesson.backward()
            self._workers.average(critic.parameters())
            self._optimizer.step()
            critic.requires_grad_(False)
            verdict, features = critic(fake)
            with torch.no_grad():
                wanted = critic(real)[1]
            critic.requires_grad_(True)
        away = [F.l1_loss(a.float(), b.float()) for a, b in zip(features, wanted, strict=True)]
        return _MATCHING * torch.stack(away).mean() - verdict.float().mean()
