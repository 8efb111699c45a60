"""Cards: every mistake in one is found, named, and does not touch the others."""

import pytest

from rainbench.catalog.cards import BaselineCard, DatasetCard
from rainbench.catalog.registry import load_registry
from rainbench.catalog.schema import read_card
from rainbench.commands.show import describe
from rainbench.core.errors import CardError, RainbenchError
from rainbench.train.recipes import resolve_recipe

BASELINE = """
name = "net"
title = "Net"
network = "rainbench.networks.plain:Identity"
parameters = 0
macs_per_pixel = 0
paper = ""
source = ""
licence = ""

[[weights]]
tag = "a"
sha256 = "{sha}"
files = ["a.pth"]
source = "x"
licence = "y"
trained_on = []
"""


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_a_baseline_and_its_entry(tmp_path):
    card = read_card(write(tmp_path, "net.toml", BASELINE.format(sha="0" * 64)))
    assert isinstance(card, BaselineCard)
    registry = load_registry([tmp_path])
    assert [entry.name for entry in registry.entries(["net"])] == ["net.a"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "parameters = 0",
            "parametres = 0",
            'unknown key "parametres"\n  Did you mean "parameters"',
        ),
        ("parameters = 0", 'parameters = "0"', "parameters must be a whole number, but it is '0'"),
        ("parameters = 0", "parameters = true", "must be a whole number"),
        ("parameters = 0\n", "", 'the key "parameters" is missing'),
        ('files = ["a.pth"]', 'files = "a.pth"', "files must be a list"),
        ('files = ["a.pth"]', "files = [1]", r"files\[0\] must be a text"),
        ('network = "rainbench', 'network = "rain bench', 'network must be "module:Class"'),
        ('tag = "a"', 'tag = "a/b"', "has characters beyond"),
        ("sha256", "sha265", 'unknown key "sha265"\n  Did you mean "sha256"'),
        ('name = "net"', 'name = "other"', 'named "other", but its file "net"'),
        ('title = "Net"', 'title = "Net', "not valid TOML"),
    ],
)
def test_mistakes_in_a_baseline_card(tmp_path, old, new, message):
    text = BASELINE.format(sha="0" * 64)
    assert old in text
    with pytest.raises(CardError, match=message):
        read_card(write(tmp_path, "net.toml", text.replace(old, new)))


RECIPE = """
[recipe]
patch = 100
batch = 18
steps = 1000
learning_rate = 1
schedule = "steps"
drops = [0.3, 0.5]
chosen = ["batch"]
losses = [{ name = "neg_ssim", on = "stages" }]
"""


def test_a_recipe_is_read_and_its_numbers_become_floats(tmp_path):
    text = BASELINE.format(sha="0" * 64).replace("[[weights]]", RECIPE + "[[weights]]")
    card = read_card(write(tmp_path, "net.toml", text))
    assert card.recipe.learning_rate == 1.0 and isinstance(card.recipe.learning_rate, float)
    assert card.recipe.losses[0].on == "stages" and card.recipe.losses[0].weight == 1.0
    assert read_card(write(tmp_path, "net.toml", BASELINE.format(sha="0" * 64))).recipe is None


def test_a_recipe_may_differ_on_a_data_set(tmp_path):
    there = "\n[recipe.on.toy]\nsteps = 7\nflip = true\nlearning_rate = 2\n"
    text = BASELINE.format(sha="0" * 64).replace("[[weights]]", RECIPE + there + "[[weights]]")
    card = read_card(write(tmp_path, "net.toml", text))
    toy, other = (resolve_recipe(card, {}, short=False, dataset=name) for name in ("toy", ""))
    assert (toy.steps, toy.flip, toy.learning_rate) == (7, True, 2)
    assert (other.steps, other.flip, other.learning_rate) == (1000, False, 1)
    given = resolve_recipe(card, {"steps": 9}, short=True, dataset="toy")
    assert given.steps == 9 and given.learning_rate == 2e-3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("patch = 100", "pach = 100", 'unknown key "pach"\n  Did you mean "patch"'),
        ("patch = 100", "patch = 0", "patch of the recipe must be more than 0"),
        ("learning_rate = 1", 'learning_rate = "1"', "learning_rate must be a number"),
        ("[0.3, 0.5]", "[30, 50]", "drops are shares of the training"),
        ("drops = [0.3, 0.5]", "", 'the schedule "steps" needs drops'),
        ('chosen = ["batch"]', 'chosen = ["bach"]', 'names "bach".*\n  Did you mean "batch"'),
        ('schedule = "steps"', 'schedule = "stairs"', "schedule is 'stairs'"),
        ('on = "stages"', 'onn = "stages"', 'unknown key "onn"'),
        ('name = "neg_ssim"', 'name = "nssim"', "name is 'nssim'"),
        ('[{ name = "neg_ssim", on = "stages" }]', "[]", "losses of the recipe is empty"),
        ('on = "stages" }', 'channels = "sum" }', "has no channels to add up: only l1, mse"),
        ("patch = 100", "patch = 100\nscale = [2.0, 0.5]", "two factors, the smaller one first"),
        ("patch = 100", "patch = 100\nstride = -1", "stride of the recipe is a number of pixels"),
        ("patch = 100", "patch = 100\non.toy = 3", "toy of the recipe's `on` must be a table"),
        ("patch = 100", "patch = 100\non.toy.pach = 3", "'pach', which is no number"),
        ("patch = 100", "patch = 100\non.toy.losses = 3", "'losses', which is no number"),
        ("patch = 100", "patch = 100\non.toy.flip = 1", "flip on toy is 1, another kind"),
        ("patch = 100", "patch = 100\non.toy.steps = 0.5", "steps on toy is 0.5, another kind"),
        ("patch = 100", "patch = 100\non.toy.steps = 0", "steps of the recipe must be more than"),
    ],
)
def test_mistakes_in_a_recipe(tmp_path, old, new, message):
    text = BASELINE.format(sha="0" * 64).replace("[[weights]]", RECIPE + "[[weights]]")
    assert old in text
    with pytest.raises(CardError, match=message):
        read_card(write(tmp_path, "net.toml", text.replace(old, new)))


