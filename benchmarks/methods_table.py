"""Every method beside its authors' code: worst difference, parameters, seconds, source and hash.

Differences are those from reference outputs, made by the authors' own programs or classes, with
their weights or weights by a rule, on one small picture or clip. Seconds are those of one core for
a picture, or a frame, of 480x320; of methods that solve a model or see whole clips those that their
cards state. Run from the repository's root, ten minutes:

    RAINBENCH_SHARED=DIR python benchmarks/methods_table.py --out docs/methods.md
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "networks"))

from material import by_rule
from test_deraindrop import published_shapes as deraindrop_shapes
from test_did_mdn import Restorer, loaded, restorer_shapes

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Entry, Registry, load_registry
from rainbench.catalog.weights import find_weights
from rainbench.core.images import read_image
from rainbench.core.progress import say
from rainbench.networks.base import Restoration
from rainbench.networks.construct import construct
from rainbench.networks.deraindrop import DeRaindrop
from rainbench.networks.load import build_network
from rainbench.networks.matlab_colour import to_ycbcr
from rainbench.video_methods.fastderain import FastDeRain
from rainbench.video_methods.jiang2017 import MARGIN, Jiang2017, mirrored
from rainbench.video_methods.ms_csc import MSCSC
from rainbench.video_methods.wei2017 import Wei2017

PICTURE = "in0_astronaut_64x64"
HEIGHT, WIDTH = 320, 480
MEGAPIXELS = HEIGHT * WIDTH / 1e6

WHOLE = ("did-mdn", "jorder")
"""Methods whose time does not grow with the pixels: the others are timed on a quarter of them."""

PROGRAM, RULE = "authors' program, their weights", "authors' class, weights by a rule"

OF_ENTRIES = {
    **{
        f"{card}.{data.lower()}": (f"networks/golden/{stem}_{data}", "stages")
        for card, stem in (
            ("prenet", "PReNet"), ("prenet_r", "PReNet_r"), ("prn", "PRN"), ("prn_r", "PRN_r"),
        )
        for data in ("Rain100L", "Rain100H", "Rain1400")
    },
    **{
        f"{card}.{ours}": (f"networks/golden/{stem}_RecDerain-{theirs}", "out")
        for card, stem in (
            ("prenet", "PReNet"), ("brn", "BRN"), ("rescan", "RESCAN"), ("spanet", "SPANet"),
        )
        for ours, theirs in (("rain200l", "RainLight"), ("rain200h", "RainHeavy"))
    },
    **{
        f"brn.{data.lower()}": (f"networks/golden/BRN_RecDerain-{data}", "out")
        for data in ("Rain100L", "Rain100H")
    },
    **{
        f"sian.{data}": (f"networks/golden/SIAN_{data}", "out")
        for data in ("rain100l", "rain100h", "rain1400")
    },
    "spanet.spa": ("networks/golden/SPANet_latest", "out_bgr"),
    "prenet_gru.rain100h": ("networks/golden/PReNet_GRU_abl-PReNet6_GRU", "stages"),
    "prenet_x.rain100h": ("networks/golden/PReNet_x_abl-PReNet6_x", "stages"),
    "prenet_lstm.rain100h": ("networks/golden/PReNet_LSTM_abl-PReNet6_LSTM", "stages"),
    "generator_lstm.real1": ("networks/golden/Generator_lstm_real1", "stages"),
    "generator_lstm.real2": ("networks/golden/Generator_lstm_real2", "stages"),
    "lpnet.rain100l": ("methods/golden/lpnet_light", "out5"),
    "lpnet.rain100h": ("methods/golden/lpnet_heavy", "out5"),
    "ddn.rain200l": ("methods/golden/ddn_RainLight", "out"),
    "ddn.rain200h": ("methods/golden/ddn_RainHeavy", "out"),
    "ddn_b.rain1400": ("methods/golden/ddn_official-rain1400", "out"),
    "ddn_c.rain1400": ("methods/golden/ddn-cvpr17-matlab-RECONSTRUCTED", "out"),
    "sirr.rain1400": ("methods/golden/sirr_official", "out"),
    "sirr.rain200l": ("methods/golden/sirr_RainLight", "out"),
    "sirr.rain200h": ("methods/golden/sirr_RainHeavy", "out"),
    "jorder.rain100l": ("methods/golden/jorder_light", "luma_out_tiled"),
    "jorder.rain100h": ("methods/golden/jorder_heavy", "luma_out_tiled"),
    "jorder_e.rain100h-practical": ("methods/golden/jorder_e_practical", "out"),
    "drn.rain100l": ("methods/golden/drn_Rain100L", "out"),
    "drn.rain100h": ("methods/golden/drn_Rain100H", "out"),
}  # fmt: skip
"""Entries whose weights and reference outputs are at hand: the file, and what of it is compared."""

COMPARED = {
    "ddn_c": "another reconstruction: their program cannot be read",
    "jorder": "authors' network in the tiles of their driver, luma",
    "nasnet": f"{RULE}, once",
    "rcdnet": f"{RULE}, once",
    "daf-net": "a plain reading of the authors' layer files",
    "derainnet": "a plain reading of the paper",
    "gmm": "nothing: a re-creation",
    "dsc": "nothing: a re-creation",
    "identity": "nothing: the rainy input",
    "median": "nothing: a plain filter",
    "rranet": "a plain form of the paper's; no code is public",
    "spa-clean-frame": "authors' program, bit by bit, by a plain copy",
}
"""What stands there in the place of the usual words."""

SWITCHED, PLAIN = ("sian", "spanet"), "a plain form of the network"
"""Networks of whose ablations none is compared by itself; and what others are compared with."""

STATED = {"nasnet": "5e-07", "rcdnet": "5e-04"}
"""Differences that were measured beside this script: their classes cannot be kept here."""


def worst(ours: torch.Tensor, expected: np.ndarray) -> float:
    """Return the largest difference of two pictures."""
    return float(np.abs(ours.double().numpy() - expected).max())


def of_entry(entry: Entry, shared: Path) -> float | None:
    """Return how far an entry is from the reference output; None where something is missing."""
    stem, what = OF_ENTRIES[entry.name]
    file, weights = shared / f"{stem}_{PICTURE}.npz", find_weights(entry, [shared / "weights"])
    if not file.is_file() or weights is None:
        return None
    network = build_network(entry, weights)
    picture = read_image(shared / "networks" / "inputs" / f"{PICTURE}_rainy.png")
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    if entry.baseline.channel_order == "bgr":
        planes = planes.flip(1)
    with torch.inference_mode():
        found: Restoration = network(planes * entry.baseline.value_range)
    with np.load(file) as arrays:
        expected = arrays[what]
    if what == "luma_out_tiled":
        return worst(found.maps["luma"][0, 0], expected)
    if what == "stages":
        return worst(torch.cat(found.stages), expected)
    return worst(found.image[0], expected)


def of_deraindrop(shared: Path) -> float:
    """Return the same of DeRaindrop with weights by a rule."""
    network = DeRaindrop().eval()
    network.load_state_dict(network.convert_published(by_rule(deraindrop_shapes())))
    picture = read_image(shared / "networks" / "inputs" / f"{PICTURE}_rainy.png")
    planes = torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        found = network(planes).image[0]
    with np.load(shared / "networks" / "golden" / "DeRaindrop_generator_formula.npz") as arrays:
        return worst(found, arrays[f"{PICTURE}__4"])


def of_did_mdn(shared: Path) -> float:
    """Return the same of what DID-MDN restores by stored statistics."""
    picture = read_image(shared / "networks" / "inputs" / f"{PICTURE}_rainy.png")
    planes = 2 * torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255 - 1
    with torch.inference_mode():
        found = loaded(Restorer, restorer_shapes(), "stored")(planes, torch.tensor([2.0]))
    with np.load(shared / "methods" / "golden" / "did-mdn_derain_formula.npz") as arrays:
        return max(worst(each[0], arrays[f"in0_eval_{n}"]) for n, each in enumerate(found))


def of_jcas(shared: Path) -> float:
    """Return the same of JCAS, in luma."""
    card = load_registry().baseline("jcas")
    with np.load(shared / "methods" / "golden" / f"jcas_{PICTURE}.npz") as arrays:
        golden = dict(arrays)
    rainy = torch.from_numpy(golden["input_u8"]).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        found = to_ycbcr(construct(card, card.arguments)(rainy).image)[0, 0] / 255
    return worst(found, golden["luma_out"])


def clip(shared: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a clip's reference output, frames first."""
    with np.load(shared / "methods" / "golden" / f"{name}_vid0.npz") as arrays:
        return {
            key: np.moveaxis(arrays[key], 2, 0) if arrays[key].ndim == 3 else arrays[key]
            for key in arrays.files
        }


