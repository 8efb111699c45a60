"""Every publication that a card cites becomes BibTeX."""

import re

import pytest

from rainbench.catalog.bibtex import bibtex
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError

REGISTRY = load_registry()
CITED = sorted(
    {card.paper.strip() for card in REGISTRY.baselines.values()}
    | {card.citation.strip() for card in REGISTRY.datasets.values()}
)


@pytest.mark.parametrize("citation", CITED)
def test_every_citation_of_the_cards(citation):
    if citation.startswith(("none", "made for")) or citation.endswith("(DAiAM)"):
        with pytest.raises(RainbenchError, match="cites no publication"):
            bibtex(citation)
        return
    entry = bibtex(citation)
    first = citation.split(",")[0]
    assert entry.splitlines()[1].startswith(f"  author = {{{first}")
    assert re.fullmatch(
        r"@(misc|article|inproceedings)\{[a-z]+20\d\d[a-z]+,", entry.splitlines()[0]
    )
    assert entry.count("{") == entry.count("}")


def test_two_works_are_cited_by_the_first():
    entry = bibtex("A. Bé, C. D: On nets: more, CVPR 2017; the newer: E. F, TPAMI 2019")
    assert entry.startswith("@inproceedings{be2017nets,") and "2019" not in entry
    assert "journal = {IEEE Transactions on Image Processing}" in bibtex("A. B: C, TIP 2020")
