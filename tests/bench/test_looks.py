"""Looks: one colour, marker and name a codec, in every figure."""

from pathlib import Path
from typing import Any

import pytest

from hdac.bench.analysis import Run, load
from hdac.bench.codecs import HdacRecipe, codec_from_table, load_codec
from hdac.bench.looks import MARKERS, PALETTE, looks_of
from hdac.bench.manifest import CodecEntry
from hdac.bench.recipes import recipe_names
from hdac.errors import UsageError
from tests.bench.conftest import results_folder

ANCHOR = {"title": "t", "encode": [], "decode": [], "suffix": ".x", "points": [1]}


def run_of(folder: Path, *codecs: str, **recipe: Any) -> Run:
    """Results of these codecs; all recipes have said `recipe`."""
    points = {("p", codec, 1): (10.0, {"psnr-y": 30.0}) for codec in codecs}
    run = load(results_folder(folder, points))
    for name, entry in run.about.codecs.items():
        run.about.codecs[name] = CodecEntry(**{**vars(entry), "recipe": recipe})
    return run


def test_recipes_declare_looks_of_their_own() -> None:
    recipes = [load_codec(name).recipe for name in recipe_names("baselines")]
    assert all(r.label and r.colour in PALETTE and r.marker in MARKERS for r in recipes)
    assert len({(r.colour, r.marker) for r in recipes}) == len(recipes)
    assert len({r.label for r in recipes}) == len(recipes)
    assert max(len(r.label) for r in recipes) <= 30  # two columns of a legend


def test_a_declared_look_is_the_same_in_any_company(tmp_path: Path) -> None:
    alone = looks_of(run_of(tmp_path / "a", "hdac-base").about)["hdac-base"]
    recipe = load_codec("hdac-base").recipe
    assert (alone.colour, alone.marker) == (recipe.colour, recipe.marker)
    others = ("x265-best", "hdac-base", *(f"codec {i}" for i in range(40)))
    crowd = looks_of(run_of(tmp_path / "b", *others).about, ["theirs", "hers"])
    assert crowd["hdac-base"] == alone
    assert list(crowd) == [*others, "theirs", "hers"]


def test_undeclared_looks_come_from_the_name(tmp_path: Path) -> None:
    """Golden: a figure of today has the colours of one of tomorrow."""
    names = ("mine", "yours", "vtm-27")
    looks = looks_of(run_of(tmp_path, *names).about)
    found = [(looks[n].colour, looks[n].marker) for n in names]
    assert found == [
        ("#56B4E9", "circle-open"),
        ("#0072B2", "triangle-down"),
        ("#0072B2", "square-open"),
    ]
    assert looks["mine"].label == "mine"


@pytest.mark.parametrize("count", [12, len(PALETTE) * len(MARKERS)])
def test_no_look_repeats(count: int, tmp_path: Path) -> None:
    looks = looks_of(run_of(tmp_path, *(f"c{i}" for i in range(count))).about)
    assert len({(look.colour, look.marker) for look in looks.values()}) == count


def test_codecs_that_declare_the_same_look(tmp_path: Path) -> None:
    run = run_of(tmp_path, "a", "b", colour="#123456", marker="star", label="both")
    a, b = looks_of(run.about).values()
    assert (a.colour, a.marker) == ("#123456", "star")
    assert (b.colour, b.marker) != (a.colour, a.marker)
    assert [a.label, b.label] == ["a", "b"]


def test_a_label_is_short_for_its_title(tmp_path: Path) -> None:
    """Results of another recipe of that name have the title that they have."""
    run = run_of(tmp_path, "hm-ldb")
    assert looks_of(run.about)["hm-ldb"].label == "hm-ldb"
    entry = run.about.codecs["hm-ldb"]
    title = load_codec("hm-ldb").recipe.title
    run.about.codecs["hm-ldb"] = CodecEntry(**{**vars(entry), "title": title})
    assert looks_of(run.about)["hm-ldb"].label == "HM 16.25"


@pytest.mark.parametrize(
    "recipe", [{"colour": "red"}, {"colour": 7, "marker": ["x"]}, {"marker": "<b>"}]
)
def test_looks_of_results_are_data(recipe: dict[str, Any], tmp_path: Path) -> None:
    plain = looks_of(run_of(tmp_path / "a", "mine").about)["mine"]
    assert looks_of(run_of(tmp_path / "b", "mine", **recipe).about)["mine"] == plain


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("colour", "red", "colour = 'red'; expected # and six hexadecimal digits"),
        ("colour", "#12345", "six hexadecimal digits"),
        ("marker", "o", "marker = 'o'; allowed are circle, square"),
    ],
)
def test_bad_looks(key: str, value: str, message: str) -> None:
    for table in (ANCHOR, {"kind": "hdac", "title": "t", "points": [1]}):
        with pytest.raises(UsageError, match=message):
            codec_from_table("a", {**table, key: value}, "here", Path())


def test_looks_decide_no_bits() -> None:
    plain = HdacRecipe("t", (1,))
    assert HdacRecipe("t", (1,), colour="#123456", label="x").settings() == plain.settings()
    one, other = (codec_from_table("a", {**ANCHOR, **k}, "", Path()) for k in ({}, {"label": "x"}))
    assert one.decides() == other.decides()