def of_fastderain(shared: Path) -> float:
    """Return the largest difference of the background."""
    known = clip(shared, "fastderain")
    background, _, _ = FastDeRain().separate(known["input_u8"] / 255)
    return float(np.abs(background - known["background"]).max())


def of_jiang2017(shared: Path) -> float:
    """Return the largest difference of the background."""
    known = clip(shared, "dip-jiang2017")
    background, _ = Jiang2017().separate(mirrored(known["input_u8"] / 255))
    inner = (slice(MARGIN, -MARGIN),) * 3
    return float(np.abs(background[inner] - known["background"]).max())


def decibels(found: np.ndarray, theirs: np.ndarray, clean: np.ndarray) -> str:
    """Return the PSNR of both."""
    ours, their = (-10 * np.log10(np.mean((each - clean / 255) ** 2)) for each in (found, theirs))
    return f"{ours:.2f} dB for {their:.2f}"


def of_wei2017(shared: Path) -> str:
    """Return the PSNR of both: the start is random."""
    known = clip(shared, "wei-mog")
    seen = known["input_u8"] / 255
    low, span = seen.min(), np.ptp(seen)
    found = Wei2017().separate((seen - low) / span)
    shown = np.where(found.mask, (seen - low) / span, found.background) * span + low
    return decibels(shown, known["background"] * span + low, known["clean_u8"])


