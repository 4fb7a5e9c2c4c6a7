"""The training loop: by minutes, resumable to the step, CPU or GPU or several (`torchrun`), EMA
weights, CSV logs and a plot.

A checkpoint (`last.pt` in the output folder, written atomically) holds weights, EMA, optimizer,
step, elapsed minutes and random states; `ema.safetensors` beside it is always the latest usable
network. Losses go to `log.csv`, validations to `validation.csv`, both into `curves.png`.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor

from hdac.errors import UsageError
from hdac.nets.zoo import AnyNet, build, half
from hdac.training.curves import draw_curves
from hdac.training.parallel import Workers

#: Steps whose means make a line of the log.
LOG_STEPS = 50


@dataclass(frozen=True)
class TrainConfig:
    """A training recipe. `crop` in pixels; `minutes` is the whole schedule, over all resumed
    runs."""

    minutes: float = 100.0
    batch: int = 6
    crop: int = 192
    lr: float = 5e-4
    lr_end: float = 1e-5
    warmup_steps: int = 200
    animate: float = 0.2
    keypoints: tuple[int, ...] = ()  # to choose from in each step (nested networks); empty: all
    weight_picture: float = 1.0
    weight_chroma: float = 0.2  # within the picture's loss
    weight_perceptual: float = 0.0  # above 0: msVGG and LPIPS too, from HDAC_WEIGHTS
    weight_motion: float = 0.7
    weight_smooth: float = 0.05
    weight_equivariance: float = 10.0
    weight_landmarks: float = 0.0  # where the flow takes landmarks (motion models)
    weight_person: float = 0.0  # keypoints in space apart, expressions small (motion model pose)
    weight_face: float = 0.0  # error at eyes and mouth (motion models)
    weight_adversarial: float = 0.0  # above 0: against a critic
    adversarial_from: float = 0.4  # share of the schedule after which the critic is heard
    teacher: str = ""  # a larger fusion network, whose fused pictures are learned from too
    weight_teacher: float = 0.5
    unrefined: float = 0.0  # share of the steps without refinement (motion models)
    ema: float = 0.996
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 12.0
    seed: int = 1


def learning_rate(config: TrainConfig, step: int, minutes: float) -> float:
    """Linear warm-up by steps, then a cosine over the schedule's minutes."""
    progress = min(1.0, minutes / config.minutes)
    cosine = config.lr_end + (config.lr - config.lr_end) * 0.5 * (1 + math.cos(math.pi * progress))
    return cosine * min(1.0, (step + 1) / config.warmup_steps)


def trains_in_bf16(device: str) -> bool:
    """Whether networks compute in bf16 while they are trained (weights, optimizer and losses stay
    in fp32): on GPUs, and on CPUs with AMX, where a step takes half the time. bf16 of AVX-512 alone
    has been slower than fp32."""
    return device == "cuda" or (device == "cpu" and torch.cpu._is_amx_tile_supported())


#: One row a keypoint (the masks' first is the background).
_PER_KEYPOINT = (
    "detector.head.weight",
    "detector.head.bias",
    "motion.sparse.masks.weight",
    "motion.sparse.masks.bias",
)


def with_more_keypoints(state: dict[str, Tensor], net: AnyNet) -> dict[str, Tensor]:
    """Weights of a `FusionNet`, to be continued by one with more keypoints: the first ones do what
    they did.

    Raises `UsageError` where other shapes differ.
    """
    fresh, out = net.state_dict(), dict(state)
    bias = "detector.head.bias"
    before, now = (len(weights[bias]) if bias in weights else 0 for weights in (state, fresh))
    for name, value in state.items():
        wanted = fresh.get(name, value)
        if wanted.shape == value.shape:
            continue
        out[name] = grown = wanted.clone()
        extra = wanted.shape[1] - value.shape[1] if value.dim() > 1 else 0
        if name in _PER_KEYPOINT and wanted.shape[1:] == value.shape[1:]:
            grown[: len(value)] = value
        elif name == "motion.sparse.fine.0.weight" and extra == now - before:
            parts = value[:, :before], 0, value[:, before:]  # heat maps come first
            grown[:, :before], grown[:, before:now], grown[:, now:] = parts
        else:
            shapes = f"{tuple(value.shape)}, the network's {tuple(wanted.shape)}"
            raise UsageError(f"start: {name} is {shapes}; give weights of the same widths")
    return out


