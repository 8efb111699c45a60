"""The cards and the published tables that ship with rainbench: complete, consistent, and true."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rainbench.catalog.folders import content_root
from rainbench.catalog.published import COLUMNS, load_published, preferred
from rainbench.catalog.published_files.names import index_of
from rainbench.catalog.registry import Registry, load_registry
from rainbench.catalog.weights import file_hash
from rainbench.commands.train import command
from rainbench.core.images import IMAGE_SUFFIXES
from rainbench.metrics.protocols import PROTOCOLS
from rainbench.networks.blocks import ConvLSTM, LSTMState
from rainbench.pairs.layouts import match_layouts

# The data sets under the names that the five papers print.
PRINTED = {
    "Rain12": "rain12",
    "Rain100L": "rain100l",
    "Rain100H": "rain100h",
    "Rain200L": "rain200l",
    "Rain200H": "rain200h",
    "Rain800": "rain800",
    "Rain1200": "rain1200",
    "Rain1400": "rain1400",
    "SPA-Data": "spa",
    "Raindrop": "raindrop-a",
    "JRSRD": "jrsrd",
    "RainCityScapes": "raincityscapes",
    "MPID-streak": "mpid-streak",
    "MPID-drop": "mpid-drop",
    "MPID-mist": "mpid-mist",
}
TRAINING = [
    "rain100l-train", "rain100h-train", "rain100h-train-strict", "rain200l-train",
    "rain200h-train", "rain800-train", "rain1200-train", "rain1400-train", "spa-train",
    "raindrop-train", "jrsrd-train", "raincityscapes-train",
]  # fmt: skip
WITHOUT_CARD = {"SPA-synthetic-videos-10": "spa-synthetic-videos-10"}
LOADABLE = (
    "prenet", "brn", "sian", "spanet", "rescan", "lpnet", "jorder", "ddn", "sirr", "jorder_e",
    "drn",
)  # fmt: skip
BESIDE = (".prototxt", "/checkpoint")
"""Files beside published weights that hold none."""

COUNTED_AT = {"jorder": (320, 480), "did-mdn": (512, 512), "daf-net": (256, 512)}
"""Height and width at which multiply-adds are counted where they depend on it; else 64x64."""

PAPERS = ("daiam", "spanet", "sian", "rranet", "nasnet")

FIELD = re.compile(r"\{(\w+)(?::[d?])?\}")


@pytest.fixture(scope="module")
def registry() -> Registry:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAINBENCH_PATH", raising=False)
        return load_registry()


def test_every_card_reads_and_its_name_is_its_own(registry):
    assert not registry.problems
    files = [*content_root().glob("datasets/*.toml"), *content_root().glob("baselines/*.toml")]
    assert len(registry.datasets) + len(registry.baselines) == len(files)
    assert not set(registry.datasets) & set(registry.baselines)


def test_every_data_set_of_the_papers_has_a_card(registry):
    for name in PRINTED.values():
        assert registry.datasets[name].split == "test"
    for name in TRAINING:
        assert registry.datasets[name].split == "train"


def test_dataset_cards_are_consistent(registry):
    aliases = Counter()
    for card in registry.datasets.values():
        assert card.protocol in PROTOCOLS, card.name
        assert card.licence, card.name
        assert card.sources, card.name
        assert card.citation, card.name
        for other in card.confusable:
            assert other in registry.datasets, (card.name, other)
            assert other != card.name
        layouts = [layout.name for layout in card.layouts]
        assert len(set(layouts)) == len(layouts), card.name
        for variant in card.variants:
            assert card.sizes, f"{card.name}: a variant is told apart from the original's sizes"
            assert not set(variant.sizes) & set(card.sizes), card.name
        aliases.update({alias.casefold() for alias in card.aliases} - {card.name})
        for folder in card.folders:
            assert not folder.startswith("/"), card.name
            assert "\\" not in folder, card.name
    assert not set(aliases) & set(registry.datasets), "an alias hides a card"


def test_layout_patterns_are_well_formed(registry):
    for card in registry.datasets.values():
        for layout in card.layouts:
            where = f"{card.name}: {layout.name}"
            for pattern in filter(None, (layout.rainy, layout.clean, layout.combined)):
                rest = FIELD.sub("", pattern)
                assert "{" not in rest, where
                assert "}" not in rest, where
                assert FIELD.search(pattern), where
                assert Path(pattern).suffix in IMAGE_SUFFIXES, where
                assert not pattern.startswith(("/", "./")), where
            if layout.list_file:
                assert layout.list_file.endswith(".txt"), where
            if layout.rainy:
                rainy = list(dict.fromkeys(FIELD.findall(layout.rainy)))
                clean = list(dict.fromkeys(FIELD.findall(layout.clean)))
                assert clean == [field for field in rainy if field in clean], where
                assert layout.rainy != layout.clean, where


# Names as the authors' releases, loaders and scripts have them.
PACKAGINGS = [
    ("rain12", "in-gt", ["003_in.png", "003_GT.png"], "3"),
    ("rain12", "rainy-groundtruth", ["rainy/3.png", "groundtruth/3.png"], "3"),
    ("rain100l", "input-target", ["input/7.png", "target/7.png"], "7"),
    ("rain100l", "prenet", ["rainy/rain-007.png", "norain-007.png"], "7"),
    ("rain100h", "prenet-flat", ["rain-007.png", "norain-007.png"], "7"),
    (
        "rain100h",
        "rcdnet",
        ["test/small/rain/norain-7.png", "test/small/norain/norain-7.png"],
        "7",
    ),
    ("rain100h-train", "prenet-flat", ["rain-1800.png", "norain-1800.png"], "1800"),
    (
        "rain100h-train-strict",
        "rainy-norain",
        ["rainy/rain-12.png", "norain/norain-12.png"],
        "12",
    ),
    ("rain200h", "x2", ["rain/X2/norain-12x2.png", "norain/norain-12.png"], "12"),
    (
        "rain200l-train",
        "x2-train",
        ["train/rain/X2/norain-9x2.png", "train/norain/norain-9.png"],
        "9",
    ),
    ("rain800", "rain-norain", ["rain/rain-042.png", "norain/norain-042.png"], "42"),
    ("rain800", "halves-clean-first", ["42.jpg"], "42"),
    ("rain1200", "halves", ["1200.jpg"], "1200"),
    ("rain1200-train", "densities", ["Rain_Heavy/train2018new/5.jpg"], "heavy_5"),
    ("rain1400", "ddn", ["rainy_image/901_14.jpg", "ground_truth/901.jpg"], "901_14"),
    ("spa", "authors", ["rain/000.png", "gt/000gt.png"], "0"),
    ("spa", "same-names", ["rain/norain-438.png", "gt/norain-438.png"], "438"),
    (
        "spa-train",
        "authors",
        ["real_world/000/000-12/000-12_256_0.png", "real_world_gt/000/000_256_0.png"],
        "0_12_256_0",
    ),
    ("rain12", "input-gt", ["input/3.png", "gt/3.png"], "3"),
    ("rain12", "input-gt-named", ["input/003_in.png", "gt/003_GT.png"], "3"),
    ("rain12", "input-label", ["input/3.png", "label/3.png"], "3"),
    ("rain800", "input-target", ["input/42.png", "target/42.png"], "42"),
    ("rain1200", "input-target", ["input/42.png", "target/42.png"], "42"),
    ("rain1400", "ddn-blanks", ["rainy image/901_14.jpg", "ground truth/901.jpg"], "901_14"),
    ("test2800", "ddn-blanks", ["rainy image/901_14.jpg", "ground truth/901.jpg"], "901_14"),
    ("test2800", "input-target", ["input/926_10.jpg", "target/926_10.jpg"], "926_10"),
    ("outdoor-rain", "authors", ["in/im_0001_s80_a04.png", "gt/im_0001.png"], "1_80_4"),
    ("rainds-real-joint", "authors", ["rainstreak_raindrop/2.png", "gt/2.png"], "2"),
    ("lhp-rain", "input-gt", ["input/2701.png", "gt/2701.png"], "2701"),
    ("realrain-1k-h", "input-target", ["input/7.png", "target/7.png"], "7"),
    ("raindrop-a", "authors", ["data/57_rain.png", "gt/57_clean.png"], "57"),
    ("raindrop-b", "authors", ["data/248_rain.jpg", "gt/248_clean.jpg"], "248"),
    (
        "raincityscapes",
        "cityscapes",
        [
            "leftImg8bit_rain/val/munster/munster_000044_000019_leftImg8bit_rain"
            "_alpha_0.03_beta_0.015_dropsize_0.002_pattern_9.png",
            "leftImg8bit/val/munster/munster_000044_000019_leftImg8bit.png",
        ],
        "munster_munster_000044_000019_0.03_0.015_0.002_9",
    ),
]


@pytest.mark.parametrize(
    ("dataset", "layout", "names", "pair"),
    PACKAGINGS,
    ids=[f"{dataset}-{layout}" for dataset, layout, _, _ in PACKAGINGS],
)
def test_known_packagings_are_recognised(registry, tmp_path, dataset, layout, names, pair):
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    best = match_layouts(registry.datasets[dataset], tmp_path)[0]
    assert best.layout.name == layout
    assert [found.id for found in best.pairs] == [pair]
    assert not best.problems
    assert not best.unused_clean


def test_every_packaging_of_every_card_pairs_by_name(registry, tmp_path):
    """Two pairs in each layout: each rainy file gets the clean file of its own fields."""
    for card in registry.datasets.values():
        for layout in card.layouts:
            if layout.list_file:
                continue
            folder, wanted = tmp_path / card.name / layout.name, {}
            for number in (3, 12):
                names = [
                    FIELD.sub(
                        lambda field, n=number: f"{n:03d}" if ":d" in field[0] else f"v{n}", p
                    )
                    for p in (layout.rainy or layout.combined, layout.clean or layout.combined)
                ]
                for name in names:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).touch()
                wanted[folder / names[0]] = folder / names[1]
            found = next(m for m in match_layouts(card, folder) if m.layout == layout)
            pairs = {pair.rainy.path: pair.clean.path for pair in found.pairs}
            assert pairs == wanted, f"{card.name}: {layout.name}"


def test_the_three_rains_of_rainds_share_clean_images_and_nothing_else(registry, tmp_path):
    for folder in ("gt", "rainstreak", "raindrop", "rainstreak_raindrop"):
        (tmp_path / folder).mkdir()
        for number in (2, 218):
            (tmp_path / folder / f"{number}.png").touch()
    (tmp_path / "rainstreak" / "IMG_7435.png").touch()
    for kind, folder in (("streak", "rainstreak"), ("drop", "raindrop")):
        best = match_layouts(registry.datasets[f"rainds-real-{kind}"], tmp_path)[0]
        assert {pair.rainy.path.parent.name for pair in best.pairs} == {folder}
        assert [pair.id for pair in best.pairs] == ["2", "218"]


@pytest.mark.parametrize("inside", ["", "test", "test_set", "RainDS_syn/test"])
def test_both_series_of_rainds_syn_are_paired(registry, tmp_path, inside):
    """Numbers of one series stand in the other, too: pie-7 is not 7."""
    place = tmp_path / inside
    for folder, kind in (
        ("gt", "norain"),
        ("rainstreak", "rain"),
        ("raindrop", "rd"),
        ("rainstreak_raindrop", "rd-rain"),
    ):
        (place / folder).mkdir(parents=True)
        for name in (f"{kind}-7", f"{kind}-101", f"pie-{kind}-7"):
            (place / folder / f"{name}.png").touch()
    for kind, name in (("streak", "rain"), ("drop", "rd"), ("joint", "rd-rain")):
        best = match_layouts(registry.datasets[f"rainds-syn-{kind}"], tmp_path)[0]
        assert not best.problems and not best.unused_clean
        assert {pair.id: (pair.rainy.path.name, pair.clean.path.name) for pair in best.pairs} == {
            "7": (f"{name}-7.png", "norain-7.png"),
            "101": (f"{name}-101.png", "norain-101.png"),
            "pie-_7": (f"pie-{name}-7.png", "pie-norain-7.png"),
        }


def test_a_copy_of_test2800_with_one_too_many_is_not_paired_with_it(registry, tmp_path):
    for folder in ("input", "target"):
        (tmp_path / folder).mkdir()
        for name in ("926_10.jpg", "926_10(1).jpg"):
            (tmp_path / folder / name).touch()
    best = match_layouts(registry.datasets["test2800"], tmp_path)[0]
    assert [pair.id for pair in best.pairs] == ["926_10"]


def test_spa_takes_any_size(registry):
    assert registry.datasets["spa"].sizes == ()


def test_clean_image_of_many_rainy_ones_is_shared(registry, tmp_path):
    for name in ("rainy_image/901_1.jpg", "rainy_image/901_2.jpg", "ground_truth/901.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    best = match_layouts(registry.datasets["rain1400"], tmp_path)[0]
    assert [pair.id for pair in best.pairs] == ["901_1", "901_2"]
    assert len({pair.clean.path for pair in best.pairs}) == 1


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "folder", "count"),
    [("rain100l", "rain100l", 100), ("rain100h", "rain100h", 100), ("spa", "spa", 2),
     ("raindrop-train", "raindrop", 4)],
)  # fmt: skip
def test_real_copies_are_recognised(registry, shared, dataset, folder, count):
    best = match_layouts(registry.datasets[dataset], shared / "data" / folder)[0]
    assert len(best.pairs) == count
    assert not best.problems


def test_weights_name_known_data_sets_and_are_told_apart(registry):
    hashes, files = Counter(), Counter()
    for card in registry.baselines.values():
        for weights in card.weights:
            where = f"{card.name}.{weights.tag}"
            assert weights.trained_on, where
            hashes[weights.known] += 1
            files.update(weights.files)
            if weights.training is not None:  # our own: their command is their source
                (name,) = weights.files
                shipped = content_root() / "baselines" / "weights" / name
                assert file_hash(shipped) == weights.sha256, where
                continue
            for dataset in weights.trained_on:
                assert registry.datasets[dataset].split == "test", where
            mixed = len(weights.trained_on) > 1
            assert mixed or re.match(rf"{weights.trained_on[0]}(-|$)", weights.tag), where
            assert weights.source.startswith("https://"), where
            assert weights.licence, where
        assert card.channel_order == (
            "bgr" if re.match("spanet|rescan|deraindrop|daf-net", card.name) else "rgb"
        )
    assert max(hashes.values()) == 1
    assert max(files.values()) == 1


def own_weights(registry):
    cards = registry.baselines.values()
    return [
        (card, own)
        for card in cards
        for own in card.weights
        if own.training is not None and own.training.command.startswith("rainbench")
    ]


def test_our_own_weights_name_the_photographs_and_the_generator(registry):
    """Not a test set: no image of one was trained on."""
    assert len(own_weights(registry)) == 15
    for card, own in own_weights(registry):
        words = own.training.command.split()
        clean, kind, target = (
            words[words.index(name) + 1] for name in ("--clean", "--rain", "--export")
        )
        assert words[:3] == ["rainbench", "train", card.name]
        begun = ()
        if "--from" in words:
            (start,) = registry.entries([words[words.index("--from") + 1]])
            assert start.weights.training.command.startswith("rainbench train"), "no chain to it"
            begun = start.weights.trained_on
        assert own.trained_on == tuple(dict.fromkeys((*begun, f"{clean} + rainbench {kind}")))
        assert own.degradation == registry.datasets[f"mini-{kind}"].degradation
        wide = " of a wide span" if "wide" in words else ""
        share = 1 - float(words[words.index("--untouched") + 1]) if "--untouched" in words else 1
        rain = f"{kind}{wide}" + (f" on {share:g} of the patches" if share < 1 else "")
        assert own.training.data.startswith(f"{rain} synthesised on 200 images of {clean}")
        assert "https://" in own.notes and (target,) == own.files


def test_the_prior_of_gmm_is_of_photographs_and_its_command_is_understood(registry):
    (own,) = registry.baseline("gmm").weights
    script, *words = own.training.command.removeprefix("python ").split()
    spec = importlib.util.spec_from_file_location("prior", content_root() / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words[0] = "."  # the photographs are elsewhere
    context = module.main.make_context("prior", words)
    assert (context.params["target"].name,) == own.files
    assert context.params["seed"] == own.training.seed
    assert context.params["rounds"] == own.training.steps
    assert own.trained_on == ("bsds500-test",) and "https://" in own.notes


def test_the_commands_of_our_own_weights_are_understood(registry):
    """Every option exists, so that somebody else can call them."""
    for _, own in own_weights(registry):
        words = own.training.command.split()[2:]
        context = command.make_context("train", words)
        assert context.params["target"].name == own.files[0]
        assert context.params["tag"] == own.tag


def test_networks_are_as_their_cards_say(registry, monkeypatch):
    """Parameters, and multiply-adds: those of all convolutions, of an LSTM's zero state too."""

    def whole(unit, features, state=None, other=None):
        batch, _, height, width = features.shape
        gates = unit.gates(features.new_zeros(batch, unit.gates.in_channels, height, width))
        return LSTMState(*gates.chunk(4, 1)[:2])

    monkeypatch.setattr(ConvLSTM, "forward", whole)
    networks = [entry for entry in registry.entries() if not entry.is_video]
    differing = {(entry.baseline.name, str(entry.arguments)): entry for entry in networks}
    for entry in differing.values():
        module, _, name = entry.baseline.network.partition(":")
        with torch.device("meta"):
            network = getattr(importlib.import_module(module), name)(**entry.arguments)
            parameters = sum(parameter.numel() for parameter in network.parameters())
            assert parameters == entry.parameters, entry.name
            if entry.baseline.seconds_per_megapixel:  # it stops when it is done: nothing to count
                assert not entry.macs_per_pixel, entry.name
                continue
            with FlopCounterMode(display=False) as counter:
                height, width = COUNTED_AT.get(entry.baseline.name, (64, 64))
                network(torch.empty(1, 3, height, width))
        macs = counter.get_total_flops() / 2 / (height * width)
        assert macs == pytest.approx(entry.macs_per_pixel, rel=1e-5, abs=0.5), entry.name


