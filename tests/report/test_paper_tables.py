"""The papers' own tables: rows and columns as printed, every number, and reasons for gaps."""

import json

import pytest
from test_tables import compile_latex

from rainbench.catalog.published import load_published
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report.compare import compare_run
from rainbench.report.papers.layouts import find_table, load_layouts
from rainbench.report.papers.scored import NONE, paper_table
from rainbench.report.writers import write_grid
from rainbench.run.results import RunResults
from rainbench.run.scores import format_rows

PRINTED = {  # read off the papers' pages: the names from left to right, or from the top
    ("SPANet", "T1"): "Input; Jiang et al.; Wei et al.; Li et al.; Ours",
    ("SPANet", "T2"): (
        "Rain Images; DSC; LP; SILS; Clear; DDN; JORDER; DID-MDN; RESCAN; Our SPANet"
    ),
    ("SPANet", "T3"): "Input; DSC; LP; Clear; JORDER; DDN; JBO; DID-MDN; Our SPANet",
    ("SPANet", "T4"): "B_a; B_b; B_c; B_d; B_e; B_f",
    ("SIAN", "T1"): (
        "Rain12, test; Rain100L, training; Rain100L, test; Rain100H, training; Rain100H, test; "
        "Rain1400, training; Rain1400, test"
    ),
    ("SIAN", "T2"): "MAE; MSE; Negative SSIM",
    ("SIAN", "T3"): (
        "Input; DSC; GMM; JCAS; Clear; DDN; RESCAN; PReNet; SPANet; JORDER_E; SIRR; LPNet; Ours"
    ),
    ("SIAN", "T4"): (
        "Input; DSC; GMM; JCAS; Clear; DDN; RESCAN; PReNet; SPANet; JORDER_E; SIRR; LPNet; Ours"
    ),
    ("SIAN", "T5"): "Baseline; Baseline+LSTM; Baseline+SIAN+LSTM",
    ("RRANet", "T1"): "DDN; RESCAN; SIRR; PReNet; JORDER-E; RCDNet; BRN; RRANet (ours)",
    ("RRANet", "T2"): "SPANet; RCDNet; RRANet (ours)",
    ("NASNet", "T1"): "JORDER; JORDER-R; DDN; DID-MDN; RESCAN; DAF-Net; PReNet; Ours",
    ("NASNet", "T2"): "DDN; JORDER; PReNet; Ours",
    ("NASNet", "T3"): "JORDER; DDN; DID-MDN; RESCAN; SPA; Ours",
    ("NASNet", "T4"): "DID-MDN; RESCAN; DAF-Net; Ours",
    ("NASNet", "T5"): "JORDER; DDN; DID-MDN; DerainDropGAN; Ours",
    ("NASNet", "T6"): "NASNet; NASNet without NA",
    ("NASNet", "T7"): "PlainNet; SENet; NASNet",
    ("NASNet", "T8"): "Stage=1; Stage=2; Stage=3; Stage=4",
    ("NASNet", "T9"): "DirectNet; NASNet",
    ("DAiAM", "T1"): "CNN; ResBlock1; ResBlock2; ResBlock3; LSTM",
    ("DAiAM", "T2"): "CNN1; ResBlock1; ResBlock2; ResBlock3; ResBlock4; ResBlock5; CNN2",
    ("DAiAM", "T3"): "CNN1; ResBlock1; ResBlock2; CNN2",
    ("DAiAM", "T4"): "GMM; DDN; RGN; JORDER; RESCAN; PReNet; DAM; D-DAM",
    ("DAiAM", "T5"): "DID-MDN; DDN; JORDER; Qian et al.; DAM; D-DAM",
    ("DAiAM", "T6"): "RESCAN; PReNet; Qian et al.; DAiAM; D-DAiAM",
    ("DAiAM", "T7"): ("DAM(zero); DAM(odd); DAM(dual); DAiAM; DAiAM-DAiAM; D-DAiAM; D-DAiAM(3)"),
}


CLIPS = """
name = "spa-synthetic-videos-10"
title = "The ten videos"
revision = "bought"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 0
protocol = "spanet-rgb"
clips = true
licence = "x"
sources = ["x"]
citation = "x"
[[layouts]]
name = "frames"
rainy = "{clip}/rainy/{frame:d}.png"
clean = "{clip}/clean/{frame:d}.png"
"""


