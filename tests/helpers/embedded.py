"""The embedded pairs as arrays."""

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.core.images import read_image
from rainbench.pairs.load import load_pairs


def mini_pairs(name="mini-streaks"):
    """Yield number, rainy and clean image of each pair of an embedded set."""
    card = load_registry().dataset(name)
    pairs = load_pairs(card, content_root() / "datasets" / card.embedded).pairs
    for number, pair in enumerate(pairs, start=1):
        yield number, read_image(pair.rainy.path), read_image(pair.clean.path)
