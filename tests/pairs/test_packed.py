"""Data sets inside archives and saved tables are read in place, and hostile ones are refused."""

import gzip
import importlib.util
import io
import os
import shutil
import struct
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import pytest
from small_pairs import card, put

import rainbench as rb
from rainbench.catalog.folders import readable_folders
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.core.packed import tars
from rainbench.core.packed.places import find_packed
from rainbench.pairs.copies import copies_of
from rainbench.pairs.folders import load_folders
from rainbench.pairs.load import load_first_copy, load_pairs

NAMES = ("1.png", "2.png", "3.png", "10.png")
KINDS = (".zip", ".tar", ".tar.gz", ".tgz")


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "pairs", *NAMES)
    return tmp_path / "pairs"


def pack(folder, archive, inside="", *, method=zipfile.ZIP_DEFLATED):
    """Pack a folder's files, below a folder in the archive if one is named."""
    files = {
        f"{inside}{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return write(archive, list(files.items()), method=method)


def write(archive, members, *, method=zipfile.ZIP_DEFLATED):
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", method) as opened:
            for name, data in members:
                opened.writestr(name, data)
        return archive
    with tarfile.open(archive, "w" if archive.suffix == ".tar" else "w:gz") as opened:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return archive


def hashes(pairs):
    return [(each.id, each.rainy_sha256, each.clean_sha256) for each in pairs.manifest]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", ["", "./", "toy/", "toy-main/a/", ".\\toy\\"])
def test_an_archive_is_the_folder_that_was_packed(folder, tmp_path, kind, inside):
    archive = pack(folder, tmp_path / f"down/toy{kind}", inside)
    wanted = hashes(load_pairs(card(), folder))
    for roots in ([archive], [tmp_path / "down"]):
        copies = copies_of(card(), readable_folders(roots), only=True)
        pairs = load_first_copy(card(), copies)
        assert hashes(pairs) == wanted and len(copies) == 1
    assert list((tmp_path / "down").iterdir()) == [archive]


@pytest.mark.parametrize("kind", KINDS)
def test_two_folders_in_archives(folder, tmp_path, kind):
    both = pack(folder, tmp_path / f"both{kind}", "set/")
    wanted = hashes(load_folders(folder / "rainy", folder / "clean"))
    assert hashes(load_folders(both / "set/rainy", both / "set/clean")) == wanted
    one = (
        pack(folder / "rainy", tmp_path / f"in{kind}"),
        pack(folder / "clean", tmp_path / "gt.zip"),
    )
    assert hashes(load_folders(*one)) == wanted
    assert rb.load_dataset(rainy=one[0], clean=one[1])[3].id == "10"
    with pytest.raises(RainbenchError, match="there is no such folder"):
        load_folders(both / "set/rain", both / "set/clean")


def test_several_sets_in_one_archive(folder, tmp_path, caplog):
    archive = pack(folder, tmp_path / "all.zip", "Toy/")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("other/rainy/1.png", b"x")
        opened.writestr("__MACOSX/Toy/rainy/._1.png", b"x")
    (copy,) = copies_of(card(), [archive], only=True)
    assert copy == archive / "Toy" and len(load_pairs(card(), copy).pairs) == 4
    assert not caplog.records


def test_list_files_and_stored_members(folder, tmp_path):
    from rainbench.catalog.cards import Layout

    (folder / "pairs.txt").write_text("".join(f"rainy/{n} clean/{n}\n" for n in NAMES[:3]))
    archive = pack(folder, tmp_path / "a.zip", method=zipfile.ZIP_STORED)
    assert len(load_pairs(card(Layout(name="l", list_file="pairs.txt")), archive).pairs) == 3


def test_a_large_archive_in_gzip_is_not_unpacked_from_its_start(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "_APART", 1 << 16)
    chance = os.urandom(40_000)
    members = [(f"{n}.bin", bytes([n]) * 1000 + chance + bytes([n])) for n in range(60)]
    archive = write(tmp_path / "a.tar.gz", members)
    packed, _ = find_packed(archive)
    read = []
    monkeypatch.setattr(tars, "_READ", 1 << 14)
    real = tars._Gzip._unpacked
    monkeypatch.setattr(
        tars._Gzip, "_unpacked", lambda *given: read.append(len(given[2])) or real(*given)
    )
    for name, data in [*members[::-1], *members[::7]]:
        read.clear()
        assert packed.read(name, 1 << 20) == data
        assert sum(read) < 400_000  # of 2.4 MB


def test_joined_gzip_files_are_one(folder, tmp_path):
    plain = pack(folder, tmp_path / "a.tar").read_bytes()
    half = len(plain) // 2
    joined = tmp_path / "b.tar.gz"
    joined.write_bytes(gzip.compress(plain[:half]) + gzip.compress(plain[half:]) + b"\0" * 100)
    assert len(load_pairs(card(), joined).pairs) == 4


def test_an_archive_that_is_another_one_now(folder, tmp_path):
    archive = pack(folder, tmp_path / "toy.zip")
    pairs = rb.load_dataset(rainy=archive / "rainy", clean=archive / "clean")
    put(folder, *NAMES, number=50)
    pack(folder, archive)
    with pytest.raises(RainbenchError, match="changed while"):
        _ = pairs[0].rainy


def refusal(archive):
    with pytest.raises(RainbenchError) as caught:
        load_folders(archive / "rainy", archive / "clean")
    error = caught.value
    assert str(archive) in error.message and error.hint
    return error.message


PICTURE = ("rainy/1.png", b"x")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["../1.png", "rainy/../../1.png", "/etc/1.png", "C:/1.png", "rainy\\..\\..\\1.png"]
)
def test_names_that_lead_out(tmp_path, kind, name):
    archive = write(tmp_path / f"a{kind}", [PICTURE, (name, b"x")])
    assert "leads out of it" in refusal(archive)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["rainy/1.png", "./rainy/1.png", "rainy//1.png"])
