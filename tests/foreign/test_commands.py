"""Any program is an entry: a folder of images in, a folder of images out."""

import gc
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rainbench.core.errors import RainbenchError
from rainbench.foreign import commands
from rainbench.foreign.entry import entry_of
from rainbench.run.options import RunOptions
from rainbench.run.predict import PredictionError, Predictor

PROGRAM = """
import sys, pathlib, shutil, time
from PIL import Image, ImageOps
import numpy as np
what, rainy, out = sys.argv[1:]
rainy, out = pathlib.Path(rainy), pathlib.Path(out)
files = sorted(rainy.iterdir())
with open("calls.txt", "a") as calls:
    calls.write(f"{len(files)}\\n")
print("working")
if what == "fails":
    sys.exit("no GPU here")
if what == "slow":
    time.sleep(60)
if what == "nothing":
    sys.exit()
for number, file in enumerate(files):
    image = Image.fromarray((np.asarray(Image.open(file)) * 0.5).astype(np.uint8))
    name = file.name
    if what == "one missing" and number == 1:
        continue
    if what == "numbers":
        name = f"{number}.png"
    if what == "shifted":
        name = files[(number + 1) % len(files)].name
    if what == "mirrored":
        image = ImageOps.mirror(Image.open(file))
    if what == "smaller":
        image = image.resize((image.width // 2, image.height // 2))
    if what == "suffix":
        name = f"{file.stem}_out.png"
    if what == "folder":
        (out / "images").mkdir(exist_ok=True)
        name = f"images/{name}"
    if what == "broken":
        (out / name).write_text("no image")
        continue
    image.save(out / name)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "test.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)

    def word(what, more=""):
        return f"cmd:'{sys.executable}' test.py '{what}' {{rainy_dir}} {{out_dir}}{more}"

    return word


def images(count=3):
    """Pictures of different scenes."""
    chance = np.random.default_rng(3)
    blocks = chance.integers(0, 200, (count, 6, 8, 3), dtype=np.uint8)
    return [np.kron(block, np.ones((8, 8, 1), np.uint8)) for block in blocks]


def predictor(word, **more):
    return Predictor(entry_of(word, **more), None, RunOptions(tile=64))


@pytest.mark.parametrize("what", ["plain", "suffix", "folder"])
def test_a_folder_goes_through_at_once(program, what, tmp_path):
    predict, given = predictor(program(what)), images()
    predict.prepare(iter(given))
    for image in given:
        assert predict(image) == pytest.approx((image // 2) / 255, abs=1e-6)
    assert (tmp_path / "calls.txt").read_text() == "3\n"
    assert 0 < predict.seconds_of(99.0) < 60
    assert predict(images(4)[3]).shape == (48, 64, 3)  # one that was not prepared
    assert (tmp_path / "calls.txt").read_text() == "3\n1\n"


SAID = {
    "fails": "ended with 1; it said: working / no GPU here",
    "nothing": r"{out_dir}: holds no images; it said: working",
    "numbers": "no name fits",
    "shifted": "with the scene of",
    "mirrored": "shows its scene mirrored",
    "smaller": "of 32x24 for an image of 64x48",
}


@pytest.mark.parametrize("what", SAID)
def test_what_goes_wrong_is_told(program, what):
    predict = predictor(program(what))
    with pytest.raises(PredictionError) as raised:
        predict.prepare(images())
    assert SAID[what] in str(raised.value)


@pytest.mark.parametrize(("what", "said"), [("one missing", "no image for"), ("broken", "cannot")])
def test_one_image_that_is_not_there_fails_alone(program, what, said):
    predict, given = predictor(program(what)), images()
    if what == "broken":
        with pytest.raises(RainbenchError):
            predict.prepare(given)
        return
    predict.prepare(given)
    assert predict(given[0]).max() <= 0.5
    with pytest.raises(PredictionError, match=said):
        predict(given[1])


def test_a_time_limit_ends_all_that_it_started(program):
    predict = predictor(program("slow"), time_limit=1)
    with pytest.raises(PredictionError, match=r"longer than 1 s (.|\n)* --time-limit"):
        predict.prepare(images())


def test_nothing_is_left(program):
    predict = predictor(program("plain"))
    predict.prepare(images())
    above = commands._above()
    assert list(above.iterdir())
    del predict
    gc.collect()
    assert not list(above.glob(f"*.{os.getpid()}.part"))
    dead = above / ".images-x.999999999.part"
    dead.mkdir()
    commands._above.cache_clear()
    assert commands._above() == above and not dead.exists()
    assert above.parent == Path(tempfile.gettempdir())


REFUSED = {
    "cmd:python test.py {rainy_dir}": "does not say where {out_dir}",
    "cmd:python test.py {rainy_dir} {out_dir} | tee x": "without a shell",
    "cmd:no-such-program {rainy_dir} {out_dir}": "no program called no-such-program",
    "cmd:python 'test.py {rainy_dir} {out_dir}": "cannot be read: No closing quotation",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_is_no_call_is_refused(word):
    with pytest.raises(RainbenchError) as raised:
        entry_of(word)
    assert REFUSED[word] in str(raised.value)


def test_the_words_and_the_files_that_they_name_count(program, tmp_path):
    def code(more=""):
        return entry_of(program("plain", more)).baseline.maker.code()

    (tmp_path / "my.pth").write_bytes(b"1")
    codes = [code(), code(), code(" --weights my.pth"), code(" --weights=my.pth")]
    assert codes[0] == codes[1] and len(set(codes)) == 3
    (tmp_path / "my.pth").write_bytes(b"2")
    assert code(" --weights=my.pth") not in codes
    (tmp_path / "test.py").write_text("import helper\n" + PROGRAM)
    (tmp_path / "helper.py").write_text("x = 1\n")
    before = code()
    (tmp_path / "helper.py").write_text("x = 2\n")
    assert code() != before


def test_names():
    assert entry_of("mine=cmd:true {rainy_dir} {out_dir}").name == "mine"
    assert entry_of("cmd:true {rainy_dir} {out_dir}").name == "true"
    with pytest.raises(RainbenchError, match="image files"):
        entry_of("cmd:true {rainy_dir} {out_dir}", value_range="0..255")