class Task(Protocol):
    """What a run trains a network for; its random state, and what else it has, are in
    checkpoints."""

    @property
    def rng(self) -> random.Random: ...

    def prepare(self, net: Any) -> None:
        """What an untrained network has from the data."""

    def terms(self, net: Any, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """The loss terms of a new batch; `total` is what is differentiated. progress: share of the
        schedule that is over."""

    def state(self) -> dict[str, Any]: ...

    def load_state(self, state: dict[str, Any]) -> None: ...


class Validation(Protocol):
    def row(self) -> dict[str, float | int | str]:
        """One line of `validation.csv`."""

    def text(self) -> str: ...


class Trainer:
    """One run in one output folder; `resume` continues from `last.pt` where there is one."""

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        network: dict[str, Any],
        task: Task,
        device: str,
        resume: bool,
        start: dict[str, Tensor] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.out, self.config, self.task = out, config, task
        self.workers = workers or Workers()
        self.device = torch.device(device)
        torch.manual_seed(config.seed)
        self.net = build(network).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if start is not None:
            self._start(start, "system" in network)
        task.prepare(self.net)
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=1e-4
        )
        self.generator = torch.Generator().manual_seed(config.seed + self.workers.rank)
        self.step, self.minutes = 0, 0.0
        out.mkdir(parents=True, exist_ok=True)
        if resume and (out / "last.pt").exists():
            self._load(out / "last.pt")

    def _start(self, start: dict[str, Tensor], parts: bool) -> None:
        """`parts`: of another system's network whatever has the same place and shape is taken."""
        if parts:
            own = self.net.state_dict()
            start = {k: v for k, v in start.items() if k in own and own[k].shape == v.shape}
        fitting = with_more_keypoints(start, self.net)
        if unknown := self.net.load_state_dict(fitting, strict=False).unexpected_keys:
            raise UsageError(
                f"start: the weights do not fit ({', '.join(unknown[:3])}, ...); give weights of "
                "the same widths"
            )

    def _load(self, path: Path) -> None:
        # our own checkpoint of a moment ago; networks for use are safetensors
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.minutes = state["step"], state["minutes"]
        self.task.load_state(state.get("task", {}))
        if self.workers.rank:  # the checkpoint holds the random states of the first worker
            self.task.rng.seed(f"{self.workers.rank} {self.step}")
            self.generator.manual_seed(self.config.seed + self.workers.rank + 1000 * self.step)
            return
        self.generator.set_state(state["generator"].cpu())
        version, internal, gauss = state["sampler"]
        self.task.rng.setstate((version, tuple(internal), gauss))

    def save(self) -> None:
        """Writes checkpoint and EMA weights, each atomically."""
        version, internal, gauss = self.task.rng.getstate()
        state = {
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "minutes": self.minutes,
            "generator": self.generator.get_state(),
            "sampler": (version, list(internal), gauss),
            "task": self.task.state(),
            "config": asdict(self.config),
        }
        for name, write in (
            ("last.pt", lambda path: torch.save(state, path)),
            ("ema.safetensors", lambda path: save_file(half(self.ema), path)),
        ):
            write(self.out / f"{name}.part")
            os.replace(self.out / f"{name}.part", self.out / name)

    def train_step(self) -> dict[str, float]:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step, self.minutes)
        progress = min(1.0, self.minutes / config.minutes)
        terms = self.task.terms(self.net, self.generator, progress)
        self.optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        self.workers.average(self.net.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        parameters = list(self.ema.parameters()), list(self.net.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(*parameters, 1 - decay)
            for ours, theirs in zip(self.ema.buffers(), self.net.buffers(), strict=True):
                ours.copy_(theirs)
        return {**{k: float(v.detach()) for k, v in terms.items()}, "norm": float(norm)}

    def run(
        self, minutes: float, validate: Callable[[Any], Validation], say: Callable[[str], None]
    ) -> None:
        """Trains for at most `minutes` more minutes or to the end of the schedule, then saves and
        validates. The first worker alone writes and speaks."""
        first = self.workers.rank == 0
        begin, start = self._clock(), self.minutes
        saved = checked = start
        rows: list[dict[str, float]] = []
        while True:
            self.minutes = self.workers.same(start + self._clock() - begin)
            if self.minutes >= min(self.config.minutes, start + minutes):
                break
            rows.append(self.train_step())
            if len(rows) == LOG_STEPS:
                if first:
                    self.log(rows, say)
                rows = []
            if self.minutes - saved > self.config.checkpoint_minutes:
                if first:
                    self.save()
                saved = self.minutes
            if self.minutes - checked > self.config.validate_minutes:
                if first:
                    self._validate(validate, say)
                checked = self.minutes
        if first:
            self.save()
            self._validate(validate, say)

    def _clock(self) -> float:
        """Minutes: of this process's threads on a CPU, where other work must not make a network
        cheaper; of the clock on a GPU."""
        if next(self.net.parameters()).device.type == "cpu":
            return time.process_time() / torch.get_num_threads() / 60
        return time.monotonic() / 60

    def _validate(self, validate: Callable[[Any], Validation], say: Callable[[str], None]) -> None:
        found = validate(self.ema)
        self._append("validation.csv", found.row())
        draw_curves(self.out)
        say(found.text())

    def log(self, rows: list[dict[str, float]], say: Callable[[str], None]) -> None:
        """The means of some steps' terms, to `log.csv` and to `say`."""
        means = {key: round(fmean(row[key] for row in rows), 4) for key in rows[0]}
        say(" ".join(f"{k} {v}" for k, v in self._append("log.csv", means).items()))

    def _append(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        """One line more in a CSV file of the run; returns it, with step and minutes."""
        path = self.out / name
        fresh = not path.exists()
        record = {"step": self.step, "minutes": round(self.minutes, 2), **row}
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(record))
            if fresh:
                writer.writeheader()
            writer.writerow(record)
        return record