def methods(grid, layout):
    if layout.methods == "columns":
        return [column.title for column in grid.columns[1:]]
    return [row[0].text for row in grid.rows if row[0].text != "measured"]


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_a_table_has_the_papers_rows_columns_and_numbers(paper, table):
    layout, cells = find_table(paper, table.removeprefix("T"))
    grid = paper_table(paper, table, load_registry())
    assert methods(grid, layout) == PRINTED[paper, table].split("; ")
    text = write_grid(grid, "csv")
    for cell in cells:
        for printed in (cell.psnr_text, cell.ssim_text):
            assert printed in text


def test_every_table_of_the_five_papers_is_laid_out():
    five = {"SPANet", "SIAN", "RRANet", "NASNet", "DAiAM"}
    tables = {(cell.paper, cell.table) for cell in load_published() if cell.paper in five}
    counted = {("NASNet", "T6"), ("SIAN", "T1"), *(("DAiAM", f"T{n}") for n in (1, 2, 3))}
    assert {each for each in tables if each[1] != "README"} | counted == set(PRINTED)
    assert {(layout.paper, layout.table) for layout in load_layouts()} == set(PRINTED)


def test_spanets_second_table_as_printed():
    """The numbers in brackets are those of the retrained networks."""
    grid = paper_table("spanet", "2", load_registry())
    by_name = {row[0].text: [cell.text for cell in row[1:]] for row in grid.rows}
    assert by_name["PSNR, published"] == [
        "32.64", "32.33", "32.99", "33.40", "31.31", "33.28 (34.88)", "32.16 (35.72)",
        "24.91 (28.96)", "30.36 (35.19)", "38.06",
    ]  # fmt: skip


def test_spanets_third_table_has_ssim_first():
    grid = paper_table("SPANet", "T3", load_registry())
    assert grid.rows[0][1].text == "0.7781/21.15"


def test_check_marks():
    grid = paper_table("spanet", "4", load_registry())
    assert [cell.text for cell in grid.rows[5]] == ["Attention Loss", "", "✓", "✓", "✓", "", "✓"]


def test_marks_of_sians_third_table():
    grid = paper_table("sian", "3", load_registry())
    marks = {row[0].text: [cell.mark for cell in row[5:7]] for row in grid.rows}
    assert marks["PReNet"] == ["second", ""]
    assert marks["JORDER_E"] == ["", "second"]
    assert marks["Ours"] == ["best", "best"]


def write_cell(run, dataset, entry, scored):
    """Write the complete cell of an entry, from PSNR and SSIM of each image."""
    folder = RunResults(run).cell(dataset, entry).folder
    folder.mkdir(parents=True)
    scores = {name: dict.fromkeys(PROTOCOLS, Score(*each)) for name, each in scored.items()}
    (folder / "images.csv").write_text(format_rows(scores))
    psnr, ssim = (sum(each) / len(scored) for each in zip(*scored.values(), strict=True))
    mean = {"psnr": psnr, "ssim": ssim, "identical": 0, "images": 1, "psnr_of_others": psnr}
    summary = {
        "key": "k", "dataset": dataset, "variant": "", "entry": entry, "images": 100,
        "comparable": True, "complete_set": True, "left_out": [],
        "means": dict.fromkeys(PROTOCOLS, mean), "options": {"tile": 0, "precision": "fp32"},
    }  # fmt: skip
    (folder / "cell.json").write_text(json.dumps(summary))


@pytest.fixture
def run_folder(tmp_path):
    """A run in which SIAN scored 38.80 dB on Rain100L, and PReNet failed."""
    write_cell(tmp_path, "rain100l", "sian.rain100l", {"1": (38.81, 0.9838)})
    failed = RunResults(tmp_path).cell("rain100l", "prenet.rain100l").folder
    failed.mkdir()
    (failed / "failed.json").write_text(json.dumps({"reason": "memory ran out"}))
    return tmp_path


