"""CSV files that people keep: golden numbers and published tables, as editors save them."""

import os

import pytest

from rainbench.catalog.published import COLUMNS, load_published
from rainbench.core.errors import CardError, RainbenchError
from rainbench.report.golden import read_golden

GOLDEN = "image,rgb:1:psnr,rgb:1:ssim\n1,20.5,0.9\n2,,0.8\n"
HEADER = ",".join(COLUMNS)
TABLE = f"{HEADER}\nMine,T1,rain12,X,,,rgb,stated,20.5,0.9,y,,\n"

SAVED = {
    "mark": lambda text: "\N{BOM}" + text,
    "blank lines": lambda text: "\n" + text.replace("\n", "\n\n"),
    "blank fields": lambda text: text + ",,\n",
    "windows": lambda text: text.replace("\n", "\r\n"),
    "old mac": lambda text: text.replace("\n", "\r"),
    "no end": lambda text: text.removesuffix("\n"),
}


def golden(tmp_path, content):
    file = tmp_path / "mine.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_golden(file)


def published(tmp_path, content):
    file = tmp_path / "reports" / "papers" / "mine.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [cell for cell in load_published([tmp_path]) if cell.paper == "Mine"]


@pytest.mark.parametrize("how", SAVED)
def test_a_file_that_an_editor_has_saved_holds_the_same(tmp_path, how):
    assert golden(tmp_path, SAVED[how](GOLDEN)).values == golden(tmp_path, GOLDEN).values
    assert published(tmp_path, SAVED[how](TABLE)) == published(tmp_path, TABLE) != []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\nimage,rgb:1:psnr\n", "line 3 has other columns than image"),
        (GOLDEN.replace("image", "images"), "line 1 has other columns than image"),
        ("", "line 1 has other columns"),
        (GOLDEN + "\n\n2,20,0.9\n", "line 6 is there twice"),
        (GOLDEN + "\n3,20\n", "line 5 has another length"),
        (GOLDEN + "\n3,20,much\n", "line 5 holds what is no number"),
        (GOLDEN.encode() + b"\n\xff,1,1\n", "line 5 is not UTF-8 text"),
        (GOLDEN + '3,"2"0,1\n', "is no CSV file"),
    ],
)
def test_what_is_wrong_with_golden_numbers_names_file_and_line(tmp_path, content, message):
    with pytest.raises(RainbenchError, match=rf"mine\.csv: {message}"):
        golden(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n" + TABLE.replace("paper,", "papers,"), "line 2: the columns must be paper, "),
        ("", "line 1: the columns must be paper, "),
        (TABLE + "\nMine,T1,rain12\n", "line 4: has 3 fields, not 13"),
        (TABLE + "Mine,T1,rain12,X,,,rgb,stated,2,1,y,,,\n", "line 3: has 14 fields, not 13"),
        (TABLE + "\nMine,T1,rain12,Y,,,rgb,stated,2O.5,1,y,,\n", "line 4: 2O.5 is no number"),
        (TABLE + "Mine,T1,rain12,Y,,,rgb,stated,nan,1,y,,\n", "line 3: nan is no number"),
        (TABLE.encode() + b"\xe9", "line 3 is not UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_published_table_names_file_and_line(tmp_path, content, message):
    with pytest.raises(CardError, match=rf"mine\.csv: {message}"):
        published(tmp_path, content)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_never_waited_for(tmp_path, kind):
    file = tmp_path / "reports" / "papers" / "mine.csv"
    file.parent.mkdir(parents=True)
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    with pytest.raises(CardError, match=r"mine\.csv: cannot be read: it is a device, a pipe"):
        load_published([tmp_path])
    with pytest.raises(RainbenchError, match="cannot be read: it is a device, a pipe"):
        read_golden(file)
