"""Fetching: what arrives is checked before it gets its name."""

import hashlib
import http.server
import threading

import pytest

from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.fetch import fetch_weights
from rainbench.catalog.registry import Entry, load_registry
from rainbench.core.errors import WeightsError

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

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def entry(source):
    card = WeightsCard(
        tag="x",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        files=("net/good.pth",),
        source=source,
        licence="",
        trained_on=(),
    )
    return Entry(load_registry().baselines["prenet"], card)


def test_download_check_rename(tmp_path, address):
    file = fetch_weights(entry(f"{address}/good.pth"), tmp_path / "w")
    assert file == tmp_path / "w" / "net" / "good.pth" and file.read_bytes() == CONTENT
    assert fetch_weights(entry("nowhere"), tmp_path / "w") == file


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page.pth", "is an HTML page, not the weights of prenet.x"),
        ("/none.pth", "cannot be downloaded: HTTPError"),
    ],
)
def test_nothing_is_left_of_a_bad_download(tmp_path, address, path, message):
    with pytest.raises(WeightsError, match=message):
        fetch_weights(entry(address + path), tmp_path / "w")
    assert not [file for file in (tmp_path / "w").rglob("*") if file.is_file()]


def test_by_hand(tmp_path):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    assert file.read_bytes() == CONTENT
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"other\.pth: is another file"):
        fetch_weights(entry("a drive"), tmp_path / "w2", source=tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no address to download from"):
        fetch_weights(entry("a drive"), tmp_path / "w2")
    with pytest.raises(WeightsError, match="No such file"):
        fetch_weights(entry("a drive"), tmp_path / "w2", source=tmp_path / "gone.pth")


def test_a_wrong_file_by_hand_is_told_even_where_the_right_one_is_there(tmp_path):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    file = fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "mine.pth")
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"other\.pth: is another file"):
        fetch_weights(entry("a drive"), tmp_path / "w", source=tmp_path / "other.pth")
    assert file.read_bytes() == CONTENT
