"""Recipes: TOML files read into frozen dataclasses; unknown keys are refused."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import hdac
from hdac.errors import UsageError

R = TypeVar("R")


def recipe_folder(kind: str) -> Path:
    """`baselines`, `datasets` or `experiments`: beside the package in a checkout, inside it when
    installed from a wheel."""
    package = Path(hdac.__file__).parent
    inside = package / "recipes" / kind
    return inside if inside.is_dir() else package.parent / kind


def recipe_names(kind: str) -> list[str]:
    return sorted(p.stem for p in recipe_folder(kind).glob("*.toml"))


def find_recipe(kind: str, name: str) -> Path:
    """A path as it is, or the recipe of that name. Raises `UsageError` with the names that
    exist."""
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        names = ", ".join(recipe_names(kind))
        raise UsageError(f"{name}: no such file; give a .toml file or one of {names}")
    path = recipe_folder(kind) / f"{name}.toml"
    if not path.is_file():
        names = ", ".join(recipe_names(kind))
        raise UsageError(
            f"{name!r} is no name in {kind}; choose from {names}, or give a .toml file"
        )
    return path


def read_toml(path: Path) -> dict[str, Any]:
    """Raises `UsageError` with the place of a syntax error."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error})") from error


def _fits(value: object, kind: Any) -> bool:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, k) for k in inner)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(v, inner[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(v, inner[1]) for v in value.values())
    if origin is typing.Literal:
        return value in inner
    if isinstance(value, bool):
        return kind in (bool, Any)
    if kind is float:
        return isinstance(value, int | float)
    return kind is Any or (isinstance(kind, type) and isinstance(value, kind))


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def from_table(kind: type[R], table: Mapping[str, Any], where: str) -> R:
    """A dataclass of flat fields from a TOML table. Raises `UsageError` for unknown, missing or
    wrongly typed keys."""
    assert dataclasses.is_dataclass(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key, value in table.items():
        if key not in fields:
            raise UsageError(f"{where}: unknown key {key!r}; allowed are {', '.join(fields)}")
        if not _fits(value, hints[key]):
            kind_of = hints[key]
            expected = f"expected {getattr(kind_of, '__name__', kind_of)}"
            if typing.get_origin(kind_of) is typing.Literal:
                expected = f"allowed are {', '.join(map(repr, typing.get_args(kind_of)))}"
            raise UsageError(f"{where}: {key} = {value!r}; {expected}")
    for name, field in fields.items():
        default = field.default, field.default_factory
        if default == (dataclasses.MISSING,) * 2 and name not in table:
            raise UsageError(f"{where}: {name} is missing")
    return kind(**{key: _plain(value) for key, value in table.items()})


def check_schema(table: Mapping[str, Any], schema: str, where: str) -> dict[str, Any]:
    """The table without its `schema`. Raises `UsageError` for another one."""
    found = table.get("schema")
    if found != schema:
        raise UsageError(f"{where}: schema is {found!r}; expected {schema!r}")
    return {key: value for key, value in table.items() if key != "schema"}
