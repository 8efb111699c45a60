"""Data and weights of other machines: copied once, again where they change, never outside."""

import hashlib
import json
import os
from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

from rainbench.catalog.folders import readable_folders
from rainbench.cli import cli
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import without_secrets
from rainbench.core.packed.remote import address_of, places_here


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a remote machine without files."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return tmp_path / "cache"


@pytest.fixture
def remote():
    """Put files where a machine far away has them."""

    def put(files):
        for name, data in files.items():
            with fsspec.open(f"memory://{name}", "wb") as file:
                file.write(data)

    return put


@pytest.fixture
def fetched(monkeypatch):
    """The paths that are read there, as they are."""
    seen, plain = [], MemoryFileSystem._open

    def counting(self, path, mode="rb", **how):
        if mode == "rb":
            seen.append(path)
        return plain(self, path, mode, **how)

    monkeypatch.setattr(MemoryFileSystem, "_open", counting)
    return seen


def tree(folder):
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    "address", ["s3://b/set", "hf://datasets/me/set", "memory://x", "file:///x", "gs://b/a=1/x y"]
)
def test_an_address_survives_being_a_path(address):
    assert address_of(Path(address)) == address_of(address) == address


@pytest.mark.parametrize("path", ["a/b", "/a/s3:/b", "C:/data", "hf:me/set", "s3:bucket", ""])
def test_paths_are_no_addresses(path):
    assert address_of(path) == "" and address_of(Path(path)) == ""


def test_what_is_there_is_fetched_once_and_again_when_it_changes(remote, fetched, cache):
    remote({"set/a.png": b"one", "set/deep/b.png": b"two", "other/c.png": b"no"})
    (here,) = places_here([Path("memory://set")])
    assert tree(here) == {"a.png": b"one", "deep/b.png": b"two"} and here.is_relative_to(cache)
    record = json.loads((here.parent / "copied.json").read_text())
    assert record["files"]["files/a.png"] == hashlib.sha256(b"one").hexdigest()
    assert record["facts"]["address"] == "memory://set"
    del fetched[:]
    assert places_here([Path("memory://set")]) == [here] and fetched == []
    remote({"set/a.png": b"six"})  # of the same length
    MemoryFileSystem().rm("/set/deep/b.png")
    places_here([Path("memory://set")])
    assert fetched == ["/set/a.png"] and tree(here) == {"a.png": b"six"}
    (here / "a.png").write_bytes(b"torn file")
    (here / "stray.png").write_bytes(b"x")
    places_here([Path("memory://set")])
    assert tree(here) == {"a.png": b"six"}


def test_an_interrupted_copy_goes_on(remote, fetched, monkeypatch):
    remote({f"set/{number}.png": b"x" * number for number in range(1, 6)})
    plain = MemoryFileSystem._open

    def breaking(self, path, mode="rb", **how):
        if path.endswith("4.png"):
            raise ConnectionError("the line is dead")
        return plain(self, path, mode, **how)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "_open", breaking)
        with pytest.raises(RainbenchError, match=r"//set: 4\.png: cannot be fetched: .*dead"):
            places_here([Path("memory://set")])
    del fetched[:]
    (here,) = places_here([Path("memory://set")])
    assert fetched == ["/set/4.png", "/set/5.png"] and len(tree(here)) == 5
    assert not list(here.parent.rglob(".*.part"))


def test_a_single_file_is_a_file(remote):
    remote({"w/net.pth": b"weights"})
    (here,) = places_here([Path("memory://w/net.pth")])
    assert here.name == "net.pth" and here.read_bytes() == b"weights"


def test_a_file_address_is_the_place_itself(tmp_path, cache):
    (tmp_path / "set").mkdir()
    assert places_here([Path(f"file://{tmp_path}/set")]) == [tmp_path / "set"]
    assert not cache.exists()


