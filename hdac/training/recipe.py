"""Training recipes (`experiments/train/*.toml`): a network, what it starts from, how it is
trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.errors import UsageError
from hdac.nets.fusion import FusionConfig
from hdac.nets.published import PublishedConfig
from hdac.training.loop import TrainConfig

SCHEMA = "hdac-train/1"


@dataclass(frozen=True)
class TrainRecipe:
    """name: of the model file; start: the model whose weights it continues (empty: none); network:
    for `zoo.build`."""

    title: str
    name: str
    start: str
    network: dict[str, Any]
    training: TrainConfig


@dataclass(frozen=True)
class _Head:
    title: str
    name: str
    start: str = ""


def load_recipe(name: str) -> TrainRecipe:
    """A recipe by name or path. Raises `UsageError`."""
    path = find_recipe("experiments/train", name)
    table = check_schema(read_toml(path), SCHEMA, str(path))
    network, training = dict(table.pop("network", {})), table.pop("training", {})
    head = from_table(_Head, table, str(path))
    kind = network.pop("kind", "fusion")
    if kind not in ("fusion", "published"):
        raise UsageError(f"{path}: network.kind = {kind!r}; choose fusion or published")
    if kind == "published":
        checked: Any = from_table(PublishedConfig, network, f"{path}, network")
    else:
        checked = from_table(FusionConfig, network, f"{path}, network")
    return TrainRecipe(
        head.title,
        head.name,
        head.start,
        vars(checked),
        from_table(TrainConfig, training, f"{path}, training"),
    )