def test_measured_beside_published_and_reasons_for_the_rest(run_folder):
    grid = paper_table("sian", "3", load_registry(), run_folder)
    rows = {row[0].text: row for row in grid.rows}
    ours = rows["Ours"]
    assert [cell.text for cell in ours[1:5]] == ["38.80", "0.984", "38.81", "0.9838"]
    assert ours[3].note == ""
    assert rows["PReNet"][3].text == NONE and rows["PReNet"][3].note == "failed: memory ran out"
    assert rows["DSC"][3].note == "not in this run: rainbench run -b dsc -d rain100l"
    assert rows["JCAS"][3].note == "not in this run: rainbench run -b jcas -d rain100l"
    assert "trained on all 1,800 pairs" in rows["PReNet"][5].note
    assert rows["PReNet"][7].note == (
        "no weights of PReNet here are those of this number; "
        "rainbench train prenet -d rain100h-train trains its network"
    )
    assert rows["Input"][3].note == "not in this run: rainbench run -b identity -d rain100l"
    assert rows["LPNet"][3].note == (
        "not in this run: rainbench fetch lpnet.rain100l; "
        "rainbench run -b lpnet.rain100l -d rain100l --weights weights"
    )
    measured = [cell for row in grid.rows for cell in (*row[3:5], *row[7:9])]
    assert all(cell.note for cell in measured if cell.text == NONE)


def test_a_re_created_number_is_marked_and_counts_for_nothing(tmp_path):
    for entry, psnr in (("dsc", 27.34), ("gmm.bsds500", 20.0)):  # the one equals what is printed
        write_cell(tmp_path, "rain100l", entry, {"1": (psnr, 0.849)})
    registry = load_registry()
    rows = {row[0].text: row for row in paper_table("sian", "3", registry, tmp_path).rows}
    for method, text in (("DSC", "27.34"), ("GMM", "20.00")):
        assert rows[method][3].text == text and rows[method][3].note.startswith("re-created: ")
    comparison = compare_run(tmp_path, registry)
    assert {row.state for row in comparison.rows} == {"re-created"} and not comparison.unexplained
    assert {row.published.paper for row in comparison.rows} == {"BRN", "SIAN"}


def test_a_method_without_an_entry_is_named_as_such():
    rows = {row[0].text: row for row in paper_table("daiam", "4", load_registry()).rows}
    assert rows["RGN"][3].note == "no entry here for this method"


def test_a_note_on_a_printed_number_is_no_reason_for_a_missing_one():
    about = "of the published number: "
    for paper, table, label, note, columns, training in (
        ("nasnet", "5", "Ours", "PSNR below Qian et al.", (1, 2), "nasnet -d mpid-drop-train"),
        ("nasnet", "8", "Stage=2", "stage ablation", (1, 3), "nasnet_2 -d rain100h-train"),
        ("sian", "4", "SPANet", "quoted from a survey", (1, 3), "spanet -d rain1400-train"),
    ):
        rows = {row[0].text: row for row in paper_table(paper, table, load_registry()).rows}
        printed, missing = (rows[label][column] for column in columns)
        network = "NASNet" if paper == "nasnet" else "SPANet"
        assert printed.note == about + note and missing.text.startswith(NONE)
        assert missing.note == (
            f"no weights of {network} here are those of this number; "
            f"rainbench train {training} trains its network"
        )


NETWORKS = {  # of rows that no weights answer, some of each kind
    ("SIAN", "T2", "loss=MAE"): "sian_mae",
    ("SIAN", "T2", "loss=MSE"): "sian_mse",
    ("SIAN", "T5", "Baseline+LSTM"): "sian_lstm",
    ("NASNet", "T7", "SENet"): "nasnet_se",
    ("NASNet", "T9", "DirectNet"): "nasnet_direct",
    ("SPANet", "T4", "B_c"): "spanet_c",
    ("DAiAM", "T7", "zero"): "dam-zero",
    ("DAiAM", "T7", "3 stages"): "d-daiam-3",
    ("DAiAM", "T5", "dual"): "dam",
}
NO_METHOD = {"RGN", "JBO", "JORDER-R"}
WITHOUT_RECIPE = {"jorder"}


def test_every_row_of_the_five_papers_has_an_entry_or_what_trains_its_network():
    registry = load_registry()
    entries = {entry.name for entry in registry.entries()}
    five = {paper for paper, _ in PRINTED}
    cells = [cell for cell in load_published() if cell.paper in five]
    answered = [cell for cell in cells if cell.entry]
    assert len(cells) == 217 and len(answered) >= 81
    assert {cell.entry for cell in answered} <= entries
    for cell in cells:
        card = registry.printed_as(cell.method, cell.variant)
        if cell.entry or cell.psnr is None:
            continue
        if cell.method in NO_METHOD:
            assert card is None
            continue
        assert card is not None and (card.recipe is not None or card.name in WITHOUT_RECIPE), cell
        wanted = NETWORKS.get((cell.paper, cell.table, cell.variant), card.name)
        assert card.name == wanted, cell