@pytest.mark.parametrize("silent", [("find",), ("find", "info")])
def test_a_size_alone_does_not_prove_that_a_file_is_the_same(remote, fetched, monkeypatch, silent):
    """As web servers and FTP list: what changes is noticed, if only by fetching all again."""

    def without_stamps(plain):
        def asked(self, path, *words, **how):
            found = plain(self, path, *words, **how)
            infos = found.values() if plain.__name__ == "find" else [found]
            for info in infos:
                info.pop("created", None)
            return found

        return asked

    for name in silent:
        monkeypatch.setattr(MemoryFileSystem, name, without_stamps(getattr(MemoryFileSystem, name)))
    remote({"set/a.png": b"one", "set/b.png": b"two"})
    (here,) = places_here([Path("memory://set")])
    remote({"set/a.png": b"six"})
    del fetched[:]
    places_here([Path("memory://set")])
    assert tree(here) == {"a.png": b"six", "b.png": b"two"}
    assert fetched == (["/set/a.png"] if silent == ("find",) else ["/set/a.png", "/set/b.png"])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memory://nowhere", "nothing is there|there is nothing"),
        ("nosuch://x/y", "nosuch://x/y: cannot be reached: .*nosuch"),
        ("s3://bucket/x", "s3fs|cannot be reached"),
    ],
)
def test_what_cannot_be_had_is_told_with_its_address(address, said):
    if address.startswith("s3"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(__import__("sys").modules, "s3fs", None)
            with pytest.raises(RainbenchError, match=said) as told:
                readable_folders([Path(address)])
        assert 'pip install "rainbench[remote]"' in told.value.hint
        return
    with pytest.raises(RainbenchError, match=said) as told:
        readable_folders([Path(address)])
    assert told.value.hint


def test_a_name_that_leads_out_of_the_copy_is_refused(remote, cache):
    remote({"set/a.png": b"x"})
    MemoryFileSystem.store["/set/../../escaped"] = MemoryFileSystem.store["/set/a.png"]
    with pytest.raises(RainbenchError, match="a name that cannot be kept"):
        places_here([Path("memory://set")])
    assert not list(cache.rglob("escaped"))


def test_a_run_on_data_far_away_is_the_same(toy, cards, remote, tmp_path, monkeypatch):
    """By the option, the environment and a file of options, which keeps the address."""
    remote({f"far/{name}": data for name, data in tree(toy).items()})

    def run(out, *words):
        words = ["run", *words, "--cards", str(cards), "--out", str(tmp_path / out)]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (done.output, done.exception)
        files = tree(tmp_path / out)
        return {name: data for name, data in files.items() if "timing" not in name}

    asked = ["-b", "identity", "-d", "toy"]
    plain = run("plain", *asked, "--data", str(toy))
    file = tmp_path / "options.toml"
    far = run("far", *asked, "--data", "memory://far", "--save-config", str(file))
    assert far == plain and 'data = ["memory://far"]' in file.read_text()
    assert run("file", str(file)) == plain
    monkeypatch.setenv("RAINBENCH_DATA", os.pathsep.join([str(tmp_path), "memory://far"]))
    assert run("environment", *asked) == plain


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--all", "--out", "s3://b/x"], "copy it there when all is done"),
        (["build-spa", "s3://b/videos", "--out", "x"], "only --data and --weights"),
        (["report", "s3://b/run"], "only --data and --weights"),
    ],
)
def test_other_places_have_to_be_here(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2 and said in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


SECRET = "hunter2"


@pytest.mark.parametrize("there", [True, False])
def test_no_password_of_an_address_gets_into_results_logs_and_messages(
    toy, cards, remote, tmp_path, there
):
    address = f"memory://me:{SECRET}@far"
    if there:
        remote({f"me:{SECRET}@far/{name}": data for name, data in tree(toy).items()})
    words = ["-vv", "--log", str(tmp_path / "log.txt"), "run", "-b", "identity", "-d", "toy"]
    words += ["--data", address, "--cards", str(cards), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code == 0) == there
    said = [done.output]
    said += [f"{name}\n{data.decode(errors='replace')}" for name, data in tree(tmp_path).items()]
    assert not [text for text in said if SECRET in text]
    if there:
        assert any("me:***@far" in text for text in said)


def test_options_that_hold_a_password_are_said_to(toy, cards, remote, tmp_path):
    remote({f"me:{SECRET}@far/{name}": data for name, data in tree(toy).items()})
    words = ["run", "-b", "identity", "-d", "toy", "--data", f"memory://me:{SECRET}@far"]
    words += ["--cards", str(cards), "--out", str(tmp_path / "out"), "--dry-run"]
    done = CliRunner().invoke(cli, [*words, "--save-config", str(tmp_path / "options.toml")])
    assert "options.toml holds a password" in done.output and SECRET not in done.output


def test_a_training_is_recorded_without_the_password_of_its_data():
    from rainbench.commands.recorded import recorded

    for words in (["--data", f"s3://me:{SECRET}@b"], [f"--data=s3://me:{SECRET}@b"]):
        assert SECRET not in recorded(["train", "sian", *words])


@pytest.mark.parametrize(
    "text",
    [
        f"s3://me:{SECRET}@bucket/x",
        f"s3:/me:{SECRET}@bucket/x",
        f"simplecache::http://me:{SECRET}@host:80/x",
        f"http://me:{SECRET}@@host/x",
        f"https://host/x?a=1&X-Amz-Signature={SECRET}&b=2",
        f"https://host/x?access_token={SECRET}",
    ],
)
def test_secrets_of_every_form_of_address_are_hidden(text):
    assert SECRET not in without_secrets(text)
    assert without_secrets(without_secrets(text)) == without_secrets(text)


@pytest.mark.parametrize(
    "text",
    ["github://me:repo@main/x", "https://host/x?id=3&resourcekey=0-a", "a:b@c", "mail me@host: 3"],
)
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text
