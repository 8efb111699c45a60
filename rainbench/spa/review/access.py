"""Who may talk to the page: the browser that was given the token, from the page itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer, refusals included."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Checks that a request comes from the person who started the server.

    Attributes:
        token: The secret.
        port: The port that is listened on.
    """

    token: str
    port: int

    @classmethod
    def new(cls, port: int) -> Gate:
        """Make a gate with a new random token."""
        return cls(secrets.token_urlsafe(32), port)

    @property
    def address(self) -> str:
        """The page's address with the token."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def _cookie_name(self) -> str:
        # Cookies do not tell ports apart: two reviews at once need two names.
        return f"rainbench-review-{self.port}"

    @property
    def cookie(self) -> str:
        """The header that hands the token over to the browser, out of the reach of scripts."""
        return f"{self._cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def knows_host(self, hosts: list[str]) -> bool:
        """Whether the request names this machine: another name is a rebound DNS entry.

        Example:
            >>> gate = Gate("secret", 8000)
            >>> gate.knows_host(["127.0.0.1:8000"]), gate.knows_host(["evil.example:8000"])
            (True, False)
        """
        return len(hosts) == 1 and hosts[0].lower() in (
            f"127.0.0.1:{self.port}",
            f"localhost:{self.port}",
        )

    def has_cookie(self, headers: list[str]) -> bool:
        """Whether the cookies that were sent hold the token.

        Example:
            >>> gate = Gate("secret", 8000)
            >>> gate.has_cookie(["a=b; rainbench-review-8000=secret"])
            True
            >>> gate.has_cookie(["rainbench-review-8000=guess"])
            False
        """
        pairs = (part.strip().partition("=") for header in headers for part in header.split(";"))
        return any(
            name == self._cookie_name and self._is_token(value) for name, _equals, value in pairs
        )

    def has_token(self, query: str) -> bool:
        """Whether a query string holds the token."""
        try:
            given = parse_qs(query, max_num_fields=20).get("token", [])
        except ValueError:
            return False
        return len(given) == 1 and self._is_token(given[0])

    def is_own_page(self, origins: list[str], host: str) -> bool:
        """Whether a writing request was made by the page itself, not by another site."""
        return origins == [f"http://{host}"]

    def _is_token(self, given: str) -> bool:
        expected = self.token.encode()
        return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), expected)


class Refused(Exception):  # noqa: N818
    """A request that is not answered: the status and one line for the person."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status = status
        super().__init__(message)
