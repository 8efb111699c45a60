"""List files as people have them."""

import pytest
from small_pairs import card, case_is_kept, picture, put

from rainbench.catalog.cards import Layout
from rainbench.core.errors import PairError
from rainbench.core.images import write_png
from rainbench.pairs import lists
from rainbench.pairs.load import load_pairs

LIST = Layout(name="list", list_file="list.txt")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def load(folder, content, **options):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "list.txt").write_bytes(data)
    return load_pairs(card(LIST), folder, **options)


def names(pairs):
    return [(pair.rainy.path.name, pair.clean.path.name) for pair in pairs.pairs]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n  \n"])
@pytest.mark.parametrize("between", [" ", "\t", ", ", ",", ";", " | ", "   "])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_separators_quotes_and_ends_of_lines(folder, end, between, quote):
    put(folder, "a.png", "b.png")
    lines = [f"{quote}rainy/{n}.png{quote}{between}{quote}/clean/{n}.png{quote}" for n in "ab"]
    assert names(load(folder, end.join(lines) + end)) == [("a.png",) * 2, ("b.png",) * 2]


@pytest.mark.parametrize("between", [" ", "\t", ","])
def test_names_with_blanks_and_commas(folder, between):
    put(folder, "a 1.png", "b, 2.png", "c#3.png", " d'4'.png")
    each = ("a 1", "b, 2", "c#3", " d'4'")
    found = load(folder, "\n".join(f"rainy/{n}.png{between}clean/{n}.png" for n in each))
    assert sorted(names(found)) == sorted((f"{n}.png",) * 2 for n in each)


def test_marks_backslashes_remarks_and_dots(folder):
    put(folder, "a.png", "b.png", "c.png", "d.png")
    content = (
        "\ufeff# rainy and clean\n"
        ".\\rainy\\a.png\tclean\\a.png\n"
        "./rainy//b.png clean/b.png # the bridge\n"
        "\ufeffrainy/c.png clean/c.png\n"
        "#rainy/x.png clean/x.png\n"
        "  RAINY/D.png   Clean/d.PNG  \n"
    )
    assert sorted(names(load(folder, content))) == [(f"{name}.png",) * 2 for name in "abcd"]


@pytest.mark.parametrize(
    ("encoding", "name", "called"),
    [
        ("gb18030", "雨天", "GBK"),
        ("big5", "雨天", "Big5"),
        ("utf-16", "雨", "UTF-16"),
        ("utf-16-le", "a", "UTF-16"),
        ("utf-16-be", "a", "UTF-16"),
        ("utf-32", "a", "UTF-32"),
        ("latin_1", "nuß-é", "Latin-1"),
        ("cp1252", "nuß-é", "Windows-1252"),
    ],
)
def test_other_encodings_are_called_by_name(folder, encoding, name, called):
    put(folder, f"{name}.png")
    with pytest.raises(PairError, match=rf"list\.txt: is not UTF-8 text but, it seems.*{called}"):
        load(folder, f"rainy/{name}.png clean/{name}.png\n".encode(encoding))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rainy/b.png", "expected a rainy and a clean path"),
        ("rainy/b.png clean/b.png 7 8", r"expected .* \(4 words\)"),
        ("rainy/b.png clean/x.png", r"clean/x\.png is not a file of this folder$"),
        ("rainy/b.png ../toy/clean/b.png", "not a file of this folder; paths are relative to it"),
        ("/etc/passwd clean/b.png", "etc/passwd is not a file of this folder; paths are relative"),
        (r"C:\data\b.png clean/b.png", "not a file of this folder; paths are relative to it"),
        ("rainy/b.png clean/list.txt", "is not a file"),
        ("rainy/b.png list.txt", r"list\.txt: files that end with \.txt are not read"),
        ("x" * 100_000 + " y", r"expected .*x\.\.\."),
        (" , " * 500 + "x y", "expected a rainy"),
        ("rainy/a.png clean/a.png", r"repeats line 1 \(rainy/a\.png\)"),
    ],
)
def test_a_line_that_is_no_pair_is_named(folder, line, message):
    put(folder, "a.png", "b.png")
    content = f"rainy/a.png clean/a.png\n{line}\n"
    with pytest.raises(PairError, match=f"(?m)list.txt, line 2: .*{message}"):
        load(folder, content)
    assert names(load(folder, content, allow_partial=True)) == [("a.png", "a.png")]


def test_an_absolute_path_that_leads_here(folder):
    put(folder, "a.png")
    assert names(load(folder, f"{folder}/rainy/a.png {folder}/clean/a.png")) == [("a.png", "a.png")]


