"""Decisions stand at once and survive a kill; damage and hostile names hurt nobody else."""

import json
import os
import re
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from example_runs import HOSTILE_NAMES, add_sequence, candidate

from rainbench.core.images import write_png
from rainbench.spa.review.sequences import load_sequences, summary


def decision(run, name):
    file = run / "sequences" / name / "decision.json"
    return json.loads(file.read_text()) if file.exists() else None


def decide_over_http(address, key, chosen):
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(address, timeout=10).read()
    base = address.split("/?")[0]
    request = urllib.request.Request(
        f"{base}/s/{key}/decision",
        json.dumps({"decision": chosen, "round": 1}).encode(),
        {"Content-Type": "application/json", "Origin": base},
    )
    return json.load(opener.open(request, timeout=10))


def test_write_change_undo(client, run_folder):
    key = client.keys()["one"]
    for chosen, label in (
        ("accept", "accepted"),
        ("reject", "rejected"),
        ("more", "more frames"),
    ):
        answer = client.decide(key, chosen)
        assert answer.json() == {"key": key, "state": chosen, "label": label}
        assert decision(run_folder, "one") == {"decision": chosen, "round": 1}
        assert f'data-state="{chosen}"' in client.get(f"/s/{key}").text
    assert client.post(f"/s/{key}/undo", {}).json()["state"] == "undecided"
    assert decision(run_folder, "one") is None
    assert client.post(f"/s/{key}/undo", {}).status == 200
    assert not list(run_folder.rglob("*.part"))


def test_a_new_round_is_undecided_and_an_old_page_cannot_decide_it(client, run_folder):
    key = client.keys()["one"]
    client.decide(key, "more")
    file = run_folder / "sequences/one/candidate.json"
    file.write_text(json.dumps(candidate("one", round=2)))
    text = client.get(f"/s/{key}").text
    assert "An earlier round was decided “more frames”" in text and 'data-round="2"' in text
    stale = client.decide(key, "accept", about=1)
    assert stale.status == 409 and "newer candidate" in stale.text
    assert client.decide(key, "accept", about=2).status == 200
    assert decision(run_folder, "one") == {"decision": "accept", "round": 2}


def test_a_candidate_without_optional_keys(client, run_folder):
    (run_folder / "sequences/one/candidate.json").write_text('{"id": "one", "surprise": [1]}')
    key = client.keys()["one"]
    assert client.get(f"/s/{key}").text.count("unknown") >= 9
    assert client.decide(key, "accept", about=None).json()["state"] == "accept"
    assert decision(run_folder, "one") == {"decision": "accept", "round": None}


def test_many_threads_at_once(client, run_folder):
    keys = client.keys()
    calls = [(key, chosen) for key in keys.values() for chosen in ("accept", "reject", "more")] * 4
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(lambda call: client.decide(*call), calls))
    assert {answer.status for answer in answers} == {200}
    for name in keys:
        assert decision(run_folder, name)["decision"] in ("accept", "reject", "more")
    assert not list(run_folder.rglob("*.part"))


def test_a_folder_that_cannot_be_written(client, run_folder):
    blocked = run_folder / "sequences/one/decision.json"
    blocked.mkdir()
    answer = client.decide(client.keys()["one"], "accept")
    assert answer.status == 500 and "cannot be written" in answer.text
    assert client.decide(client.keys()["two"], "accept").status == 200


def test_kill_loses_nothing_and_interrupt_sums_up(run_folder, started):
    keys = {sequence.name: sequence.key for sequence in load_sequences(run_folder)}
    process, address = started(run_folder)
    assert decide_over_http(address, keys["one"], "accept")["state"] == "accept"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert decision(run_folder, "one") == {"decision": "accept", "round": 1}

    process, address = started(run_folder)
    decide_over_http(address, keys["two"], "reject")
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "1 accepted, 2 undecided. Ctrl-C stops." in err
    assert err.rstrip().endswith("1 accepted, 1 rejected, 1 undecided.")
    assert "Traceback" not in err


def test_ended_politely_and_port_taken(run_folder, started):
    process, address = started(run_folder)
    port = re.search(r":(\d+)/", address)[1]
    second, nothing = started(run_folder, "--port", port)
    assert nothing == "" and second.wait(20) == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in second.stderr.read()
    process.terminate()
    _out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and "3 undecided." in err.splitlines()[-1]


@pytest.mark.parametrize("make", ["nothing", "empty", "file"])
def test_no_run(rainbench, tmp_path, make):
    run = tmp_path / "run"
    if make == "empty":
        (run / "sequences").mkdir(parents=True)
    elif make == "file":
        run.write_text("")
    done = rainbench("review", run)
    assert done.returncode == 2 and "no sequences to review" in done.stderr
    assert "Traceback" not in done.stderr


