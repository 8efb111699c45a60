"""Who is answered, and what: nothing without the token, nothing but what the page shows."""

import http.client
import socket

import pytest

from rainbench.core.images import read_image

EVERYTHING = ("/", "/page.js", "/viewer.js", "/style.css", "/icon.svg", "/s/{}", "/s/{}/clean.png",
              "/s/{}/rainy/000.png", "/s/{}/patches.json")  # fmt: skip


def test_everything_is_shown_to_the_one_with_the_cookie(client):
    for path in EVERYTHING:
        answer = client.get(path.format(client.keys()["one"]))
        assert answer.status == 200 and answer.body, path
        head = client.send("HEAD", path.format(client.keys()["one"]))
        assert head.status == 200 and head.body == b""
        assert head.headers["Content-Length"] == answer.headers["Content-Length"]


@pytest.mark.parametrize("cookie", [None, "", "x=y", "{name}=", "{name}=guess", "{name}=ü"])
def test_nothing_without_the_token(client, run_folder, cookie):
    key = client.keys()["one"]
    name = client.cookie.split("=")[0]
    given = cookie and cookie.format(name=name).encode("utf-8")
    for path in (*EVERYTHING, "/?token=guess", "/?token=", "/no/such/page"):
        answer = client.get(path.format(key), Cookie=given)
        assert answer.status == 403, path
        assert b"one" not in answer.body.replace(b"token", b"")
    assert client.post(f"/s/{key}/undo", {}, Cookie=given).status == 403
    accept = {"decision": "accept", "round": 1}
    assert client.post(f"/s/{key}/decision", accept, Cookie=given).status == 403
    assert not (run_folder / "sequences/one/decision.json").exists()


def test_the_address_hands_over_the_cookie_and_hides_the_token(client):
    token = client.server.gate.token
    answer = client.get(f"/?token={token}", Cookie=None)
    assert answer.status == 303 and answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    page = client.get("/", Cookie=cookie.split(";")[0])
    assert page.status == 200 and token not in page.text
    assert client.get(f"/page.js?token={token}", Cookie=None).status == 403
    assert client.post(f"/?token={token}", {}, Cookie=None).status == 403


def test_two_servers_have_different_secrets(serve, run_folder):
    first, second = serve(run_folder), serve(run_folder)
    assert len(first.server.gate.token) >= 32
    assert first.server.gate.token != second.server.gate.token
    assert second.get("/", Cookie=first.cookie).status == 403


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:{port}", "127.0.0.1",
                                  "127.0.0.1:1", "127.0.0.1:{port}.evil.example",
                                  "evil.example@127.0.0.1:{port}"])  # fmt: skip
def test_other_hosts_are_rebound_names(client, host):
    given = host and host.format(port=client.server.server_port)
    assert client.get("/", Host=given).status == 403
    token = client.server.gate.token
    answer = client.get(f"/?token={token}", Host=given, Cookie=None)
    assert answer.status == 403 and "Set-Cookie" not in answer.headers


def test_it_listens_on_this_machine_only(client):
    assert client.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("origin", [None, "", "null", "http://evil.example",
                                    "https://{host}", "http://127.0.0.1:1"])  # fmt: skip
def test_only_the_page_itself_may_decide(client, run_folder, origin):
    key = client.keys()["one"]
    given = origin and origin.format(host=client.host)
    accept = {"decision": "accept", "round": 1}
    assert client.post(f"/s/{key}/decision", accept, Origin=given).status == 403
    assert not (run_folder / "sequences/one/decision.json").exists()