def test_the_best_frames_of_clips_are_set_beside_those_of_the_paper(tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "spa-synthetic-videos-10.toml").write_text(CLIPS)
    registry = load_registry([tmp_path / "cards"])
    frames = {"a/1": (30.0, 0.9), "a/2": (33.0, 0.8), "b/1": (20.0, 0.7), "b/2": (20.5, 0.6)}
    write_cell(tmp_path, "spa-synthetic-videos-10", "ms-csc", frames)
    grid = paper_table("spanet", "1", registry, tmp_path)
    column = [each.title for each in grid.columns].index("Li et al.")
    by_name = {row[0].text: row[column].text for row in grid.rows}
    assert by_name["PSNR, published"] == "32.59 (30.59)"
    assert by_name["PSNR, measured"] == "26.75 (25.88)"
    assert by_name["SSIM, measured"] == "0.7000 (0.7500)"
    variants = {row.published.variant for row in compare_run(tmp_path, registry).rows}
    assert variants == {"average"}  # a run's mean is not held against the best frames


def test_no_note_of_a_paper_stands_at_a_measured_number():
    for paper, table in PRINTED:
        grid = paper_table(paper, table, load_registry())
        for column, cells in zip(grid.columns, zip(*grid.rows, strict=True), strict=True):
            if "measured" in f"{column.group} {column.title}":
                assert not any("published number" in cell.note for cell in cells)


def test_latex_of_every_table_compiles(run_folder, tmp_path):
    registry = load_registry()
    grids = [paper_table(paper, table, registry, run_folder) for paper, table in PRINTED]
    text = "\n\\clearpage\n".join(write_grid(grid, "latex") for grid in grids)
    assert "Overfull" not in compile_latex(text, tmp_path)


def test_a_table_of_parameters_stands_beside_the_networks_own():
    grid = paper_table("nasnet", "6", load_registry())
    assert [[cell.text for cell in row] for row in grid.rows] == [
        ["NASNet", "6,508,931", "6,508,931"],
        ["NASNet without NA", "6,244,931", "6,244,931"],
    ]


def test_wrong_names():
    with pytest.raises(RainbenchError, match="Papers: BRN, DAiAM"):
        find_table("spamnet", "2")
    with pytest.raises(RainbenchError, match="Its tables are: T1, T2"):
        find_table("rranet", "7")


def test_on_the_command_line(rainbench):
    done = rainbench("report", "--paper", "sian", "--table", "2", "--format", "latex")
    assert done.returncode == 0 and r"\toprule" in done.stdout and "No run" in done.stderr
    assert "T4        Rain1400 and Rain12" in rainbench("report", "--paper", "sian").stdout
    assert rainbench("report", "no-such-folder").returncode == 2


@pytest.mark.parametrize("table", ["1", "2", "3"])
def test_the_layers_of_daiam_are_those_of_the_paper(table):
    grid = paper_table("daiam", table, load_registry())
    for row in grid.rows:
        name, kernel, output, _, _, our_kernel, our_output, parameters = (cell.text for cell in row)
        assert (kernel, output) == (our_kernel, our_output), name
        assert int(parameters.replace(",", "")) > 0 and not any(cell.note for cell in row)


def test_a_count_that_differs_is_noted(tmp_path):
    (tmp_path / "layouts.toml").write_text(
        '[[tables]]\npaper = "SIAN"\ntable = "T9"\ncounts = [\n'
        '  { name = "Rain12", printed = 13, of = "rain12" },\n'
        '  { name = "Rain13", printed = 13, of = "rain13" },\n]\n'
    )
    grid = paper_table("sian", "9", load_registry([tmp_path]))
    assert [row[2].text for row in grid.rows] == ["12", "–"]
    assert [row[2].note for row in grid.rows] == [
        "differs, see `rainbench show rain12`", "there is no card rain13",
    ]  # fmt: skip
