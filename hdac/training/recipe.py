"""Training recipes (`experiments/train/*.toml`): a network, what it starts from, how it is
trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.errors import UsageError
from hdac.nets.enlarge import EnlargeConfig
from hdac.nets.fusion import FusionConfig
from hdac.nets.interpolate import InterpolateConfig
from hdac.nets.published import PublishedConfig
from hdac.nets.zoo import system_parts
from hdac.training.loop import TrainConfig

SCHEMA = "hdac-train/1"


@dataclass(frozen=True)
class _Head:
    title: str
    name: str  # of the model file
    start: str = ""  # the model, or the path of a file, whose weights it continues


@dataclass(frozen=True)
class TrainRecipe(_Head):
    """network: for `zoo.build`."""

    network: dict[str, Any] = field(default_factory=dict)
    training: TrainConfig = field(default_factory=TrainConfig)


def _config(kind: str, network: dict[str, Any], path: str) -> type[Any]:
    kinds: dict[str, type[Any]] = {
        "fusion": FusionConfig, "published": PublishedConfig, "enlarge": EnlargeConfig,
        "interpolate": InterpolateConfig,
    }  # fmt: skip
    if kind in kinds:
        return kinds[kind]
    if kind != "animation":
        known = ", ".join(kinds)
        raise UsageError(f"{path}: network.kind = {kind!r}; choose {known} or animation")
    try:
        return system_parts(str(network.get("system")))[0]
    except ValueError as error:
        raise UsageError(f"{path}: network.{error}") from error


def load_recipe(name: str) -> TrainRecipe:
    """A recipe by name or path. Raises `UsageError`."""
    path = find_recipe("experiments/train", name)
    table = check_schema(read_toml(path), SCHEMA, str(path))
    network, training = dict(table.pop("network", {})), table.pop("training", {})
    head = from_table(_Head, table, str(path))
    kind = network.pop("kind", "fusion")
    checked = from_table(_config(kind, network, str(path)), network, f"{path}, network")
    config = from_table(TrainConfig, training, f"{path}, training")
    return TrainRecipe(**vars(head), network=vars(checked), training=config)
