"""Answering the requests of the page: each is checked before anything is looked up."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rainbench.core.errors import RainbenchError
from rainbench.core.progress import say
from rainbench.spa.review.access import HEADERS, Gate, Refused
from rainbench.spa.review.candidates import find_pictures
from rainbench.spa.review.patches import PatchCache
from rainbench.spa.review.reviewed_run import ReviewedRun
from rainbench.spa.review.sequences import ReviewedSequence
from rainbench.spa.review.texts import PAGE_FOLDER, page_html, sequence_html

LARGEST_BODY = 4096
"""Bytes beyond which the body of a request is refused unread."""

_ASSETS = {
    "/page.js": "text/javascript; charset=utf-8",
    "/viewer.js": "text/javascript; charset=utf-8",
    "/style.css": "text/css; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
_SEQUENCE = re.compile(
    r"/s/([0-9a-f]{16})(/clean\.png|/patches\.json|/rainy/[0-9]{1,9}\.png|/decision|/undo)?",
    re.ASCII,
)
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_KEEP_PICTURE = "private, max-age=3600"


class Review(Protocol):
    """What a request is answered from: a server under review has these."""

    run: ReviewedRun
    patches: PatchCache
    gate: Gate

    @property
    def summary(self) -> str:
        """How many sequences are in each state now."""


class RequestHandler(BaseHTTPRequestHandler):
    """One connection of the browser."""

    server: Review  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = 1 << 16  # head and body of a small answer in one packet
    server_version = "rainbench"
    sys_version = ""

    def do_GET(self) -> None:
        """Show something."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """Say what `do_GET` would show."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Decide, or take a decision back."""
        self._answer(self._post)

    def _not_allowed(self) -> None:
        self.close_connection = True
        self._answer(self._refuse_method)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _not_allowed  # noqa: N815

    def _refuse_method(self) -> None:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{self.command} is not used here")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a terminal is no place for hundreds of lines, nor for the token."""

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None  # noqa: ARG002
    ) -> None:  # fmt: skip
        """Answer what is no HTTP at all, with our headers."""
        self.close_connection = True
        self._send(HTTPStatus(code), _TEXT, (message or HTTPStatus(code).phrase).encode())

    def _answer(self, respond: Callable[[], None]) -> None:
        try:
            if not self._enter():
                respond()
        except Refused as refusal:
            if self.command not in ("GET", "HEAD"):
                self.close_connection = True  # its body may lie unread in the connection
            self._send(refusal.status, _TEXT, str(refusal).encode())
        except RainbenchError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, str(error).encode())
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            self.close_connection = True
            say(f"review: {self.command} failed: {type(error).__name__}: {error}")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"the server made a mistake")

    def _enter(self) -> bool:
        """Check host and token; answer the first visit with a cookie and return True."""
        gate = self.server.gate
        hosts = self.headers.get_all("Host", [])
        if not gate.knows_host(hosts):
            raise Refused(HTTPStatus.FORBIDDEN, "this page answers to 127.0.0.1 only")
        try:
            address = urlsplit(self.path)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "no such address") from None
        self.route = address.path
        reads = self.command in ("GET", "HEAD")
        if reads and address.path == "/" and gate.has_token(address.query):
            # Forward, so that the token stays neither in the address bar nor in the history.
            self._send(
                HTTPStatus.SEE_OTHER, _TEXT, b"", {"Location": "/", "Set-Cookie": gate.cookie}
            )
            return True
        if not gate.has_cookie(self.headers.get_all("Cookie", [])):
            raise Refused(
                HTTPStatus.FORBIDDEN, "open the address with the token that the command printed"
            )
        origins = self.headers.get_all("Origin", [])
        if not reads and not gate.is_own_page(origins, hosts[0]):
            raise Refused(HTTPStatus.FORBIDDEN, "only the page itself may decide")
        return False

    def _get(self) -> None:
        if self.route == "/":
            run = self.server.run
            self._send(HTTPStatus.OK, _HTML, page_html(run.folder, run.scan()).encode())
        elif self.route in _ASSETS:
            self._send_file(PAGE_FOLDER / self.route[1:], _ASSETS[self.route], "no-cache")
        else:
            sequence, part = self._sequence()
            self._get_part(sequence, part)

    def _get_part(self, sequence: ReviewedSequence, part: str) -> None:
        if not part:
            self._send(HTTPStatus.OK, _HTML, sequence_html(sequence).encode())
            return
        pictures = find_pictures(sequence.folder) if sequence.candidate else None
        shown = {"/clean.png": pictures.clean} if pictures and pictures.clean else {}
        if pictures:
            shown |= {f"/rainy/{sample.name}": sample for sample in pictures.samples}
        if part == "/patches.json" and pictures and pictures.clean:
            patches = self.server.patches.get(pictures.clean, pictures.samples)
            self._send_json([asdict(patch) for patch in patches])
        elif part in shown and (picture := shown[part]):
            self._send_file(picture, "image/png", _KEEP_PICTURE)
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such picture")

    def _post(self) -> None:
        content = self._body()
        sequence, part = self._sequence()
        run = self.server.run
        if part == "/decision":
            run.decide(sequence, content.get("decision"), content.get("round"))
        elif part == "/undo":
            run.undo(sequence)
        else:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be written there")
        self._send_json(run.standing(sequence))

    def _sequence(self) -> tuple[ReviewedSequence, str]:
        found = _SEQUENCE.fullmatch(self.route)
        sequence = self.server.run.find(found[1]) if found else None
        if not found or sequence is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page or sequence")
        return sequence, found[2] or ""

    def _body(self) -> dict[str, object]:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,15}", length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the request must say how long it is")
        if int(length) > LARGEST_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too long")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the request must be JSON")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "the request is not JSON") from None
        if not isinstance(content, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "the request is not a JSON object")
        return content

    def _send_json(self, content: object) -> None:
        self._send(HTTPStatus.OK, _JSON, json.dumps(content).encode())

    def _send_file(self, path: Path, kind: str, keep: str) -> None:
        try:
            file = path.open("rb")
        except OSError:
            raise Refused(HTTPStatus.NOT_FOUND, f"{path.name} cannot be read") from None
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            self._head(HTTPStatus.OK, kind, size, {"Cache-Control": keep})
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, extra: dict[str, str] | None = None
    ) -> None:
        self._head(status, kind, len(body), {"Cache-Control": "no-store", **(extra or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, size: int, extra: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, **extra}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