@pytest.mark.data
def test_every_published_file_of_weights_is_on_a_card(registry, shared):
    listed = [
        line.split("  ./") for line in (shared / "weights" / "SHA256SUMS").read_text().splitlines()
    ]
    wanted = {
        file: digest
        for digest, file in listed
        if file.split("/")[0] in LOADABLE and not file.endswith(BESIDE)
    }
    on_cards = {
        str(file): digest
        for card in registry.baselines.values()
        for weights in card.weights
        for name in map(Path, weights.files)
        for file, digest in (
            (index_of(name), weights.index_sha256),
            (name, weights.sha256_of(name)),
        )
    }
    assert wanted
    assert {file: on_cards.get(file) for file in wanted} == wanted


def rows_of(name: str) -> list[dict[str, str]]:
    text = (content_root() / "reports" / "papers" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def report_names() -> list[str]:
    return sorted(file.stem for file in (content_root() / "reports" / "papers").glob("*.csv"))


def test_the_five_papers_and_the_authors_pages_are_there():
    assert {*PAPERS, "prenet", "brn", "rescan"} <= set(report_names())


@pytest.mark.parametrize("name", report_names())
def test_published_tables_are_consistent(registry, name):
    rows = rows_of(name)
    entries = {entry.name for entry in registry.entries()}
    datasets = {*registry.datasets, *WITHOUT_CARD.values()}
    seen = Counter()
    for row in rows:
        assert tuple(row) == COLUMNS
        assert row["dataset"] in datasets, row
        assert row["entry"] in {"", *entries}, row
        assert row["protocol"] in {"unknown", *PROTOCOLS}, row
        assert row["evidence"] in {"stated", "inferred", "unknown"}, row
        assert (row["protocol"] == "unknown") == (row["evidence"] == "unknown"), row
        assert row["retrained"] in {"y", "n", "n/a", "unknown"}, row
        assert re.fullmatch(r"((bold|underline|colour)( psnr| ssim)?)?", row["mark"]), row
        if row["psnr"] or row["ssim"]:
            assert re.fullmatch(r"\d\d\.\d{1,4}", row["psnr"]), row
            assert re.fullmatch(r"0\.\d{2,4}", row["ssim"]), row
        else:
            assert "dash" in row["note"], row
        seen[tuple(row[key] for key in ("table", "dataset", "method", "variant"))] += 1
        assert row["paper"].casefold() == name
    assert max(seen.values()) == 1


def test_own_papers_are_those_of_the_tables(registry):
    papers = {cell.paper for cell in load_published()}
    for card in registry.baselines.values():
        assert card.own_paper in {"", *papers}, card.name


@pytest.mark.parametrize(
    ("entry", "dataset", "protocol", "psnr", "ssim"),
    [
        ("prenet.rain100l", "rain100l", "prenet-y", 37.48, 0.979),
        ("prenet.rain100h", "rain100h", "prenet-y", 29.46, 0.899),
        ("prenet.rain100l", "rain12", "prenet-y", 36.66, 0.961),
        ("prenet_r.rain100l", "rain100l", "prenet-y", 37.10, 0.977),
        ("prn_r.rain100h", "rain100h", "prenet-y", 27.43, 0.874),
        ("sian.rain100l", "rain100l", "prenet-y", 38.80, 0.984),
        ("brn.rain100h", "rain100h", "prenet-y", 30.47, 0.913),
        ("rescan.rain200l", "rain200l", "prenet-y", 38.43, 0.982),
        ("spanet.spa", "spa", "spanet-rgb", 38.53, 0.9875),
        ("identity", "rain100l", "prenet-y", 26.90, 0.838),
        ("identity", "spa", "spanet-rgb", 32.64, 0.9315),
    ],
)
def test_number_shown_beside_a_measured_one(registry, entry, dataset, protocol, psnr, ssim):
    (chosen,) = registry.entries([entry])
    cell = preferred(load_published(), dataset, chosen, protocol)
    assert (cell.psnr, cell.ssim) == (psnr, ssim)


@pytest.mark.data
@pytest.mark.parametrize("name", PAPERS)
def test_every_printed_number_stands_in_the_tables_once(shared, name):
    with (shared / "papers" / "reported.csv").open(encoding="utf-8", newline="") as file:
        printed = [
            (row["table"], {**PRINTED, **WITHOUT_CARD}[row["dataset"]], row["method"],
             row["variant"], row["metric"].lower(), row["value"])
            for row in csv.DictReader(file)
            if row["paper"].casefold() == name and row["metric"] in ("PSNR", "SSIM")
        ]  # fmt: skip
    ours = [
        (row["table"], row["dataset"], row["method"], row["variant"], metric, row[metric])
        for row in rows_of(name)
        if row["table"] != "README"
        for metric in ("psnr", "ssim")
    ]
    assert Counter(ours) == Counter(printed)
