"""The local server of the review page."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from socketserver import TCPServer

from rainbench.core.errors import RainbenchError
from rainbench.spa.review.access import Gate
from rainbench.spa.review.patches import PatchCache
from rainbench.spa.review.requests import RequestHandler
from rainbench.spa.review.reviewed_run import ReviewedRun
from rainbench.spa.review.sequences import summary


class ReviewServer(ThreadingHTTPServer):
    """Serves one run on 127.0.0.1.

    Args:
        run: What is reviewed.
        port: Where to listen; 0 for any free port.

    Raises:
        RainbenchError: The port cannot be used.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # more than a browser opens at once; the system refuses others

    def __init__(self, run: ReviewedRun, port: int = 0) -> None:
        self.run = run
        self.patches = PatchCache()
        try:
            super().__init__(("127.0.0.1", port), RequestHandler)
        except OSError as error:
            raise RainbenchError(
                f"port {port} of 127.0.0.1 cannot be used: {error.strerror}",
                hint="`--port 0`, the default, takes a free one.",
            ) from None
        self.gate = Gate.new(self.server_port)

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a connection that breaks: the browser has turned to another picture."""

    @property
    def summary(self) -> str:
        """How many sequences are in each state now."""
        return summary(self.run.scan())
