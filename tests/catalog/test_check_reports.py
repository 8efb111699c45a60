"""`rainbench check` looks at published tables, reasons, layouts and golden numbers, too."""

import pytest

HEAD = "paper,table,dataset,method,variant,entry,protocol,evidence,psnr,ssim,retrained,mark,note\n"
GOOD = "Mine,1,rain100l,Input,,identity,prenet-y,stated,26.9,0.838,unknown,,\n"


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ("papers/mine.csv", HEAD + GOOD.replace("26.9", "26;9"), "line 2: 26;9 is no number"),
        ("papers/mine.csv", "paper,table\n", "the columns must be paper, table, dataset"),
        ("papers/mine.csv", HEAD + GOOD.replace("identity", "idenity"), "no entry idenity"),
        ("papers/mine.csv", HEAD + GOOD.replace("rain100l", "rain100"), "no data set rain100"),
        ("papers/mine.csv", HEAD + GOOD.replace("prenet-y", "prenet"), "no protocol prenet"),
        ("papers/mine.csv", HEAD + GOOD.replace("Mine,1", "BRN,README 1"), "stands in"),
        ("reasons.toml", "[[reasons]]\ndataset = 1\n", "reasons.toml"),
        ("layouts.toml", "[[tables]]\npaper = 1\n", "layouts.toml"),
        ("golden/rain100l/identity.csv", "image\n", "holds no numbers"),
    ],
)
def test_what_is_broken_is_named(rainbench, tmp_path, place, text, said):
    file = tmp_path / "cards/reports" / place
    file.parent.mkdir(parents=True)
    file.write_text(text)
    done = rainbench("check", "--cards", tmp_path / "cards")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert "reports" in line and said in done.stdout


def test_what_is_right_is_no_finding(rainbench, tmp_path):
    file = tmp_path / "cards/reports/papers/mine.csv"
    file.parent.mkdir(parents=True)
    file.write_text(HEAD + GOOD)
    done = rainbench("check", "--cards", tmp_path / "cards")
    assert done.returncode == 0 and "wrong" not in done.stdout, done.stdout