def test_one_name_twice(tmp_path, kind, name):
    archive = write(tmp_path / f"a{kind}", [PICTURE, (name, b"y")])
    assert "holds rainy/1.png twice" in refusal(archive)


def test_names_that_differ_in_case_are_one_member(folder, tmp_path):
    shutil.copy(folder / "rainy/1.png", tmp_path / "one.png")
    archive = pack(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.write(tmp_path / "one.png", "rainy/1.PNG")
    with pytest.raises(RainbenchError, match="are the same member"):
        load_pairs(card(), archive)


@pytest.mark.parametrize("what", ["SYMTYPE", "LNKTYPE", "FIFOTYPE", "CHRTYPE"])
def test_members_that_are_no_files(tmp_path, what):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as opened:
        info = tarfile.TarInfo("rainy/1.png")
        info.type, info.linkname = getattr(tarfile, what), "/etc/passwd"
        opened.addfile(info)
    assert "rainy/1.png is" in refusal(archive)


def test_a_link_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("rainy/1.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    assert "is a link" in refusal(write(tmp_path / "a.zip", [(info, b"/etc/passwd")]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_cut_archives(folder, tmp_path, kind, share):
    archive = pack(folder, tmp_path / f"a{kind}")
    data = archive.read_bytes()
    if kind == ".tar":  # behind the last member are zeros only, which may be cut but for a block
        data = data.rstrip(b"\0")
    archive.write_bytes(data[: int(share * len(data))])
    assert "cut short" in refusal(archive) or "damaged" in refusal(archive)


def test_a_tar_that_is_cut_between_two_members(tmp_path):
    archive = write(tmp_path / "a.tar", [(f"rainy/{n}.png", b"x" * 512) for n in range(4)])
    archive.write_bytes(archive.read_bytes()[: 2 * 1024])
    assert "cut short" in refusal(archive)
    archive = write(tmp_path / "b.tar", [(f"rainy/{n}.png", b"x" * 512) for n in range(4)])
    archive.write_bytes(archive.read_bytes() * 2)
    assert "several archives joined" in refusal(archive)


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_flipped_bits_are_noticed(folder, tmp_path, kind):
    archive = pack(folder, tmp_path / f"a{kind}")
    whole = archive.read_bytes()
    wanted = hashes(load_folders(archive / "rainy", archive / "clean"))
    for place in range(31, len(whole), len(whole) // 40):
        data = bytearray(whole)
        data[place] ^= 0x40
        archive.write_bytes(bytes(data))
        try:
            found = hashes(load_folders(archive / "rainy", archive / "clean"))
        except RainbenchError:
            continue
        assert found == wanted  # times and the like


def test_encrypted_members(tmp_path):
    archive = write(tmp_path / "a.zip", [PICTURE])
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(bytes(data))
    assert "is encrypted" in refusal(archive)


def test_compressions_that_are_not_read(tmp_path):
    assert "number 14" in refusal(write(tmp_path / "a.zip", [PICTURE], method=zipfile.ZIP_LZMA))


def test_members_that_share_their_bytes(tmp_path):
    archive = write(tmp_path / "a.zip", [("rainy/1.png", b"x" * 90), ("rainy/2.png", b"y" * 90)])
    data = bytearray(archive.read_bytes())
    second = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, second + 42, 0)
    archive.write_bytes(bytes(data))
    assert "begins within another member" in refusal(archive)


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_archives_that_fill_memories(tmp_path, monkeypatch, kind):
    from rainbench.core.packed import kinds

    monkeypatch.setattr(kinds, "ALWAYS_ALLOWED", 1 << 20)
    archive = write(tmp_path / f"a{kind}", [("rainy/1.png", bytes(8 << 20))])
    assert "meant to fill disks" in refusal(archive)


def test_a_member_that_lies_about_its_size(folder, tmp_path):
    archive = pack(folder, tmp_path / "a.zip")
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 7)
    archive.write_bytes(bytes(data))
    with pytest.raises(RainbenchError, match=r"clean/1\.png.*damaged in the archive"):
        read_image(archive / "clean/1.png")


@pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.tar.xz", "a.txt"])
def test_other_files_are_no_folders(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RainbenchError, match="is no folder") as caught:
        readable_folders([tmp_path / name])
    assert ".tar.gz" in caught.value.hint


def test_a_page_instead_of_an_archive(tmp_path):
    for kind in KINDS:
        (tmp_path / f"a{kind}").write_text("<html>not found</html>")
        assert "is no" in refusal(tmp_path / f"a{kind}")


def test_a_run_on_archives(rainbench, folder, tmp_path):
    archive = pack(folder, tmp_path / "mine.tar.gz")
    given = ("--rainy", archive / "rainy", "--clean", archive / "clean", "--out", tmp_path / "run")
    done = rainbench("run", "-b", "identity", *given)
    assert done.returncode == 0 and "mine-tar-gz-rainy, 4 images" in done.stdout
    again = rainbench("run", "-b", "identity", *given)
    assert again.stdout == done.stdout and "1 kept" in again.stderr
    assert rainbench("report", tmp_path / "run", "--data", archive).returncode == 0
    given = ("--rainy", archive / "rainy", "--metrics", "streaks-left", "--out", tmp_path / "real")
    real = rainbench("run", "-b", "identity", *given)
    assert real.returncode == 0, real.stderr


def saved(folder, tmp_path, columns=("lq", "gt"), splits=("test",)):
    """Save a data set by the library itself, of pictures in two columns."""
    datasets = pytest.importorskip("datasets")
    if not hasattr(datasets, "Features"):
        pytest.skip("the folder of cards is imported in the place of the library")
    rows = {
        column: [str(folder / side / name) for name in NAMES]
        for column, side in zip(columns, ("rainy", "clean"), strict=True)
    }
    features = datasets.Features({column: datasets.Image() for column in columns})
    table = datasets.Dataset.from_dict(rows, features=features)
    found = datasets.DatasetDict(dict.fromkeys(splits, table)) if splits else table
    found.save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


@pytest.mark.parametrize("splits", [(), ("test",), ("train", "test"), ("train",)])
def test_a_saved_data_set(folder, tmp_path, splits):
    place = saved(folder, tmp_path, splits=splits)
    wanted = [each[1:] for each in hashes(load_folders(folder / "rainy", folder / "clean"))]
    found = rb.load_dataset(str(place))
    assert [each[1:] for each in hashes(found.pairs)] == wanted and found.name == "saved"
    assert [found[n].id for n in range(4)] == ["0", "1", "2", "3"]


def test_columns_that_nothing_tells(folder, tmp_path):
    place = saved(folder, tmp_path, columns=("a", "b"), splits=("one", "two"))
    with pytest.raises(RainbenchError, match="which of its splits"):
        rb.load_dataset(str(place))
    pairs = load_folders(place / "two/a", place / "two/b")
    assert len(pairs.pairs) == 4


def stand_in(rows, monkeypatch, online=True):
    """What stands for `datasets` and the hub: a repository with one split."""
    module, hub = types.ModuleType("datasets"), types.ModuleType("huggingface_hub")

    class Image:
        def __init__(self, decode=True):
            pass

    class Table(list):
        features = dict.fromkeys(("rainy", "clean"), Image())

        def select_columns(self, names):
            return self

        def cast_column(self, name, kind):
            return self

        def save_to_disk(self, place):
            for name in ("state.json", "dataset_info.json"):
                Path(place, name).write_text("{}")

    class Api:
        def dataset_info(self, repository, revision=None):
            if not online:
                raise ConnectionError("no route to host")
            return types.SimpleNamespace(sha=("c" if revision is None else "d") * 40)

    module.Image, hub.HfApi = Image, Api
    module.load_dataset = lambda repository, revision: Table(rows)
    module.load_from_disk = lambda place: Table(rows)
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)


