"""The page of all methods is complete, and says what the cards say."""

from pathlib import Path

from rainbench.catalog.registry import load_registry

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
UNMEASURED = {"identity", "median", "gmm", "dsc"}
"""What has nobody's program beside it."""


def rows():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name.strip("| `"): rest for name, *rest in cells}


def test_every_method_has_its_row_with_what_its_card_says():
    registry = load_registry()
    found = rows()
    assert list(found) == list(registry.baselines)
    for name, card in registry.baselines.items():
        compared, difference, parameters, seconds, source, hashes = found[name]
        assert compared and (difference != "–") <= (name not in UNMEASURED), name
        assert parameters == f"{card.parameters:,}" and float(seconds.split()[0]) >= 0, name
        assert source == card.source, name
        published = [weights for weights in card.weights if weights.training is None]
        for weights in published:
            git = "" if weights.sha256 else "git "
            assert f"{weights.tag} {git}`{weights.known[:12]}`" in hashes, (name, weights.tag)
        assert hashes.count("`") == 2 * len(published), name


def test_what_was_measured_is_within_the_bounds_of_the_reference_outputs():
    """Where white is 255, more is allowed."""
    allowed = {"jorder_e": 1e-3, "rcdnet": 1e-3}
    measured = 0
    for name, (_, difference, *_) in rows().items():
        if "e-" in difference and " " not in difference:
            assert float(difference) <= allowed.get(name, 1e-5), name
            measured += 1
    assert measured >= 20