BROKEN = {
    "missing": None,
    "empty": b"",
    "cut": b'{"id": "x", "rou',
    "list": b"[1, 2]",
    "binary": b"\x89PNG\r\n\x00\xff",
    "deep": b"[" * 200_000,
    "huge": b" " * (2 << 20),
    "number": b'{"estimated_psnr": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("damage", [*BROKEN, "pipe", "folder"])
def test_a_broken_candidate_is_shown_and_hurts_nobody(client, run_folder, damage):
    file = run_folder / "sequences/one/candidate.json"
    file.unlink()
    if damage == "pipe":
        os.mkfifo(file)
    elif damage == "folder":
        file.mkdir()
    elif BROKEN[damage] is not None:
        file.write_bytes(BROKEN[damage])
    key = client.keys()["one"]
    page = client.get("/").text
    assert page.count('data-state="broken"') == 1 and page.count('data-state="undecided"') == 2
    shown = client.get(f"/s/{key}").text
    assert "cannot be shown" in shown and "candidate.json" in shown
    assert client.decide(key, "reject", about=None).status == 409
    assert client.get(f"/s/{key}/clean.png").status == 404
    assert client.decide(client.keys()["two"], "accept").status == 200
    assert summary(load_sequences(run_folder)) == "1 accepted, 1 undecided, 1 broken"


def test_odd_values_are_unknown(client, run_folder):
    odd = candidate("one", frames="many", percentile=float("nan"), vote_curve=[1, 2, "x"],
                    vote_share=True, estimated_psnr=float("inf"), verdict="<b>", reason=7,
                    method=None, video=["a"])  # fmt: skip
    (run_folder / "sequences/one/candidate.json").write_text(json.dumps(odd))
    text = client.get(f"/s/{client.keys()['one']}").text
    assert text.count("<bdi>unknown</bdi>") == 7
    assert "this method takes no vote" in text and "<b>" not in text


@pytest.mark.parametrize("content", ["", "[]", '{"decision": "maybe"}', '{"decision": 3}'])
def test_a_broken_decision_is_none(client, run_folder, content):
    (run_folder / "sequences/one/decision.json").write_text(content)
    assert client.get("/").text.count('data-state="undecided"') == 3


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "no samples", "other size"])
def test_pictures_that_cannot_be_compared(client, run_folder, damage):
    folder = run_folder / "sequences/one"
    picture = folder / "clean.png"
    if damage == "missing":
        picture.unlink()
    elif damage == "cut":
        picture.write_bytes(picture.read_bytes()[:400])
    elif damage == "text":
        picture.write_text("this is no picture")
    elif damage == "no samples":
        for file in (folder / "rainy").iterdir():
            file.unlink()
    else:
        import numpy as np

        write_png(folder / "rainy/001.png", np.zeros((9, 8, 3), np.uint8))
    key = client.keys()["one"]
    text, patches = client.get(f"/s/{key}").text, client.get(f"/s/{key}/patches.json")
    expected = {
        "missing": "clean.png is missing",
        "text": "clean.png is not a PNG picture",
        "no samples": "no sample frame",
        "other size": "rainy/001.png is 8x9, but clean.png is 96x64",
    }
    assert expected.get(damage, "") in text
    assert (patches.status == 200) == (damage == "no samples")
    assert "Traceback" not in patches.text
    if damage == "cut":
        assert "is a PNG that is cut short" in patches.text
    if damage in ("missing", "text"):
        assert client.decide(key, "accept").status == 409
    assert client.decide(key, "reject").status == 200


class Structure(HTMLParser):
    """Collects what a browser would build from a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}

    def handle_data(self, data):
        self.text += data


def test_hostile_names_are_text(serve, tmp_path):
    plain = add_sequence(tmp_path / "plain", "plain")
    for name in HOSTILE_NAMES:
        add_sequence(tmp_path / "run", name, reason=name, video=name, method=name)
    plain.rename(tmp_path / "run/sequences" / os.fsdecode(b"not-utf-8-\xff\xfe"))
    client = serve(tmp_path / "run")
    page = client.get("/").text
    structure = Structure(page)
    assert structure.tags.count("script") == 1 and "img" not in structure.tags
    assert not any(name.startswith("on") for name in structure.attributes)
    assert page.count('class="item"') == len(HOSTILE_NAMES) + 1
    for name, key in client.keys().items():
        assert name in structure.text or "\\" in name
        text = client.get(f"/s/{key}").text
        part = Structure(text)
        assert "script" not in part.tags and part.tags.count("img") == 2, name
        assert not any(attribute.startswith("on") for attribute in part.attributes)
        assert "\u202e" not in text and "\x1b" not in text
        assert client.decide(key, "accept").status == 200
    written = list((tmp_path / "run").rglob("decision.json"))
    assert len(written) == len(HOSTILE_NAMES) + 1