@pytest.fixture
def rows(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return [
        {side: {"bytes": (folder / side / name).read_bytes()} for side in ("rainy", "clean")}
        for name in NAMES
    ]


def test_a_data_set_of_the_hub(rows, folder, monkeypatch):
    stand_in(rows, monkeypatch)
    found = rb.load_dataset("hf-dataset://me/rain")
    assert (len(found) == 4 and found.name == "me--rain-" + "c" * 40) or found.name
    assert found.pairs.card.sources == (f"hf-dataset://me/rain@{'c' * 40}",)
    stand_in(rows, monkeypatch, online=False)
    assert len(rb.load_dataset("hf-dataset://me/rain")) == 4
    with pytest.raises(RainbenchError, match="cannot be fetched: ConnectionError") as caught:
        rb.load_dataset("hf-dataset://me/rain@v2")
    assert "Without a connection" in caught.value.hint
    with pytest.raises(RainbenchError, match="is no address"):
        rb.load_dataset("hf-dataset://me/rain/../../x")


def test_rows_without_a_picture(rows, monkeypatch):
    rows[1]["rainy"], rows[2]["clean"] = None, {"bytes": None, "path": "/etc/passwd"}
    stand_in(rows, monkeypatch)
    with pytest.raises(RainbenchError, match="the row has no picture") as caught:
        rb.load_dataset("hf-dataset://me/rain")
    assert "its file lies elsewhere" in str(caught.value)
    assert len(rb.load_dataset("hf-dataset://me/rain", allow_partial=True)) == 2


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(RainbenchError, match=r"needs datasets") as caught:
        rb.load_dataset("hf-dataset://me/rain")
    assert "rainbench[datasets]" in caught.value.hint
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "datasets").mkdir()
    monkeypatch.delitem(sys.modules, "datasets")
    if importlib.util.find_spec("datasets").origin is None:  # a folder is no library
        with pytest.raises(RainbenchError, match="needs datasets"):
            rb.load_dataset("hf-dataset://me/rain")