def test_a_rainy_image_with_two_clean_ones_is_no_guess(folder):
    put(folder, "a.png", "b.png", "c.png")
    content = "rainy/a.png clean/a.png\nrainy/a.png clean/b.png\nrainy/c.png clean/c.png\n"
    with pytest.raises(PairError, match=r"line 2: rainy/a\.png belongs to .*b\.png here, but to"):
        load(folder, content)
    assert names(load(folder, content, allow_partial=True)) == [("c.png", "c.png")]


def test_a_line_that_can_be_divided_in_two_ways(folder):
    put(folder, "a.png")
    for name in ("x", "x y", "y z", "z"):
        write_png(folder / name, picture(3))
    with pytest.raises(PairError, match=r"can be divided before y z or before z"):
        load(folder, "x y z\n")


def test_case_twins_in_a_list(folder):
    if not case_is_kept(folder):
        pytest.skip("no two names that differ in case only")
    put(folder, "A.png", "a.png")
    assert len(load(folder, "rainy/A.png clean/A.png\nrainy/a.png clean/a.png").pairs) == 2
    with pytest.raises(PairError, match=r"means .*A\.png or .*a\.png"):
        load(folder, "RAINY/a.PNG clean/a.png")


def test_lists_that_cannot_be_read(folder, monkeypatch):
    put(folder, "a.png")
    with pytest.raises(PairError, match="matches no layout"):
        load_pairs(card(LIST), folder)
    with pytest.raises(PairError, match=r"list\.txt: names no pair"):
        load(folder, "\n# nothing\n")
    with pytest.raises(PairError, match=r"list\.txt: is not UTF-8 text but, it seems, no text"):
        load(folder, b"ab\0cdefgh" * 9)
    monkeypatch.setattr(lists, "LARGEST_LIST", 20)
    with pytest.raises(PairError, match=r"list\.txt: cannot be read: it is larger than"):
        load(folder, "rainy/a.png clean/a.png")


@pytest.mark.timeout(60)
def test_a_huge_list_of_missing_files(folder):
    put(folder, "a.png")
    lines = ["rainy/a.png clean/a.png", *(f"rainy/{n}.png clean/{n}.png" for n in range(50_000))]
    with pytest.raises(PairError, match="50000 problems"):
        load(folder, "\n".join(lines))


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", " \u00a0 ", "\u2003", "\u200b", "\t\u00a0"])
def test_blanks_of_web_pages_and_word_processors(tmp_path, blank):
    put(tmp_path, "1.png", "2.png")
    lines = [f"rainy/{n}.png{blank}clean/{n}.png{blank}" for n in (1, 2)]
    (tmp_path / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    assert len(load_pairs(card(Layout(name="l", list_file="list.txt")), tmp_path).pairs) == 2


@pytest.mark.parametrize("header", ["rainy clean", "rainy,clean", "Input\tGT", "\n\ninput;target"])
def test_a_line_that_names_columns(tmp_path, header):
    put(tmp_path, "1.png")
    (tmp_path / "list.txt").write_text(f"{header}\nrainy/1.png clean/1.png\n")
    assert len(load_pairs(card(Layout(name="l", list_file="list.txt")), tmp_path).pairs) == 1
    (tmp_path / "list.txt").write_text(f"rainy/1.png clean/1.png\n{header.strip()}\n")
    with pytest.raises(PairError, match=r"list\.txt, line 2"):
        load_pairs(card(Layout(name="l", list_file="list.txt")), tmp_path)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "\ufeff", "rainy clean\n"])
def test_a_list_without_a_pair(tmp_path, text):
    put(tmp_path, "1.png")
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(PairError, match=r"list\.txt: names no pair"):
        load_pairs(card(Layout(name="l", list_file="list.txt")), tmp_path)


def test_absolute_paths_into_the_folder(tmp_path):
    folder = tmp_path / "real"
    put(folder, "1.png", "2.png")
    (tmp_path / "link").symlink_to(folder)
    lines = [f"{tmp_path / 'link'}/rainy/1.png {folder}/clean/1.png", "rainy/2.png clean/2.png"]
    (folder / "list.txt").write_text("\n".join(lines))
    found = load_pairs(card(Layout(name="l", list_file="list.txt")), tmp_path / "link")
    assert [pair.id for pair in found.pairs] == ["1", "2"]
    (folder / "list.txt").write_text("/elsewhere/rainy/1.png /elsewhere/clean/1.png")
    with pytest.raises(PairError, match="not a file of this folder; paths are relative to it"):
        load_pairs(card(Layout(name="l", list_file="list.txt")), folder)
