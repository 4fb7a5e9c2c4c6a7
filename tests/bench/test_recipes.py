"""Recipes are read strictly, and every recipe of the project can be read."""

from pathlib import Path

import pytest

from hdac.bench.codecs import Anchor, AnchorRecipe, Hdac, load_codec
from hdac.bench.datasets import load_dataset
from hdac.bench.experiment import load_experiment
from hdac.bench.recipes import find_recipe, from_table, recipe_names
from hdac.errors import UsageError

GOOD = {"title": "t", "encode": ["a"], "decode": ["b"], "suffix": ".x", "points": [1, 2]}


@pytest.mark.parametrize("name", recipe_names("baselines"))
def test_every_anchor_is_read(name: str) -> None:
    codec = load_codec(name)
    assert codec.name == name
    assert len(codec.recipe.points) >= 5


@pytest.mark.parametrize("name", [n for n in recipe_names("baselines") if n.startswith("hdac-")])
def test_every_hybrid_codec_has_its_base(name: str, tmp_path: Path) -> None:
    codec = load_codec(name)
    assert isinstance(codec, Hdac)
    assert bool(codec.recipe.base) == (codec.recipe.mode == "hybrid")
    names = [name, codec.recipe.base] if codec.recipe.base else [name]
    text = 'schema = "hdac-experiment/1"\ntitle = "t"\nset = "carphone"\nanchors = []\n'
    (tmp_path / "e.toml").write_text(f"{text}codecs = {names}\n")
    assert len(load_experiment(str(tmp_path / "e.toml")).codecs) == len(names)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("x265-tuned", "has base = 'x265-tuned', which is no base layer alone"),
        ("hdac-hybrid", "which is no base layer alone"),
        ("hdac-base", "whose base_codec is 'hevc', not 'mixed': another base layer"),
        ("hdac-base-mixed-perceptual", "whose tune is 'perceptual', not 'psnr'"),
    ],
)
def test_a_base_that_is_another(base: str, message: str, tmp_path: Path) -> None:
    text = f"""
    schema = "hdac-experiment/1"
    title = "t"
    set = "carphone"
    codecs = ["h", "{base}"]
    anchors = []
    [codec.h]
    kind = "hdac"
    title = "h"
    base_codec = "mixed"
    base = "{base}"
    points = [30]
    """
    (tmp_path / "e.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_experiment(str(tmp_path / "e.toml"))


def test_medium_and_slow_differ_by_their_preset_alone() -> None:
    slow, medium = (load_codec(name).recipe for name in ("vvenc-ldb", "vvenc-ldb-medium"))
    assert isinstance(slow, AnchorRecipe)
    assert isinstance(medium, AnchorRecipe)
    words = [(a, b) for a, b in zip(slow.encode, medium.encode, strict=True) if a != b]
    assert words == [("slow", "medium")]
    assert slow.points == medium.points


@pytest.mark.parametrize("name", recipe_names("datasets"))
def test_every_set_is_read(name: str) -> None:
    dataset, sequences = load_dataset(name)
    assert dataset.licence
    assert len({s.name for s in sequences}) == len(sequences)
    assert {s.split for s in sequences} <= {*dataset.splits, ""}


@pytest.mark.parametrize("name", recipe_names("experiments"))
def test_every_experiment_is_read(name: str) -> None:
    experiment = load_experiment(name)
    assert set(experiment.recipe.anchors) <= set(experiment.points)
    assert min(map(len, experiment.points.values())) >= 4


def test_identities_of_a_split_are_in_no_other() -> None:
    _, sequences = load_dataset("talking-heads")
    by_split = {
        split: {s.identity for s in sequences if s.split == split}
        for split in ("train", "val", "test")
    }
    assert not by_split["train"] & by_split["val"]
    assert not by_split["test"] & (by_split["train"] | by_split["val"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pionts": [1]}, "here: unknown key 'pionts'; allowed are .*title, encode, decode"),
        ({"points": "28"}, "here: points = '28'; expected tuple"),
        ({"points": [1, "2"]}, "expected tuple"),
        ({"timeout": True}, "here: timeout = True; expected float"),
    ],
)
def test_wrong_keys_and_types(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_table(AnchorRecipe, {**GOOD, **change}, "here")


def test_a_missing_key() -> None:
    with pytest.raises(UsageError, match="here: suffix is missing"):
        from_table(AnchorRecipe, {k: v for k, v in GOOD.items() if k != "suffix"}, "here")


def test_unknown_names_say_which_exist() -> None:
    with pytest.raises(
        UsageError, match=r"'x266' is no name in baselines; choose from .*x265-tuned"
    ):
        find_recipe("baselines", "x266")
    with pytest.raises(UsageError, match=r"mine.toml: no such file"):
        find_recipe("baselines", "mine.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('schema = "hdac-anchor/1"\ntitle = [', "not TOML"),
        ('schema = "other/1"', "schema is 'other/1'; expected 'hdac-anchor/1'"),
        (
            'schema = "hdac-anchor/1"\ntitle="t"\nencode=["a"]\ndecode=["b"]\n'
            'suffix=".x"\npoints=[]',
            "points is empty",
        ),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_codec(str(path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('codecs = ["x266"]', "'x266' is no name in baselines"),
        (
            'codecs = ["x265-tuned"]\nmetrics = ["ssim"]',
            "metric 'ssim' is unknown; choose from psnr-y",
        ),
        (
            'codecs = ["x265-tuned"]\nanchors = ["vvenc-ldb"]',
            "vvenc-ldb in anchors, points or codec is not among codecs = x265-tuned",
        ),
        (
            'codecs = ["x265-tuned"]\n[points]\nx265-tuned = [30, 30]',
            r"points of x265-tuned = \[30, 30\]; give different numbers",
        ),
        ('codecs = ["x265-tuned"]\ncodec_s = 1', "unknown key 'codec_s'"),
        ('codecs = ["x265-tuned"]\nframes = -1', "frames = -1; 0 means all"),
        ('codecs = ["x265-tuned"]\nevery = 0', "every = 0; allowed are 1"),
        ("codecs = []", "codecs is empty"),
    ],
)
def test_bad_experiments(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    anchors = "" if "anchors" in line else "anchors = []\n"
    path.write_text(
        f'schema = "hdac-experiment/1"\ntitle = "t"\nset = "carphone"\n{anchors}{line}\n'
    )
    with pytest.raises(UsageError, match=message):
        load_experiment(str(path))


def test_an_anchor_of_your_own_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(find_recipe("baselines", "x264-zerolatency").read_text())
    (tmp_path / "e.toml").write_text(
        'schema = "hdac-experiment/1"\ntitle = "t"\nset = "carphone"\n'
        'codecs = ["mine.toml"]\nanchors = ["mine"]\n'
    )
    experiment = load_experiment(str(tmp_path / "e.toml"))
    assert [c.name for c in experiment.codecs] == ["mine"]
    assert isinstance(experiment.codecs[0], Anchor)