def test_a_short_hash(tmp_path):
    with pytest.raises(CardError, match="not 64 hexadecimal digits"):
        read_card(write(tmp_path, "net.toml", BASELINE.format(sha="abc")))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('rainy = "input/{id:d}.png"', "", "must have either rainy and clean"),
        ('"target/{id:d}.png"', '"input/{id:d}.png"', "its own truth\n  Say in clean where"),
        ('["streaks"]', '["steaks"]', r"degradation\[0\] is 'steaks'"),
        ("[[64, 48]]", "[[64, 48, 3]]", r"sizes\[0\] must be a list of 2"),
        ('split = "test"', 'split = "tset"', "split is 'tset'"),
    ],
)
def test_mistakes_in_a_dataset_card(cards, old, new, message):
    file = cards / "toy.toml"
    assert isinstance(read_card(file), DatasetCard)
    with pytest.raises(CardError, match=message):
        read_card(write(cards, "toy.toml", file.read_text().replace(old, new)))


def test_one_broken_card_leaves_the_others_alone(cards):
    write(cards, "broken.toml", 'name = "broken"\ntitel = "x"')
    write(cards, "binary.toml", "").write_bytes(b"\xff\xfe\x00")
    registry = load_registry([cards])
    assert "toy" in registry.datasets and "mini-streaks" in registry.datasets
    assert len(registry.problems) == 2
    with pytest.raises(CardError, match='unknown key "titel"'):
        registry.dataset("broken")


def test_a_name_may_not_be_taken_twice(cards):
    write(
        cards,
        "mini-streaks.toml",
        (cards / "toy.toml").read_text().replace('"toy"', '"mini-streaks"'),
    )
    registry = load_registry([cards])
    assert "is defined in" in str(registry.problems[0])
    assert registry.datasets["mini-streaks"].embedded


def test_unknown_names_are_met_with_the_nearest(cards):
    registry = load_registry([cards])
    with pytest.raises(RainbenchError, match='Did you mean "mini-streaks"'):
        registry.dataset("mini-streak")
    with pytest.raises(RainbenchError, match="no such baseline: identty"):
        registry.entries(["identty"])
    with pytest.raises(RainbenchError, match="no such folder of cards"):
        load_registry([cards / "nowhere"])


def test_search_path_from_the_environment(cards, monkeypatch):
    monkeypatch.setenv("RAINBENCH_PATH", str(cards))
    assert "toy" in load_registry().datasets


def test_only_the_card_of_exactly_this_name_is_called_broken(cards):
    """`x` is no part of the name of prenetx.toml, nor is a folder called x.toml."""
    folder = cards / "x.toml"
    folder.mkdir()
    (folder / "prenetx.toml").write_text("name = ")
    registry = load_registry([folder])
    with pytest.raises(CardError, match="prenetx"):
        registry.raise_if_broken("prenetx")
    registry.raise_if_broken("x")
    registry.raise_if_broken("netx")
    with pytest.raises(RainbenchError, match="no such data set: x"):
        registry.dataset("x")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("RAIN100-L", 'Did you mean "rain100l"'),
        ("PRENETS", 'Did you mean "prenet"'),
        ("PReNet-yy", 'Did you mean "prenet-y"'),
        ("rain streak datset", 'Did you mean "rain100h" (Rain Streak dataset)'),
        ("MEDIAN FILTR", 'Did you mean "median"'),
    ],
)
def test_suggestions_know_titles_and_aliases_in_any_case(word, meant):
    with pytest.raises(RainbenchError) as caught:
        describe(word, load_registry())
    assert meant in caught.value.hint
