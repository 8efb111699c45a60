"""Fetching weights: to a temporary name, checked against the card, and only then renamed."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socket
import ssl
import stat
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.published_files.names import DATA, index_of
from rainbench.catalog.registry import Entry
from rainbench.catalog.weights import how_to_get_weights, shipped_weights
from rainbench.core.errors import WeightsError, told
from rainbench.core.files import sweep, unfinished
from rainbench.core.resume import file_hash, hash_like, short_hash
from rainbench.core.text import duration, shortened

BY_HAND = "Get the file by hand and give it with --from FILE."

_CHUNK = 1 << 18
_SILENCE = 60.0
"""Seconds without a byte after which a server is given up."""


_IN_WORDS: dict[type[Exception], str] = {
    http.client.InvalidURL: "it is no valid address",
    UnicodeError: "it is no valid address",
    ssl.SSLError: "no secure connection comes about",
    socket.gaierror: "the server's name is not known: is there a connection to the net?",
    TimeoutError: "the server does not answer in time",
    ConnectionRefusedError: "the server refuses the connection",
    ConnectionError: "the connection broke off",
    http.client.IncompleteRead: "the connection broke off",
    http.client.HTTPException: "the server's answer cannot be understood",
    ValueError: "it is no valid address",
}
"""What is said of errors of the network, those of a kind before the kind."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much of the disk and of the user's time a download may take.

    Attributes:
        size: Bytes of one file.
        seconds: Seconds for one file.
    """

    size: int = 4 << 30
    seconds: float = 3600.0


def fetch_weights(
    entry: Entry, folder: Path, *, source: Path | None = None, limits: FetchLimits | None = None
) -> Path:
    """Put an entry's weights below a folder, where ``--weights`` finds them.

    Args:
        entry: The entry.
        folder: Where to; the file gets the card's first relative path below it, the index of a
            TensorFlow checkpoint lies beside it.
        source: A file that was downloaded by hand; None downloads from the card's address.
        limits: How large and how long a download may be.

    Returns:
        The file's path. Without a source, a file that is there already and right is left as it is,
        and weights that came with their card stay where they are.

    Raises:
        WeightsError: The entry needs no weights or none are known, the download failed, or what
            arrived is not the file that the card describes. Nothing is left behind then.
    """
    limits = limits or FetchLimits()
    card = entry.weights
    if card is None:
        raise WeightsError(f"{entry.name}: {how_to_get_weights(entry) or 'needs no weights'}")
    shipped = shipped_weights(entry)
    if source is None and shipped is not None and file_hash(shipped) == card.sha256:
        return shipped
    if source is None and card.training is not None:
        damaged = f"{shipped} is not the file its card describes; " if shipped else ""
        raise WeightsError(f"{entry.name}: {damaged}{how_to_get_weights(entry)}")
    target = folder / card.files[0]
    try:
        if not target.parent.resolve().is_relative_to(folder.resolve()):
            raise WeightsError(f"{entry.name}: {target} lies outside of {folder}")
        _put(entry, card, target, source, limits)
        if card.index_sha256:
            half = dataclasses.replace(
                card,
                sha256=card.index_sha256,
                source=DATA.sub(".index", card.source),
                files=(index_of(target).name,),
            )
            _put(entry, half, index_of(target), source and index_of(source), limits)
    except OSError as error:
        what = error.strerror or error
        if source is not None and error.filename == str(source):
            raise WeightsError(f"{source}: cannot be read: {what}") from None
        raise WeightsError(
            f"{target}: cannot be written: {what}",
            hint="Look at what lies there, free some space, or give another --to.",
        ) from None
    return target


def _put(
    entry: Entry, card: WeightsCard, target: Path, source: Path | None, limits: FetchLimits
) -> None:
    """Put one file of a card in its place, unless it is there and nobody gave another."""
    if source is None and target.is_file() and hash_like(target, card.known) == card.known:
        return
    with _beside(target) as arrived:
        if source is not None:
            _copy(source, arrived, limits)
        else:
            _download(entry.name, card.source, arrived, limits)
        _check(entry, card, arrived, source)
        arrived.replace(target)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a path on the target's disk that is gone afterwards; so are those of killed fetches.

    Folders that are made for it stay only where something lies in them at the end.
    """
    made = [each for each in (target.parent, *target.parent.parents) if not each.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent, ".*.part")
    temporary = unfinished(target)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        for folder in made:
            with contextlib.suppress(OSError):  # it holds the weights, or somebody else's files
                folder.rmdir()


def _copy(source: Path, file: Path, limits: FetchLimits) -> None:
    if not source.exists():
        raise WeightsError(
            f"{source}: there is no such file", hint="Check the path given with --from."
        )
    if not stat.S_ISREG(source.stat().st_mode):  # a pipe or a device may have no end
        raise WeightsError(
            f"{source}: is a folder, a pipe or a device, not a file of weights",
            hint="Give the file itself with --from.",
        )
    with source.open("rb") as content, _Deadline(limits.seconds) as deadline:
        _stream(content.read, file, str(source), limits, deadline)


