"""The table of videos: what it may hold, what is said of mistakes, and what comes of it."""

import csv
import json
import re

import numpy as np
import pytest
from rain_clips import rain, write_clip

from rainbench.catalog.schema import read_card
from rainbench.core.errors import RainbenchError
from rainbench.packaging.split import choose_test_videos
from rainbench.spa.builder import build_spa
from rainbench.spa.inputs import find_inputs
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build
from rainbench.spa.table.entries import VideoEntry, find_table, read_table, write_template


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    for name in ("a.mp4", "b.mp4", "sub/ü 雨.mkv", "sub/b.mp4", "=1+x.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def read(videos, text, name="videos.csv", encoding="utf-8"):
    file = videos / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    entries = read_table(file, find_inputs([videos], videos.parent / "results"))
    return {path.relative_to(videos).as_posix(): entry for path, entry in entries.items()}


FULL = """\
video,split,density,frames,start,end,align,min_psnr,max_frames,\
origin,device,exposure,iso,scene,licence
a.mp4,test,Dense,100,5,90,no,30.5,7,own,iPhone X,1/250,ISO 400,street,CC BY 4.0
sub/ü 雨.mkv,,,,,,,,,"YouTube, x",,4 ms,,,
"""


def test_options_and_record_of_a_video(videos):
    entries = read(videos, FULL)
    one, other = entries["a.mp4"], entries["sub/ü 雨.mkv"]
    assert set(entries) == {"a.mp4", "sub/ü 雨.mkv"}
    options = one.applied(SpaOptions(crop=64))
    assert (options.density, options.frames, options.align) == ("dense", 100, False)
    assert (options.span, options.min_psnr, options.max_frames) == ((5, 90), 30.5, 7)
    assert options.crop == 64 and one.split == "test"
    assert one.record == {
        "origin": "own", "device": "iPhone X", "exposure": "1/250", "iso": "400",
        "scene": "street", "licence": "CC BY 4.0",
    }  # fmt: skip
    assert other.applied(SpaOptions()) == SpaOptions()
    assert other.record == {"origin": "YouTube, x", "exposure": "4 ms"}


@pytest.mark.parametrize(
    "text",
    [
        FULL.encode("utf-8-sig"),
        FULL.encode("utf-16"),
        FULL.replace("\n", "\r\n").encode(),
        FULL.replace("YouTube, x", "YouTube| x").replace(",", ";").replace("|", ",").encode(),
        FULL.replace("YouTube, x", "YouTube| x").replace(",", "\t").replace("|", ",").encode(),
        FULL.replace("min_psnr", "Min PSNR").replace("video", " VIDEO ", 1).encode(),
        FULL.replace("\n", "\n\n,,,\n").encode(),
        FULL.replace("a.mp4", "./a.mp4").replace("sub/", "sub\\").encode(),
        FULL.replace("ü", "u\u0308").encode(),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(videos, text):
    expected = {name: entry.record for name, entry in read(videos, FULL).items()}
    assert {name: entry.record for name, entry in read(videos, text).items()} == expected


def test_toml_says_the_same(videos):
    (videos / "videos.csv").unlink(missing_ok=True)
    text = '[[videos]]\nvideo = "a.mp4"\nstart = 5\nend = 90\nalign = true\niso = 400\n'
    entry = read(videos, text, "videos.toml")["a.mp4"]
    assert entry.options == {"span": (5, 90), "align": True} and entry.record == {"iso": "400"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,densty\na.mp4,dense\n", r'line 1: there is no column \'densty\'\n.*"density"'),
        ("name,density\na.mp4,dense\n", "no column 'name'"),
        ("density\ndense\n", "no column video"),
        ("", "no column video"),
        ("video,iso,iso\na.mp4,1,2\n", "iso is there twice"),
        ("video\na.mp4\n\nc.mp4\n", "line 4: there is no video c.mp4"),
        ("video\na.mp5\n", 'Did you mean "a.mp4"'),
        ("video\na.mp4\nb.mp4\n./a.mp4\n", "line 4: ./a.mp4 stands there already, in line 2"),
        ("video,density\na.mp4,heavy\n", "line 2: density is 'heavy'"),
        ("video,split\na.mp4,val\n", "split is 'val', not train or test"),
        ("video,iso\na.mp4,-100\n", "iso is '-100'"),
        ("video,iso\na.mp4,1e400\n", "iso is '1e400'"),
        ("video,exposure\na.mp4,1/0\n", "exposure is '1/0'"),
        ("video,exposure\na.mp4,nan\n", "exposure is 'nan'"),
        ("video,exposure\na.mp4,250\n", "exposure is '250'"),
        ("video,start,end\na.mp4,50,40\n", "from start 50 to end 40"),
        ("video,start\na.mp4,0:12\n", "start is '0:12'"),
        ("video,min_psnr\na.mp4,inf\n", "min_psnr is 'inf'"),
        ("video,frames\na.mp4,1\n", "too few"),
        ("video,align\na.mp4,maybe\n", "align is 'maybe'"),
        ("video,max_frames\na.mp4,0\n", "max_frames is '0'"),
        ("video,device\na.mp4,\x1b[2J\n", "device holds characters"),
        ("video,device\na.mp4," + "x" * 300, "device holds more letters"),
        ("video,device\na.mp4,one,two\n", "line 2: has more cells"),
        ('video,device\na.mp4,"one\n', "not valid CSV"),
        ("video,device\n,iPhone\n", "line 2: names no video"),
        (b"video\n\xff\xfe\xfd", "not UTF-8"),
        (b"video\n\0\0", "binary"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(videos, text, message):
    with pytest.raises(RainbenchError, match=message) as told:
        read(videos, text)
    assert str(told.value).startswith(str(videos / "videos.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[videos]]\nvideo = 'a.mp4'\nisso = 4\n", 'entry 1: there is no column .*\n.*"iso"'),
        ("video = 'a.mp4'\n", r"one \[\[videos\]\] per video"),
        ("videos = 3\n", r"one \[\[videos\]\] per video"),
        ("[[videos]]\nvideo = ['a.mp4']\n", "a list or a table"),
        ("[[videos]\n", "not valid TOML"),
    ],
)
def test_mistakes_in_toml(videos, text, message):
    with pytest.raises(RainbenchError, match=message):
        read(videos, text, "videos.toml")


def test_all_mistakes_are_told_at_once(videos):
    with pytest.raises(RainbenchError) as told:
        read(videos, "video,iso\n" + "".join(f"{n}.mp4,1\n" for n in range(9)))
    assert [f"line {n}:" in str(told.value) for n in range(2, 11)] == [True] * 5 + [False] * 4
    assert "and 4 more mistakes" in str(told.value)


def test_a_name_that_two_videos_have_is_ambiguous_only_where_no_path_is_meant(videos, tmp_path):
    assert set(read(videos, "video\nb.mp4\n")) == {"b.mp4"}
    (videos / "b.mp4").rename(videos / "sub/c.mp4")
    (videos / "more").mkdir()
    (videos / "more/b.mp4").write_bytes(b"more")
    with pytest.raises(RainbenchError, match=r"b\.mp4 may be"):
        read(videos, "video\nb.mp4\n")


def test_a_template_is_a_table(videos):
    inputs = find_inputs([videos], videos.parent / "results")
    file = videos / "videos.csv"
    write_template(file, inputs)
    entries = read_table(file, inputs)
    assert set(entries) == {item.path for item in inputs}
    assert all(entry.options == entry.record == {} for entry in entries.values())
    assert "\n'=1+x.mp4," in file.read_text("utf-8"), "a spreadsheet would compute it"
    with pytest.raises(RainbenchError, match="nothing is overwritten"):
        write_template(file, inputs)
    with pytest.raises(RainbenchError, match="as CSV"):
        write_template(videos / "new.toml", inputs)


def test_a_table_is_found_in_a_folder_given(videos, tmp_path):
    assert find_table([videos, videos / "a.mp4"]) is None
    (videos / "videos.toml").touch()
    assert find_table([tmp_path, videos]) == videos / "videos.toml"
    (videos / "videos.csv").touch()
    with pytest.raises(RainbenchError, match="two tables"):
        find_table([videos])


def test_the_split_of_a_video_can_be_fixed():
    names = [f"v{number}" for number in range(10)]
    fixed = {"v0": "train", "v1": "train", "v2": "test"}
    for seed in range(5):
        chosen = choose_test_videos(names, 0.3, seed, fixed)
        assert len(chosen) == 3 and "v2" in chosen and not chosen & {"v0", "v1"}
    assert choose_test_videos(names, 0, 1, fixed) == {"v2"}
    assert choose_test_videos(["a", "b"], 0.2, 1, {"a": "train"}) == {"b"}
    assert choose_test_videos(["a", "b"], 0.9, 1, {"a": "train", "b": "train"}) == frozenset()


def test_keys_of_videos_without_a_span_stay_what_they_were():
    assert VideoEntry().applied(SpaOptions()).candidate_key("a") == SpaOptions().candidate_key("a")
    assert SpaOptions(span=(0, 9)).candidate_key("a") != SpaOptions().candidate_key("a")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two videos with a table: a span, a split, and a record that a spreadsheet would obey."""
    videos = tmp_path_factory.mktemp("table")
    moving = np.concatenate([rain("coins").frames[:12], rain("coffee").frames])
    write_clip(videos / "a.mp4", moving)
    write_clip(videos / "b.mp4", rain("cup").frames)
    (videos / "videos.csv").write_text(
        "video,split,start,end,origin,exposure,max_frames,density\n"
        'a.mp4,test,14,44,=HYPERLINK("x"),1/250,,dense\n'.replace('"x"', "x")
        + "b.mp4,train,,,own,,2,\n"
    )
    options = SpaOptions(method="exact", layout="pairs", name="toy", density="normal")
    plan = plan_build([videos], videos.parent / "results", options)
    return videos.parent / "results", build_spa(plan, videos.parent / "results", options)


def metadata(out, name):
    with (out / "dataset" / name / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_span_and_the_split_are_kept(built):
    out, report = built
    rows = {row.video: row for row in report.rows}
    assert {name: row.split for name, row in rows.items()} == {"a.mp4": "test", "b.mp4": "train"}
    frames = [int(row["frame"]) for row in metadata(out, "toy")]
    assert (min(frames), max(frames), len(frames)) == (14, 43, 30)
    assert len(metadata(out, "toy-train")) == 2


def test_the_record_is_in_table_card_and_croissant(built):
    out, _ = built
    row = metadata(out, "toy")[0]
    assert row["origin"] == "'=HYPERLINK(x)" and row["exposure"] == "1/250"
    assert "as_filmed" not in row and row["density"] == "dense"
    assert metadata(out, "toy-train")[0]["origin"] == "own"
    card = read_card(out / "dataset/toy.toml")
    assert "Videos by origin: =HYPERLINK(x) (1)." in card.notes
    assert "one video" in card.notes and "left out" in card.notes
    fields = json.loads((out / "dataset/croissant.json").read_text("utf-8"))["recordSet"][0][
        "field"
    ]
    described = {each["name"]: each.get("description", "") for each in fields}
    assert "shutter" in described["exposure"]
    assert "interpolation" in described["corrections"]


def test_a_split_of_one_video_is_told(built):
    _, report = built
    assert len(report.warnings) == 2
    assert re.search(r"the train split are of one video, b\.mp4", report.warnings[0])
    assert re.search(r"the test split are of one video, a\.mp4", report.warnings[1])


def test_a_span_beyond_the_video_is_refused(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_clip(folder / "a.mp4", rain("cup", 12).frames)
    for cells, message in (("100,", "start 100"), (",100", "end 100")):
        (folder / "videos.csv").write_text(f"video,start,end\na.mp4,{cells}\n")
        with pytest.raises(RainbenchError, match=f"line 2: {message} lies beyond the 12 frames"):
            plan_build([folder], tmp_path / "out", SpaOptions())


def test_the_command_writes_a_template_and_tells_of_the_table(rainbench, videos, tmp_path):
    call = ["build-spa", videos, "--out", tmp_path / "out"]
    done = rainbench(*call, "--write-videos", videos / "videos.csv")
    assert done.returncode == 0 and "--videos" in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()
    (videos / "videos.csv").write_text("video,isso\na.mp4,100\n")
    done = rainbench(*call, "--dry-run")
    assert done.returncode == 2 and 'Did you mean "iso"' in done.stderr, done.stderr
    done = rainbench(*call, "--videos", tmp_path / "none.csv")
    assert done.returncode == 2 and "no such file" in done.stderr and "Traceback" not in done.stderr


def test_what_was_corrected_is_not_called_as_filmed(tmp_path):
    frames = rain("coffee", 24).frames.astype(np.float64)
    light = np.linspace(0.9, 1.1, 24)[:, None, None, None]
    drifting = np.clip(frames * light, 0, 255).round().astype(np.uint8)
    clip = write_clip(tmp_path / "v.mp4", drifting)
    options = SpaOptions(
        method="exact", layout="pairs", name="toy", density="normal", align=True, min_psnr=20,
        max_frames=2, allow_objects=1,
    )  # fmt: skip
    report = build_spa(plan_build([clip], tmp_path / "out", options), tmp_path / "out", options)
    assert report.rows[0].state == "accepted", report.rows
    assert {row["as_filmed"] for row in metadata(tmp_path / "out", "toy")} == {"no"}
    assert "are not as filmed" in read_card(tmp_path / "out/dataset/toy.toml").notes