def of_ms_csc(shared: Path) -> str:
    """Return the PSNR of both: ties of the cut are broken otherwise."""
    known = clip(shared, "mscsc")
    found = MSCSC().separate(known["input_u8"] / 255)
    return decibels(found.clean, known["out"], known["clean_u8"])


OTHERS: dict[str, tuple[str, Callable[[Path], float | str]]] = {
    "deraindrop": (RULE, of_deraindrop),
    "did-mdn": (f"{RULE}, -1 to 1", of_did_mdn),
    "jcas": ("authors' program in Octave, luma", of_jcas),
    "fastderain": ("authors' program in Octave", of_fastderain),
    "jiang2017": ("authors' program in Octave", of_jiang2017),
    "wei2017": ("authors' program in Octave, PSNR", of_wei2017),
    "ms-csc": ("authors' program in Octave, PSNR", of_ms_csc),
}


def difference(card: BaselineCard, registry: Registry, shared: Path) -> tuple[str, str]:
    """Return what a method was compared with, and how far off it is."""
    if card.name in OTHERS:
        with_what, measure = OTHERS[card.name]
        found = measure(shared)
        return with_what, found if isinstance(found, str) else f"{found:.0e}"
    entries = [entry for entry in registry.entries([card.name]) if entry.name in OF_ENTRIES]
    found = [off for entry in entries if (off := of_entry(entry, shared)) is not None]
    if found:
        return COMPARED.get(card.name, PROGRAM), f"{max(found):.0e}"
    of_class = card.name.partition("_")[0]
    words = f"the class of `{of_class}`, with other arguments" if of_class in SWITCHED else PLAIN
    words = COMPARED.get(card.name, words)
    return words, STATED.get(card.name, "–")


def seconds(card: BaselineCard) -> str:
    """Return the seconds of one core for a picture or frame of 480x320."""
    if card.seconds_per_megapixel:
        return f"{card.seconds_per_megapixel * MEGAPIXELS:.2g} (stated)"
    network = construct(card, card.arguments).eval()
    parts = 1 if card.name in WHOLE else 4
    side = 2 if parts == 4 else 1
    image = torch.rand(1, 3, HEIGHT // side, WIDTH // side) * card.value_range
    spent = []
    with torch.inference_mode():
        for _ in range(2):
            begun = time.process_time()
            network(image)
            spent.append(time.process_time() - begun)
    return f"{parts * min(spent):.2g}"


def hashes(card: BaselineCard) -> str:
    """Return the beginning of the hash of each published file of weights."""
    found = [
        f"{weights.tag} {'git ' if not weights.sha256 else ''}`{weights.known[:12]}`"
        for weights in card.weights
        if weights.training is None
    ]
    return ", ".join(found) or "–"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    shared = Path(os.environ["RAINBENCH_SHARED"])
    torch.set_num_threads(1)
    registry = load_registry()
    lines = []
    for card in registry.baselines.values():
        say(card.name)
        with_what, off = difference(card, registry, shared)
        cells = (
            f"`{card.name}`", with_what, off, f"{card.parameters:,}", seconds(card), card.source,
            hashes(card),
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    options.out.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


HEAD = """\
# Every method beside its authors' code

Made by `RAINBENCH_SHARED=DIR python benchmarks/methods_table.py --out docs/methods.md`, where `DIR`
holds the reference outputs and weights, which are not public.

- **compared with**: what made the reference output. *By a rule*: every weight is drawn from its
  name, for networks whose weights are not at hand; *once*: outside of the script, as the class may
  not be kept here. Networks without public code are compared with a second, plain form of them in
  the tests.
- **difference**: the largest one of any value on one small picture or clip, white being 1; of
  `jorder_e` and `rcdnet` white is 255.
- **seconds**: processor time of one core for 480x320, four times that of a quarter of it, on the
  machine of the day; *stated*: as on the card, for methods that solve a model or see whole clips.
- **hash**: the first digits of the SHA-256 of each published file of weights, the whole on the card
  (`rainbench show NAME`); *git*: of git's own hash, for files that were never at hand here, so that
  their numbers were not measured. Weights of ours are not listed.

| method | compared with | difference | parameters | seconds | source | hash |
| --- | --- | --- | ---: | ---: | --- | --- |
"""

if __name__ == "__main__":
    main()
