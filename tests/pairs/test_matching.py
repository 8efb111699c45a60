"""Restored images are matched by names that can be read in one way only; others are refused."""

import unicodedata
from pathlib import Path

import pytest

from rainbench.core.errors import RainbenchError
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.matching import match_outputs


@pytest.fixture
def folder(tmp_path):
    """A function that fills a folder with empty files of these names."""

    def fill(*names):
        for name in names:
            file = tmp_path / "restored" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return tmp_path / "restored"

    return fill


def pair(name, rainy, clean):
    return Pair(name, Source(Path("/data/set/rainy", rainy)), Source(Path("/data/set/gt", clean)))


def pairs(*numbers, rainy="rain-{:03d}.png", clean="norain-{:03d}.png"):
    return [pair(str(n), rainy.format(n), clean.format(n)) for n in numbers]


def names(templates, numbers=(1, 2, 3, 4)):
    return [template.format(n) for template in templates for n in numbers]


def found(folder, of=(1, 2, 3, 4), pattern="", **kinds):
    matched = match_outputs(folder, pairs(*of, **kinds), pattern)
    files = {pair: file.relative_to(folder).as_posix() for pair, file in matched.files.items()}
    return matched.pattern, files


ONE_READING = [
    ("derain_x4_{}.png", "derain_x4_{id}.png"),
    ("{}_100.png", "{id}_100.png"),
    ("20240101_{:02d}.png", "20240101_{id}.png"),
    ("net2_2024-03-04_{}_v1.5.png", "net2_2024-03-04_{id}_v1.5.png"),
    ("norain-{:03d}.png", "norain-{id}.png"),
    ("Norain_{:d}_out.PNG", "Norain_{id}_out.png"),
    ("rain-{:03d}.png", "{id}.png"),
    ("{:05d}.png", "{id}.png"),
    ("{0}_{0}.png", "{id}_{id}.png"),
    ("im{0:02d}/rain{0}_out.jpg", "im{id}/rain{id}_out.jpg"),
    ("a b/x (1) {}.png", "a b/x (1) {id}.png"),
]


@pytest.mark.parametrize(("template", "pattern"), ONE_READING)
def test_one_reading_is_found(folder, template, pattern):
    """Constants in the name are not taken for the id, nor padding for another number."""
    made = folder(*names([template]), "readme.png", "grid.png")
    assert found(made) == (pattern, {str(n): template.format(n) for n in (1, 2, 3, 4)})


TWO_READINGS = [
    ["{}_input.png", "{}_output.png"],
    ["{}_lq.png", "{}_sr.png"],
    ["{}_real_B.png", "{}_fake_B.png"],
    ["{}_gt.png", "{}_out.png"],
    ["input/{}.png", "output/{}.png", "gt/{}.png"],
    ["1_input/{}.png", "1_output/{}.png"],
    ["{}_epoch10.png", "{}_epoch20.png"],
    ["{}.png", "{}_derained.png"],
    ["{}.png", "{}.jpg"],
    ["{}.png", "{:03d}.png"],
    ["rain-{:03d}.png", "norain-{:03d}.png"],
    ["rain-{:03d}.png", "{}.png"],
    ["Rain100L/{}.png", "Rain100H/{}.png"],
]


@pytest.mark.parametrize("templates", TWO_READINGS, ids=" ".join)
def test_two_readings_are_refused_and_shown(folder, templates):
    made = folder(*names(templates))
    with pytest.raises(RainbenchError) as caught:
        found(made)
    assert all(template.format(1) in str(caught.value) for template in templates[:2])
    assert "both stand for image 1" in caught.value.message


@pytest.mark.parametrize("templates", TWO_READINGS[:9], ids=" ".join)
def test_some_of_a_kind_are_missing(folder, templates):
    """Of two kinds the one with more files is not taken: it may be the input."""
    made = folder(*names(templates[:1]), *names(templates[1:2], (2, 4)))
    with pytest.raises(RainbenchError, match="both stand for image 2"):
        found(made)


@pytest.mark.parametrize("templates", TWO_READINGS[:8], ids=" ".join)
def test_the_pattern_that_is_shown_chooses(folder, templates):
    made = folder(*names(templates))
    with pytest.raises(RainbenchError) as caught:
        found(made)
    for template in templates:
        pattern = template.format("{id}")
        assert f'"{pattern}"' in caught.value.message
        assert found(made, pattern=pattern)[1]["3"] == template.format(3)


def test_a_number_that_may_be_two_ids(folder):
    with pytest.raises(RainbenchError, match=r"1_3.png is image 1\n.*1_3.png is image 3"):
        found(folder("1_3.png"))
    assert found(folder("1_3.png"), pattern="{id}_3.png")[1] == {"1": "1_3.png"}


