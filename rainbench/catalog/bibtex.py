"""References as BibTeX, from the one form in which cards cite: authors: title, venue year."""

from __future__ import annotations

import re
import unicodedata

from rainbench.core.errors import RainbenchError

_FORM = re.compile(
    r"(?P<authors>[^:]+): (?P<title>.+?), (?P<venue>[A-Z][A-Za-z ]*?|arXiv (?P<eprint>\d+\.\d+))"
    r"(?:,? (?P<year>(?:19|20)\d\d))?(?:[;,(].*)?"
)

_JOURNALS = {
    "TIP": "IEEE Transactions on Image Processing",
    "TPAMI": "IEEE Transactions on Pattern Analysis and Machine Intelligence",
}
"""Venues that are journals; all others are conferences."""

_SMALL_WORDS = frozenset({"a", "an", "the", "on", "from", "toward", "towards"})


def bibtex(citation: str) -> str:
    """Return the BibTeX entry of a citation.

    Args:
        citation: ``D. Ren, W. Zuo: Progressive image deraining networks, CVPR 2019``; of two works,
            with a semicolon between them, the first.

    Raises:
        RainbenchError: It cites no publication.

    Example:
        >>> print(bibtex("X. Qin, Z. Wang: NASNet: a net for deraining, arXiv 1912.03151, 2019"))
        @misc{qin2019nasnet,
          author = {X. Qin and Z. Wang},
          title = {{NASNet: a net for deraining}},
          eprint = {1912.03151},
          archiveprefix = {arXiv},
          year = {2019},
        }
    """
    found = _FORM.fullmatch(" ".join(citation.split()))
    if found is None:
        raise RainbenchError(f"cites no publication: {citation.strip()}")
    venue, eprint = found["venue"], found["eprint"]
    year = found["year"] or (f"20{eprint[:2]}" if eprint else "")
    fields = {
        "author": " and ".join(found["authors"].split(", ")),
        "title": f"{{{found['title']}}}",
    }
    if eprint:
        kind = "misc"
        fields |= {"eprint": eprint, "archiveprefix": "arXiv"}
    elif venue in _JOURNALS:
        kind = "article"
        fields["journal"] = _JOURNALS[venue]
    else:
        kind = "inproceedings"
        fields["booktitle"] = venue
    fields |= {"year": year} if year else {}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{_key(found['authors'], year, found['title'])},", *lines, "}"])


def _key(authors: str, year: str, title: str) -> str:
    family = authors.split(", ")[0].rsplit(" ", 1)[-1]
    words = [word for word in re.findall(r"\w+", title) if word.casefold() not in _SMALL_WORDS]
    plain = unicodedata.normalize("NFKD", f"{family}{year}{words[0] if words else ''}").casefold()
    return re.sub(r"[^a-z0-9]", "", plain)