def test_headers_of_every_answer(client):
    key = client.keys()["one"]
    answers = [client.get(path.format(key)) for path in (*EVERYTHING, "/nothing")]
    answers += [client.get("/", Cookie=None), client.get("/", Host="evil"), client.decide(key, 1)]
    answers += [client.send("PUT", "/"), client.send("BREW", "/")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Python" not in answer.headers["Server"]
    assert client.get("/").headers["Cache-Control"] == "no-store"


TRAVERSALS = ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/s/../run", "/s/one/clean.png",
              "/s/{}/../../secret.png", "/s/{}/rainy/../../../secret.png", "/s/{}/rainy/%2e%2e.png",
              "/s/{}/rainy/000.png/", "/s/{}/rainy/000.png%00", "/s/{}/candidate.json",
              "/s/{}/decision", "/s/{}/rainy/", "/s/{}/rainy/999.png", "/s/0000000000000000",
              "/s/{}/rainy/..%2fclean.png", "/page.html", "/sequence.html", "//{}/clean.png",
              "/s/{}\\clean.png", "/s/{}/rainy/٠٠٠.png")  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_other_file_can_be_had(client, run_folder, path):
    (run_folder / "secret.png").write_bytes((run_folder / "sequences/one/clean.png").read_bytes())
    key = client.keys()["one"]
    line = f"GET {path.format(key)} HTTP/1.1\r\nHost: {client.host}\r\nCookie: {client.cookie}\r\n"
    with socket.create_connection(client.server.server_address, 10) as connection:
        connection.sendall((line + "Connection: close\r\n\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split()[1] in (b"404", b"400"), answer[:80]
    assert b"PNG" not in answer


def test_links_do_not_lead_out_of_a_sequence(client, run_folder, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes((run_folder / "sequences/one/clean.png").read_bytes())
    folder = run_folder / "sequences/one"
    (folder / "clean.png").unlink()
    (folder / "clean.png").symlink_to(secret)
    (folder / "rainy/007.png").symlink_to(secret)
    (run_folder / "sequences/link").symlink_to(run_folder / "sequences/two")
    key = client.keys()["one"]
    assert client.get(f"/s/{key}/clean.png").status == 404
    assert client.get(f"/s/{key}/rainy/007.png").status == 404
    assert client.get(f"/s/{client.keys()['link']}/clean.png").status == 404
    assert "clean.png is missing" in client.get(f"/s/{key}").text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods(client, method):
    path = f"/s/{client.keys()['one']}/decision"
    assert client.send(method, path, b"{}").status == 405
    assert client.send(method, path, Cookie=None).status == 403
    assert client.send("BREW", path).status == 501


def test_posting_where_nothing_is_written(client):
    assert client.post("/", {}).status == 404
    assert client.post(f"/s/{client.keys()['one']}", {}).status == 405
    assert client.post(f"/s/{client.keys()['one']}/clean.png", {}).status == 405


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}" + b" " * 5000, {}, 413),
        (b"{}", {"Content_Length": "99999999999"}, 413),
        (b"{}", {"Content_Length": None}, 411),
        (b"{}", {"Content_Length": "-1"}, 411),
        (b"{}", {"Content_Length": "two"}, 411),
        (b"{}", {"Transfer_Encoding": "chunked"}, 411),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"decision=accept", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 4000, {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b"{}", {}, 400),
        (b'{"decision": "maybe", "round": 1}', {}, 400),
        (b'{"decision": ["accept"], "round": 1}', {}, 400),
        (b'{"decision": "accept"}', {}, 409),
        (b'{"decision": "accept", "round": true}', {}, 409),
        (b'{"decision": "accept", "round": 2}', {}, 409),
    ],
)
def test_bodies_that_are_refused(client, run_folder, body, headers, status):
    path = f"/s/{client.keys()['one']}/decision"
    answer = client.send("POST", path, body, **headers)
    assert answer.status == status and answer.text
    assert answer.headers["Connection"] == "close"
    assert not (run_folder / "sequences/one/decision.json").exists()
    assert client.get("/").status == 200


def test_a_connection_is_used_again_and_a_cut_one_hurts_nobody(client):
    for _time in range(3):
        with socket.create_connection(client.server.server_address, 10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
    connection = http.client.HTTPConnection(client.host, timeout=10)
    for path in ("/", "/nothing", "/icon.svg"):
        connection.request("GET", path, headers={"Cookie": client.cookie})
        used = connection.sock
        assert connection.getresponse().read()
        assert connection.sock is used
    connection.close()


def test_pictures_are_sent_as_they_are(client, run_folder, tmp_path):
    answer = client.get(f"/s/{client.keys()['two']}/clean.png?v=1")
    assert answer.headers["Content-Type"] == "image/png"
    (tmp_path / "got.png").write_bytes(answer.body)
    expected = read_image(run_folder / "sequences/two/clean.png")
    assert (read_image(tmp_path / "got.png") == expected).all()
