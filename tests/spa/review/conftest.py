"""Fixtures: a run, a server of it in this process, and a client that sends what it is told."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import pytest
from example_runs import add_sequence

from rainbench.spa.review.reviewed_run import ReviewedRun
from rainbench.spa.review.server import ReviewServer

COMMAND = [sys.executable, "-u", "-c", "from rainbench.cli import main; main()", "review"]


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


@dataclass
class Client:
    """Speaks to one server; with the cookie unless told otherwise."""

    server: ReviewServer
    host: str = field(init=False)
    cookie: str = field(init=False)

    def __post_init__(self):
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.cookie = self.server.gate.cookie.split(";")[0]

    def send(self, method, path, body=None, **headers):
        """Send a request; a header of None is left out, so are the automatic ones."""
        given = {"Host": self.host, "Cookie": self.cookie}
        if body is not None:
            given |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
            given |= {"Origin": f"http://{self.host}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.send(body)
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def post(self, path, content, **headers):
        return self.send("POST", path, json.dumps(content).encode(), **headers)

    def decide(self, key, decision, about=1):
        return self.post(f"/s/{key}/decision", {"decision": decision, "round": about})

    def keys(self):
        """Every sequence's key by its shown name."""
        return {sequence.name: sequence.key for sequence in self.server.run.scan()}


@pytest.fixture
def run_folder(tmp_path):
    """A run of three sequences: one, two, three."""
    for seed, name in enumerate(("one", "three", "two")):
        add_sequence(tmp_path / "run", name, seed=seed)
    return tmp_path / "run"


@pytest.fixture
def serve():
    """A function that serves a run folder in this process and returns a client."""
    servers = []

    def start(folder):
        server = ReviewServer(ReviewedRun(folder))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return Client(server)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def client(serve, run_folder):
    """A client of the run of three sequences."""
    return serve(run_folder)


def _heed_interrupts():
    """A shell that starts the tests in the background has them ignore SIGINT, and so on down."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def started():
    """A function that starts the command; what is still running at the end is killed."""
    running = []

    def start(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments), "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_interrupts,
        )
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()