def test_kinds_that_share_no_image_are_not_mixed(folder):
    with pytest.raises(RainbenchError, match="can be read in several ways"):
        found(folder("1_sr.png", "2_gt.png", "3_sr.png", "4_gt.png"))


def test_an_id_that_is_part_of_a_scene(folder):
    """`scene1/3` is one name: neither its 1 nor its 3 is an id, in whatever way it is joined."""
    scenes = [
        pair(f"scene{s}_{n}", f"scene{s}/{n}.png", f"{s}.png") for s in (1, 2) for n in (1, 2, 3)
    ]
    for template in ("scene{}/{}.png", "scene{}_{:03d}_x2.png", "out-3/scene{}-{}.png"):
        made = folder(*(template.format(s, n) for s in (1, 2) for n in (1, 2, 3)))
        files = match_outputs(made, scenes).files
        assert len(files) == 6
        assert files["scene2_3"] == made / template.format(2, 3)
        for file in files.values():
            file.unlink()


def test_a_lone_file_beside_the_others_is_remembered(folder):
    """One `1_output` beside all inputs is no reading of the folder, but is not forgotten."""
    made = folder(*names(["{}_input.png"]), "1_output.png")
    matched = match_outputs(made, pairs(1, 2, 3, 4))
    assert matched.pattern == "{id}_input.png"
    assert [other.pattern for other in matched.others] == ["{id}_output.png"]
    assert matched.unused == (made / "1_output.png",)


def test_what_other_systems_leave_is_passed_over(folder):
    made = folder(
        *names(["{}.png"]), *names(["._{}.png", "__MACOSX/{}.png", ".ipynb_checkpoints/{}.png"])
    )
    assert found(made)[0] == "{id}.png"


def test_both_forms_of_an_accent_are_one_name(folder):
    composed, apart = (unicodedata.normalize(form, "Regen-ü{}.png") for form in ("NFC", "NFD"))
    made = folder(*names([apart]))
    assert len(found(made, rainy=composed)[1]) == 4


def test_mixed_suffixes_are_one_kind(folder):
    assert found(folder("1.png", "2.jpg", "3.png", "4.JPEG"))[0] == "{id}.*"


def test_patterns(folder):
    made = folder(*(f"1{n}-05-07_{n}_s{n * 3}.png" for n in (1, 2, 3, 4)))
    with pytest.raises(RainbenchError, match=r"several ways|no name fits"):
        found(made)
    assert found(made, pattern="*_{id}_s*.png")[1]["2"] == "12-05-07_2_s6.png"
    for wrong in ("out.png", "{name}.png", "{id}_{rainy}.png", "*"):
        with pytest.raises(RainbenchError, match="--pattern"):
            found(made, pattern=wrong)
    with pytest.raises(RainbenchError, match=r'no name fits the pattern "{id}.bmp"'):
        found(made, pattern="{id}.bmp")
    with pytest.raises(RainbenchError, match="both stand for image"):
        found(folder("x/3.png", "y/3.png"), pattern="*/{id}.png")


def test_the_rainy_and_the_clean_name_are_told_apart(folder):
    """Rainy 1 to 4 belong to clean 3 to 6: a file called 3 may be either."""
    shifted = [pair(f"p{n}", f"{n}.png", f"{n + 2}.png") for n in (1, 2, 3, 4)]
    made = folder("3.png", "4.png")
    with pytest.raises(RainbenchError, match=r"{clean}.png"):
        match_outputs(made, shifted)
    assert list(match_outputs(made, shifted, "{clean}.png").files) == ["p1", "p2"]
    assert list(match_outputs(made, shifted, "{rainy}.png").files) == ["p3", "p4"]


def test_a_pattern_alone_decides_where_a_name_ends(tmp_path):
    """Without one, ``out_out`` may be the image ``out`` or ``out_out``, ``012`` one or two."""
    for names, pattern in (
        (("out", "out_out", "gt"), "{id}_out.png"),
        (("2020-01-01", "2020-01-02", "2020-01-012"), "{id}2.png"),
    ):
        made = tmp_path / names[0]
        made.mkdir()
        for name in names:
            (made / pattern.format(id=name)).touch()
        pairs = [Pair(name, Source(made / f"a/{name}.png"), Source(made / "b")) for name in names]
        matched = match_outputs(made, pairs, pattern)
        assert {key: file.name for key, file in matched.files.items()} == {
            name: pattern.format(id=name) for name in names
        }
