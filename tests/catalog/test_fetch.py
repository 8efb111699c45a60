"""Fetching: what arrives is checked before it gets its name."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from rainbench.catalog import fetch
from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.fetch import FetchLimits, fetch_weights
from rainbench.catalog.registry import Entry, load_registry
from rainbench.catalog.weights import find_weights, read_state_dicts
from rainbench.core.errors import WeightsError
from rainbench.core.resume import git_hash

CONTENT = b"these are weights"


@pytest.fixture
def address(tmp_path):
    """A server on the loopback that hands out one good file and one error page."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "good.pth").write_bytes(CONTENT)
    (folder / "page.pth").write_bytes(b"<!DOCTYPE html>quota exceeded")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            answer = getattr(self, f"send_{self.path.strip('/').partition('.')[0]}", None)
            with contextlib.suppress(ConnectionError):
                answer() if answer else super().do_GET()

        def _head(self, code=200, **headers):
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def send_truncated(self):
            self._head(Content_Length="1000")
            self.wfile.write(CONTENT)

        def send_huge(self):
            self._head(Content_Length=str(10**12))

        def send_endless(self):
            self._head()
            for _ in range(1000):
                self.wfile.write(bytes(1 << 16))

        def send_slow(self):
            self._head()
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)

        def send_murmur(self):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.1)

        def send_moved(self):
            self._head(302, Location="/good.pth")

        def send_local(self):
            self._head(302, Location=(folder / "good.pth").as_uri())

        def send_round(self):
            self._head(302, Location="/round.pth")

        def send_rubbish(self):
            self.wfile.write(b"\x00\xffnot http at all\r\n\r\n")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def entry(source, file="net/good.pth"):
    card = WeightsCard(
        tag="x",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        files=(file,),
        source=source,
        licence="",
        trained_on=(),
    )
    return Entry(load_registry().baselines["prenet"], card)


def by_git(found):
    """Return an entry that is known by the name that git has for its content."""
    head = f"blob {len(CONTENT)}\0".encode()
    sha1 = hashlib.sha1(head + CONTENT, usedforsecurity=False).hexdigest()
    return Entry(found.baseline, dataclasses.replace(found.weights, sha256="", git_sha1=sha1))


def test_a_file_of_which_git_alone_knows_a_hash_is_checked_by_that(tmp_path, address):
    known = by_git(entry(f"{address}/good.pth"))
    file = fetch_weights(known, tmp_path / "w")
    assert file.read_bytes() == CONTENT and fetch_weights(by_git(entry("nowhere")), tmp_path / "w")
    assert find_weights(known, [tmp_path]) == file
    wanted = known.weights.hash_of(file)
    wrong = tmp_path / "wrong.pth"
    torch.save({"a": torch.zeros(1)}, wrong)
    with pytest.raises(WeightsError, match=r"git's sha1 \w{12}\.\.\., the card says \w{12}"):
        read_state_dicts(wrong, wanted)
    assert read_state_dicts(wrong, git_hash(wrong))[""].keys() == {"a"}
    with pytest.raises(WeightsError, match=r"another file \(git's sha1 .*the weights of prenet.x"):
        fetch_weights(known, tmp_path / "v", source=wrong)
    assert not (tmp_path / "v").exists()


