"""Networks without a card on the command line: rows like any other, also when read again."""

import json


def table(run):
    rows = json.loads((run / "table.json").read_text())
    return {row["entry"]: row for row in (rows["rows"] if isinstance(rows, dict) else rows)}


def test_a_network_with_weights_beside_one_of_ours(rainbench, toy, folder, tmp_path):
    (folder / "broken.py").write_text("raise ValueError('at home')")
    call = ["run", "-b", "identity", "-b", f"{folder}/my_net.py:darker", "-d", "toy", "--data", toy]
    call += ["-b", f"half={folder}/my_net.py:Net@{folder}/my.pth"]
    call += ["-b", f"{folder}/broken.py:Net", "--out", tmp_path / "run", "--device", "cpu"]
    done = rainbench(*call)
    assert done.returncode == 1, done.stderr
    assert "at home" in done.stderr and "Traceback" not in done.stderr
    assert "3 done, 1 failed" in done.stderr
    cell = json.loads((tmp_path / "run/cells/toy/half.my/key.json").read_text())
    assert cell["foreign"]["title"] == "my_net.py:Net" and cell["foreign"]["parameters"] == 127
    first = table(tmp_path / "run")
    assert first["half.my"]["parameters"] == 127 and first["broken-net"]["state"] == "failed"
    again = rainbench(*call)
    assert "1 failed, 3 kept" in again.stderr
    report = rainbench("report", tmp_path / "run", "--pictures", 1)
    assert report.returncode == 0, report.stderr
    assert table(tmp_path / "run").keys() == first.keys()
    assert "half.my: has no card; to see its pictures" in report.stderr
    given = ("-b", f"half={folder}/my_net.py:Net@{folder}/my.pth", "--pictures", 1, "--data", toy)
    report = rainbench("report", tmp_path / "run", *given)
    assert report.returncode == 0 and "No picture: half.my" not in report.stderr, report.stderr
    assert list((tmp_path / "run/restored/toy/half.my").glob("*.png"))
    (folder / "gain.py").write_text("GAIN = 0.5\n")
    assert "2 done, 1 failed, 1 kept" in rainbench(*call).stderr


def test_two_folders_without_a_card(rainbench, toy, folder, tmp_path):
    call = ["run", "-b", f"{folder}/my_net.py:darker", "--out", tmp_path / "run", "--device", "cpu"]
    call += ["--rainy", toy / "toy/input", "--clean", toy / "toy/target", "--images", "1,3"]
    done = rainbench(*call)
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "run")["my_net-darker"]["images"] == 2
    assert "only 2 images" in (tmp_path / "run/table.json").read_text()
    report = rainbench("report", tmp_path / "run", "--pictures", 1)
    assert report.returncode == 0, report.stderr
    assert table(tmp_path / "run")["my_net-darker"]["dataset"] == "toy-input"
    assert "1 kept" in rainbench(*call).stderr
    wrong = rainbench(*call, "-d", "rain100l")
    assert wrong.returncode == 2 and "a data set of their own" in wrong.stderr
    wrong = rainbench("run", "-b", "identity", "--value-range", "0..255", "-d", "toy")
    assert wrong.returncode == 2 and "network without a card" in wrong.stderr
