"""Whatever goes wrong with one video, scene or picture is told, and the others are made."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rainbench.report.page import gallery
from rainbench.spa import plan as spa_plan
from rainbench.spa import video as spa_video
from rainbench.synthesis import scene


class Source:
    path, label, id = Path("street.png"), "street", "1"


def fails(*_, **__):
    raise MemoryError


def test_a_scene(tmp_path, monkeypatch):
    monkeypatch.setattr(scene.SceneInputs, "read", fails)
    result = scene.make_scene(SimpleNamespace(source=Source, root=tmp_path))
    assert result.problem == "street: MemoryError"


def test_a_video(tmp_path, monkeypatch):
    monkeypatch.setattr(spa_video, "_known_scenes", fails)
    monkeypatch.setattr(spa_video, "_record_file", lambda *_: tmp_path / "a.json")
    options = SimpleNamespace(candidate_key=lambda _: "k")
    entry = SimpleNamespace(applied=lambda options: options)
    video = SimpleNamespace(sha256="", source=Source, entry=entry)
    outcome = spa_video.work_on_video(video, tmp_path, options)
    assert outcome.error == "street.png: MemoryError"


def test_a_video_that_is_looked_at(monkeypatch):
    monkeypatch.setattr(spa_plan, "probe", fails)
    assert spa_plan._open(Source) == "street.png: cannot be read: MemoryError"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("x"), OSError(13, "no")])
def test_pictures_of_a_report(tmp_path, monkeypatch, error):
    def raises(*_):
        raise error

    monkeypatch.setattr(gallery, "Restorer", raises)
    pairs = SimpleNamespace(card=SimpleNamespace(name="toy"), pairs=(), manifest=())
    cell = SimpleNamespace(pairs=pairs, entry=SimpleNamespace(name="net"))
    plan = SimpleNamespace(runnable=[cell, cell])
    wanted = [SimpleNamespace(dataset="toy", images=())]
    shown, problems = gallery.draw_pictures(tmp_path, plan, wanted, None)
    assert shown == {"toy": []} and len(problems) == 2
    assert problems[0].startswith("net on toy: its pictures: ")