def test_download_check_rename(tmp_path, address):
    file = fetch_weights(entry(f"{address}/good.pth"), tmp_path / "w")
    assert file == tmp_path / "w" / "net" / "good.pth" and file.read_bytes() == CONTENT
    assert fetch_weights(entry("nowhere"), tmp_path / "w") == file


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page.pth", "is an HTML page, not the weights of prenet.x"),
        ("/none.pth", "cannot be downloaded: the server answers 404"),
        ("/truncated.pth", r"broke off after 17 of 1,000 bytes"),
        ("/huge.pth", "is larger than 4,294,967,296 bytes"),
        ("/local.pth", "the server answers 302 Found with an address that is not followed"),
        ("/round.pth", "cannot be downloaded: the server answers 302 Found with an address"),
        ("/rubbish.pth", "cannot be downloaded: the server's answer cannot be understood"),
        ("/a b\u00fc.pth", "the server answers 404"),
        (":99999999/x", "cannot be downloaded: the server's name is not known"),
    ],
)
def test_nothing_is_left_of_a_bad_download(tmp_path, address, path, message):
    with pytest.raises(WeightsError, match=message):
        fetch_weights(entry(address + path), tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_folders_that_were_there_stay_after_a_bad_download(tmp_path, address):
    (tmp_path / "w").mkdir()
    (tmp_path / "v" / "net").mkdir(parents=True)
    for folder in ("w", "v"):
        with pytest.raises(WeightsError):
            fetch_weights(entry(f"{address}/none.pth"), tmp_path / folder)
    assert list((tmp_path / "w").iterdir()) == []
    assert list((tmp_path / "v").rglob("*")) == [tmp_path / "v" / "net"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (URLError(socket.gaierror(-2, "Name or service not known")), "name is not known"),
        (URLError(ConnectionRefusedError(111, "refused")), "the server refuses the connection"),
        (URLError(OSError(113, "No route to host")), "No route to host"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] (_ssl.c:1)"), "no secure connection"),
        (TimeoutError("timed out"), "the server does not answer in time"),
        (ConnectionResetError(104, "reset"), "the connection broke off"),
        (http.client.RemoteDisconnected("Remote end closed"), "the connection broke off"),
        (http.client.IncompleteRead(b"x"), "the connection broke off"),
        (http.client.LineTooLong("header line"), "the server's answer cannot be understood"),
        (UnicodeError("label too long"), "it is no valid address"),
        (ssl.SSLCertVerificationError(1, "[SSL: X] (_ssl.c:1)"), "certificate is not trusted"),
    ],
)
def test_errors_of_the_net_are_told_in_words(tmp_path, monkeypatch, error, words):
    class Broken:
        def __init__(self, _sockets):
            pass

        def open(self, *_arguments, **_options):
            raise error

    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    monkeypatch.setattr("rainbench.catalog.fetch._opener", Broken)
    with pytest.raises(WeightsError, match=words) as caught:
        fetch_weights(entry("https://example.org/x.pth"), tmp_path / "w")
    assert not any(raw in str(caught.value) for raw in ("Errno", "_ssl.c", "Error", "<"))
    assert "give it with --from FILE" in str(caught.value)
    assert not (tmp_path / "w").exists()


def test_a_redirect_is_followed(tmp_path, address):
    assert fetch_weights(entry(f"{address}/moved.pth"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "limits", "message"),
    [
        ("/endless.pth", FetchLimits(size=100_000), "is larger than 100,000 bytes"),
        ("/slow.pth", FetchLimits(seconds=0.3), "takes longer than 0 s"),
        ("/murmur.pth", FetchLimits(seconds=0.3), "takes longer than 0 s"),
    ],
)
def test_a_download_has_limits(tmp_path, address, path, limits, message):
    started = time.monotonic()
    with pytest.raises(WeightsError, match=message):
        fetch_weights(entry(address + path), tmp_path / "w", limits=limits)
    assert time.monotonic() - started < 4
    assert not (tmp_path / "w").exists()


def test_a_connection_that_comes_too_late_is_cut(tmp_path):
    """After a redirect, or where connecting took all the time: its head was waited for."""
    with fetch._Deadline(0.05) as deadline:
        time.sleep(0.3)
        ours, server = socket.socketpair()
        with ours, server:
            ours.settimeout(5)
            deadline.watch(ours)
            assert deadline.passed and ours.recv(1) == b""


def test_a_copy_by_hand_has_the_same_clock(tmp_path, monkeypatch):
    """From a drive that gives a byte now and then."""

    class Drive(io.BytesIO):
        def read(self, _size=-1):
            time.sleep(0.05)
            return b"x"

    (tmp_path / "slow.pth").write_bytes(CONTENT)
    real = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, *how, **named: (
            Drive() if self.name == "slow.pth" else real(self, *how, **named)
        ),
    )
    started = time.monotonic()
    with pytest.raises(WeightsError, match=r"slow\.pth: takes longer than 0 s"):
        fetch_weights(
            entry("a drive"),
            tmp_path / "w",
            source=tmp_path / "slow.pth",
            limits=FetchLimits(seconds=0.3),
        )
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "source", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "HTTP://x", "/etc/hostname"]
)
def test_only_http_is_downloaded(tmp_path, source):
    with pytest.raises(WeightsError, match="no address to download from"):
        fetch_weights(entry(source), tmp_path / "w")


