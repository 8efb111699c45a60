"""What may lie in a folder of cards: a bad one is left out with its reason, the rest goes on."""

import os
import time

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import CardError

BASELINE = """
name = "aa"
title = "T"
network = "rainbench.networks.plain:Identity"
parameters = 0
macs_per_pixel = 1
paper = "p"
source = "s"
licence = "l"
"""

WEIGHTS = """
[[weights]]
tag = "t"
sha256 = "{sha}"
files = ["a.pth"]
source = "s"
licence = "l"
trained_on = []
""".format(sha="0" * 64)

TEXTS = {
    "5,000 digits": ("parameters=" + "9" * 5000, "a number that is too long"),
    "hexadecimal digits": (BASELINE.replace("= 0\n", f"= 0x{'f' * 5000}\n"), "too many digits"),
    "twenty digits": (BASELINE.replace("= 0\n", f"= {'9' * 20}\n"), "parameters is a number of"),
    "digits in arguments": (BASELINE + f"arguments = {{ a = 0x{'f' * 5000} }}", "too many digits"),
    "iterations without end": (
        BASELINE + "arguments = { iterations = 999999999999 }",
        "arguments.iterations is 999,999,999,999, but a count .* is 0 to 100,000",
    ),
    "a width in a list": (
        BASELINE + "arguments = { a = [1, [200_000]] }",
        r"arguments.a\[1\]\[0\] is 200,000",
    ),
    "a count of weights": (
        BASELINE + WEIGHTS + "arguments = { stages = -1 }",
        "arguments.stages is -1, but",
    ),
    "multiply-adds without end": (
        BASELINE.replace("per_pixel = 1", f"per_pixel = {10**10}"),
        "must be 1000000000 at most",
    ),
    "infinity in arguments": (BASELINE + "arguments = { a = [1, { b = inf }] }", r"\[1\].b is inf"),
    "a date in arguments": (BASELINE + "arguments = { a = 2020-01-01 }", "arguments.a must be"),
    "no date": (BASELINE + "arguments = { a = 2020-13-41 }", "not valid TOML"),
    "nested lists": ("a=" + "[" * 100_000, "nested too deep"),
    "nested tables": ("a=" + "{a=" * 50_000, "nested too deep"),
    "a key of many parts": (".".join("a" * 60_000) + " = 1", "nested too deep"),
    "quoted key of many parts": ('"a b".' * 20_000 + "a = 1", "nested too deep"),
    "headers of many parts": ("[" + ".".join("a" * 60_000) + "]", "nested too deep"),
    "huge": ("# " + "x" * (1 << 20), "larger than"),
    "empty": ("", 'the keys "name", "title", '),
    "zero bytes": ("\0" * 100, "not valid TOML"),
    "zero byte in a text": (BASELINE.replace('"p"', '"p\\u0000"'), "paper holds a zero byte"),
    "html": ("<!DOCTYPE html><html>", "not valid TOML"),
    "size_multiple 0": (BASELINE + "size_multiple = 0", "size_multiple is 0, but it must be 1"),
    "size_multiple -8": (BASELINE + "size_multiple = -8", "size_multiple is -8"),
    "size_multiple huge": (BASELINE + "size_multiple = 999999", "must be 1024 at most"),
    "size_multiple NaN": (BASELINE + "size_multiple = nan", "must be a whole number"),
    "minimum_side 0": (BASELINE + "minimum_side = 0", "minimum_side is 0"),
    "parameters -1": (BASELINE.replace("= 0\n", "= -1\n"), "parameters is -1"),
    "value_range true": (BASELINE + "value_range = true", "value_range is True"),
    "value_range 1.0": (BASELINE + "value_range = 1.0", "value_range is 1.0"),
    "network a table": (BASELINE.replace("network =", "network.x ="), "network must be a text"),
    "network nothing": (BASELINE.replace("rainbench.networks.plain:Identity", ""), "module:Class"),
    "network of dots": (BASELINE.replace("rainbench.networks.plain", ".."), "module:Class"),
    "weights no tables": ("weights = 1\n" + BASELINE, "weights must be a list"),
    "tags T and t": (BASELINE + WEIGHTS + WEIGHTS.replace('"t"', '"T"'), "stands twice"),
    "files that climb": (BASELINE + WEIGHTS.replace("a.pth", "../a.pth"), "is '../a.pth'"),
    "files absolute": (BASELINE + WEIGHTS.replace("a.pth", "/etc/passwd"), "is '/etc/passwd'"),
    "files of a drive": (BASELINE + WEIGHTS.replace("a.pth", "C:a.pth"), "is 'C:a.pth'"),
    "files with backslashes": (BASELINE + WEIGHTS.replace("a.pth", r"..\\a.pth"), "is '..*a.pth'"),
    "a half without its index": (
        BASELINE + WEIGHTS.replace("a.pth", "a.data-00000-of-00001"),
        "'a.data-00000-of-00001' of t is half of a TensorFlow checkpoint",
    ),
    "an index of no checkpoint": (
        BASELINE + WEIGHTS + f'index_sha256 = "{"0" * 64}"',
        "index_sha256 of t belongs to a TensorFlow checkpoint, which 'a.pth' is not",
    ),
    "neither hash": (
        BASELINE + WEIGHTS.replace("sha256 =", "# sha256 ="),
        "sha256 of t is not 64 hexadecimal digits",
    ),
    "git_sha1 short": (
        BASELINE + WEIGHTS + 'git_sha1 = "0"',
        "git_sha1 of t is not 40 hexadecimal digits",
    ),
    "index_sha256 short": (
        BASELINE + WEIGHTS + 'index_sha256 = "0"',
        "index_sha256 of t is not 64",
    ),
    "converted_sha256 short": (
        BASELINE + WEIGHTS + 'converted_sha256 = "x"',
        "converted_sha256 of t is not 64",
    ),
    "tileable and padded": (
        BASELINE + "tileable = false\nsize_multiple = 4",
        "size_multiple is 4, but tileable = false",
    ),
    "tileable a text": (BASELINE + 'tileable = "no"', "tileable"),
    "files empty": (BASELINE + WEIGHTS.replace("a.pth", ""), "a file of t is ''"),
    "files too long": (BASELINE + WEIGHTS.replace("a.pth", "a" * 300), "no file system can hold"),
    "a recipe of infinity": (BASELINE + "recipe.learning_rate = inf", "learning_rate is inf"),
    "many unknown keys": ("\n".join(f"k{i} = 1" for i in range(9999)), "and 9995 more"),
    "a name of a megabyte": (BASELINE.replace('"aa"', f'"{"a" * 200_000}"'), "100 at most"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS.keys())
def test_a_bad_card_is_left_out_with_its_reason(tmp_path, cards, text, message):
    (cards / "aa.toml").write_text(text)
    started = time.monotonic()
    registry = load_registry([cards])
    assert time.monotonic() - started < 20
    assert "toy" in registry.datasets and "prenet" in registry.baselines
    (problem,) = registry.problems
    with pytest.raises(CardError, match=message):
        raise problem
    assert str(problem).startswith(str(cards / "aa.toml")) and len(str(problem)) < 2000
    assert "aa" not in registry.baselines


DATASETS = {
    "count negative": ("count = 5", "count = -5", "count is -5"),
    "no sources": ('sources = ["made in the tests"]', "sources = []", "sources is empty"),
    "size of nothing": ("[[64, 48]]", "[[64, 0]]", "sizes holds 64x0"),
    "folder that climbs": ('licence = "none"', 'licence = ""\nfolders = ["../up"]', "'../up'"),
    "folder absolute": ('licence = "none"', 'licence = ""\nfolders = ["/etc"]', "'/etc'"),
    "embedded elsewhere": ('licence = "none"', 'licence = ""\nembedded = "../.."', "'../..'"),
    "home": ('licence = "none"', 'licence = ""\nfolders = ["~/x"]', "'~/x'"),
}


@pytest.mark.parametrize(("old", "new", "message"), DATASETS.values(), ids=DATASETS.keys())
def test_a_bad_data_set_is_left_out(cards, old, new, message):
    file = cards / "toy.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    (problem,) = load_registry([cards]).problems
    assert message in str(problem)


def test_bytes_that_are_no_text(cards):
    (cards / "aa.toml").write_bytes(b'title = "\xff\xfe"')
    (problem,) = load_registry([cards]).problems
    assert "aa.toml: is not UTF-8 text" in str(problem)


def test_a_byte_order_mark_is_no_mistake(cards):
    (cards / "aa.toml").write_text(BASELINE, encoding="utf-8-sig")
    assert "aa" in load_registry([cards]).baselines


def test_what_is_no_file_is_left_out(cards):
    (cards / "folder.toml").mkdir()
    os.mkfifo(cards / "pipe.toml")
    (cards / "device.toml").symlink_to("/dev/zero")
    (cards / "loop.toml").symlink_to("loop.toml")
    (cards / "dangling.toml").symlink_to("nowhere")
    (cards / "._toy.toml").write_bytes(b"\0\5\26\7")  # what macOS puts beside a file
    registry = load_registry([cards])
    names = [problem.file.stem for problem in registry.problems]
    assert names == ["dangling", "device", "folder", "loop", "pipe"]
    assert all(": cannot be read: " in str(problem) for problem in registry.problems)
    assert "toy" in registry.datasets


def test_folders_that_are_none_are_named(cards, monkeypatch, caplog):
    (cards / "datasets").symlink_to("datasets")
    (cards / "baselines").write_text("")
    monkeypatch.setenv("RAINBENCH_PATH", os.pathsep.join([str(cards), str(cards / "nowhere")]))
    registry = load_registry()
    assert "toy" in registry.datasets and len(registry.problems) == 2
    assert "nowhere: there is no such folder" in caplog.text


def test_one_file_by_two_ways_is_one_card(cards, monkeypatch):
    (cards.parent / "link").symlink_to(cards)
    monkeypatch.setenv("RAINBENCH_PATH", str(cards))
    registry = load_registry([cards, cards.parent / "link"])
    assert registry.problems == () and "toy" in registry.datasets


def test_a_name_is_not_both_a_data_set_and_a_baseline(cards):
    text = (cards / "toy.toml").read_text().replace('"toy"', '"prenet"')
    (cards / "prenet.toml").write_text(text)
    registry = load_registry([cards])
    assert '"prenet" is defined in' in str(registry.problems[0])
    assert "prenet" not in registry.datasets and "prenet" in registry.baselines


def test_all_mistakes_are_told_at_once(tmp_path):
    text = BASELINE.replace("title", "titel").replace('paper = "p"\nsource = "s"\n', "")
    (tmp_path / "aa.toml").write_text(text.replace("macs_per_pixel = 1", 'macs_per_pixel = "1"'))
    (problem,) = load_registry([tmp_path]).problems
    assert "3 things are wrong" in problem.message
    assert 'unknown key "titel". Did you mean "title"?' in problem.hint
    assert 'the keys "paper", "source" are missing' in problem.hint
    assert '"title" is missing' not in problem.hint  # it is there, misspelt
    assert "macs_per_pixel must be a whole number, but it is '1'" in problem.hint


def test_a_mistake_deep_in_a_card_says_where(tmp_path):
    weights = WEIGHTS.replace('licence = "l"\n', "").replace('source = "s"\n', "")
    (tmp_path / "aa.toml").write_text(BASELINE + WEIGHTS + weights.replace('"t"', '"u"'))
    (problem,) = load_registry([tmp_path]).problems
    assert 'weights[1]: the keys "source", "licence" are missing' in problem.message


def test_a_protocol_that_does_not_exist_is_told(rainbench, cards, toy, tmp_path):
    (cards / "toy.toml").write_text(
        (cards / "toy.toml").read_text().replace("prenet-y", "PReNet-y")
    )
    where = ("--data", toy)
    done = rainbench("run", "-d", "toy", "-b", "identity", "--out", tmp_path / "o", *where)
    assert done.returncode == 2 and "toy.toml: there is no protocol PReNet-y" in done.stderr
    assert 'Did you mean "prenet-y"' in done.stderr
    done = rainbench("check", "toy", *where)
    assert done.returncode == 1 and done.stdout.startswith("wrong")


def test_a_broken_card_does_not_end_a_run(rainbench, cards, tmp_path):
    (cards / "aa.toml").write_text(BASELINE + "size_multiple = 0")
    run = ("run", "-d", "mini-streaks", "--limit", "1", "--out", tmp_path / "o")
    done = rainbench(*run, "-b", "aa", "-b", "identity")
    assert done.returncode == 1 and "aa.toml: size_multiple is 0" in done.stderr
    assert (tmp_path / "o/cells/mini-streaks/identity/images.csv").exists()
    done = rainbench(*run, "-b", "aa")
    assert done.returncode == 2 and "aa.toml: size_multiple is 0" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("papers/sian.csv", "Paper;T;PSNR\n", "line 1: the columns must be paper, table"),
        ("reasons.toml", "[[reasons]]\ndataset = 3\n", "dataset must be a text, but it is 3"),
    ],
)
def test_a_broken_published_table_does_not_end_a_run(
    rainbench, cards, tmp_path, name, text, message
):
    """The numbers are measured, and stand in tables without it; what asks for it says why not."""
    file = cards / "reports" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    run = ("run", "-d", "mini-streaks", "--limit", "1", "-b", "identity", "-b", "median")
    done = rainbench(*run, "--out", tmp_path / "o")
    assert done.returncode == 0 and done.stderr.count(message) == 1, done.stderr
    assert (tmp_path / "o/table.csv").read_text().count("median") and "2 done" in done.stderr
    done = rainbench("compare", tmp_path / "o")
    assert done.returncode == 2 and message in done.stderr