def _download(name: str, address: str, file: Path, limits: FetchLimits) -> None:
    if not address.startswith(("https://", "http://")):
        raise WeightsError(
            f"{name}: there is no address to download from: {shortened(address, 200)}",
            hint=BY_HAND,
        )
    deadline = _Deadline(limits.seconds)
    wrong: Exception | None = None
    try:
        with deadline:
            _receive(name, address, file, limits, deadline)
    except (urllib.error.URLError, http.client.HTTPException, ValueError, WeightsError) as error:
        wrong = error
    except OSError as error:
        if error.filename is not None:  # our own disk, not the net
            raise
        wrong = error
    if deadline.passed:  # a connection that was cut may look like one that ended
        raise _too_slow(address, limits)
    if wrong is not None:
        raise wrong if isinstance(wrong, WeightsError) else _failed(name, address, wrong)


def _receive(name: str, address: str, file: Path, limits: FetchLimits, deadline: _Deadline) -> None:
    request, silence = _request(address), min(_SILENCE, limits.seconds)
    with _opener(deadline).open(request, timeout=silence) as answer:
        length = answer.headers.get("Content-Length", "")
        wanted = int(length) if length.isdecimal() else None
        if wanted is not None and wanted > limits.size:
            raise _too_large(address, limits)
        found = _stream(answer.read1, file, address, limits, deadline)
        if wanted is not None and found < wanted:
            raise WeightsError(
                f"{name}: {address} broke off after {found:,} of {wanted:,} bytes", hint=BY_HAND
            )


def _request(address: str) -> str:
    return urllib.parse.quote(address, safe="%/:=&?~#+!$,;'@()*[]")


class _Deadline:
    """The clock of a download: when its time is up, it cuts what is open.

    A server that says a little from time to time is never silent for long, so that only this ends
    the wait, whether for the answer's head or for the file.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connection: socket.socket) -> None:
        """Take a connection that was opened, to be cut when the time is up, or now if it is."""
        self._sockets.append(connection)
        if self.passed:
            self._cut()

    def _cut(self) -> None:
        self.passed = True
        for each in self._sockets:
            with contextlib.suppress(OSError):  # closed already
                socket.socket.shutdown(each, socket.SHUT_RDWR)


def _opener(deadline: _Deadline) -> urllib.request.OpenerDirector:
    """Return what opens http and https alone: no redirect reads a file or calls another scheme.

    Args:
        deadline: Is given what is opened.
    """

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        PlainHandler,
        SecureHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", "rainbench")]
    return opener


def _failed(name: str, address: str, error: Exception) -> WeightsError:
    reason = shortened(_reason(error), 200)
    return WeightsError(f"{name}: {address} cannot be downloaded: {reason}", hint=BY_HAND)


def _reason(error: Exception) -> str:
    """Return in words what the libraries say in numbers and names of their own."""
    if isinstance(error, urllib.error.HTTPError):
        phrase = http.client.responses.get(error.code, "")
        refused = " with an address that is not followed" if error.code // 100 == 3 else ""
        return f"the server answers {error.code} {phrase}".rstrip() + refused
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):  # a ValueError as well
        return f"the server's certificate is not trusted: {error.verify_message}"
    for kind, words in _IN_WORDS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(getattr(error, "reason", "")) or told(error)


def _stream(
    read: Callable[[int], bytes], file: Path, where: str, limits: FetchLimits, deadline: _Deadline
) -> int:
    """Write what is read to a file, as it comes; return the number of bytes."""
    size = 0
    with file.open("wb") as out:
        while chunk := read(_CHUNK):
            size += len(chunk)
            if size > limits.size:
                raise _too_large(where, limits)
            if deadline.passed:
                raise _too_slow(where, limits)
            out.write(chunk)
    return size


def _too_slow(where: str, limits: FetchLimits) -> WeightsError:
    return WeightsError(
        f"{where}: takes longer than {duration(limits.seconds)}",
        hint="Give more with --max-time, or get the file by hand.",
    )


def _too_large(where: str, limits: FetchLimits) -> WeightsError:
    return WeightsError(
        f"{where}: is larger than {limits.size:,} bytes",
        hint="Give more with --max-size if such a file is what you expect.",
    )


def _check(entry: Entry, card: WeightsCard, file: Path, source: Path | None) -> None:
    found = hash_like(file, card.known)
    if found == card.known:
        return
    with file.open("rb") as content:
        is_page = content.read(64).lstrip()[:1] == b"<"
    what = "an HTML page" if is_page else f"another file ({short_hash(found)})"
    hint = "Open the address in a browser, save the file, and give it with --from FILE."
    if source is not None:
        hint = f"What is wanted is {Path(card.files[0]).name} from {card.source}."
    raise WeightsError(
        f"{source or card.source}: is {what}, not the weights of {entry.name} "
        f"({short_hash(card.known)})",
        hint=hint,
    )