@pytest.mark.parametrize("file", ["../../escaped", "a/../../../escaped", "/ABSOLUTE", "link/x"])
def test_nothing_is_written_outside_of_the_folder(tmp_path, file):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    (tmp_path / "mine").write_bytes(CONTENT)
    before = sorted(tmp_path.rglob("*"))
    card = entry("a drive", file.replace("/ABSOLUTE", str(tmp_path / "escaped")))
    with pytest.raises(WeightsError, match="lies outside of"):
        fetch_weights(card, folder, source=tmp_path / "mine")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_fetch_left_is_removed_and_one_at_work_is_not(tmp_path):
    (tmp_path / "mine").write_bytes(CONTENT)
    with subprocess.Popen(["true"]) as ended:
        pass
    at_work = tmp_path / f"w/net/.good.pth.{os.getppid()}.part"
    at_work.parent.mkdir(parents=True)
    at_work.touch()
    (tmp_path / f"w/net/.good.pth.{ended.pid}.part").touch()
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine")
    assert set(file.parent.iterdir()) == {file, at_work}


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_source_that_is_no_file_is_not_read(tmp_path, kind):
    source = tmp_path / "source"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda p: p.symlink_to("/dev/zero")}[kind](
        source
    )
    with pytest.raises(WeightsError, match="not a file of weights"):
        fetch_weights(entry("a drive"), tmp_path / "w", source=source)


def test_by_hand(tmp_path):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    assert file.read_bytes() == CONTENT
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"other\.pth: is another file") as caught:
        fetch_weights(entry("a drive"), tmp_path / "w2", source=tmp_path / "other.pth")
    assert caught.value.hint == "What is wanted is good.pth from a drive."
    with pytest.raises(WeightsError, match="no address to download from"):
        fetch_weights(entry("a drive"), tmp_path / "w2")
    with pytest.raises(WeightsError, match=r"gone\.pth: there is no such file\n.*--from"):
        fetch_weights(entry("a drive"), tmp_path / "w2", source=tmp_path / "gone.pth")


@pytest.mark.parametrize("taken", ["w", "w/net/good.pth"])
def test_a_place_that_is_taken_is_told_with_what_to_do(tmp_path, taken):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    if taken == "w":
        (tmp_path / taken).write_bytes(b"a file")
    else:
        (tmp_path / taken).mkdir(parents=True)
    with pytest.raises(WeightsError, match=r"good\.pth: cannot be written: .*\n.*another --to"):
        fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    assert not list(tmp_path.rglob("*.part"))


def test_a_wrong_file_by_hand_is_told_even_where_the_right_one_is_there(tmp_path):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"other\.pth: is another file"):
        fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "other.pth")
    assert file.read_bytes() == CONTENT


def test_one_process_may_fetch_a_file_again(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match="another file"):
        fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    assert file.read_bytes() == CONTENT


def halves(address, index=b"this is an index"):
    """The entry of a TensorFlow checkpoint, of which a server has both files."""
    both = entry(f"{address}/net.data-00000-of-00001", "tf/net.data-00000-of-00001")
    digest = hashlib.sha256(index).hexdigest()
    return Entry(both.baseline, dataclasses.replace(both.weights, index_sha256=digest))


def serve(tmp_path, index=b"this is an index"):
    (tmp_path / "www" / "net.data-00000-of-00001").write_bytes(CONTENT)
    (tmp_path / "www" / "net.index").write_bytes(index)


def test_both_halves_of_a_checkpoint_are_fetched(tmp_path, address):
    serve(tmp_path)
    file = fetch_weights(halves(address), tmp_path / "w")
    assert file == tmp_path / "w" / "tf" / "net.data-00000-of-00001"
    assert file.with_name("net.index").read_bytes() == b"this is an index"
    file.with_name("net.index").unlink()  # one half of an earlier fetch is there
    fetch_weights(halves(address), tmp_path / "w")
    assert sorted(each.name for each in file.parent.iterdir()) == [file.name, "net.index"]
    by_hand = fetch_weights(halves("nowhere"), tmp_path / "v", source=file)
    assert by_hand.with_name("net.index").read_bytes() == b"this is an index"


def test_a_wrong_or_missing_half_is_refused(tmp_path, address):
    serve(tmp_path, b"another index")
    with pytest.raises(WeightsError, match=r"net\.index: is another file .*not the weights of"):
        fetch_weights(halves(address), tmp_path / "w")
    lonely = tmp_path / "lonely.data-00000-of-00001"
    lonely.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=r"lonely\.index: there is no such file"):
        fetch_weights(halves(address), tmp_path / "v", source=lonely)
