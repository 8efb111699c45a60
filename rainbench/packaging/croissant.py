"""The Croissant description of a data set: what search engines and data loaders read.

Croissant 1.0 is a JSON-LD vocabulary, see https://docs.mlcommons.org/croissant/docs/croissant-spec.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rainbench.catalog.cards import DatasetCard

_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_INTEGERS = frozenset({"width", "height"})

_MEANINGS = {
    "objects": "Mask: 255 where neither scene nor rain is seen, or the clean frame is in doubt.",
    "object_share": "Share of the pixels of objects that are 255.",
    "as_filmed": "no where the rainy pixels are not those of the video; see corrections.",
    "corrections": "shake: moved to one place by interpolation; light: brought to one brightness.",
    "repeats": "left out where the video shows frames twice or more: each is used once.",
    "origin": "Where the video comes from.",
    "device": "What it was filmed with.",
    "exposure": "How long the shutter was open, in seconds unless it says otherwise.",
    "iso": "Sensitivity of the camera.",
    "scene": "What kind of place it shows.",
}
"""What columns hold, where their names alone do not say it."""


@dataclass(frozen=True, slots=True)
class CroissantSplit:
    """What the description of a split needs.

    Attributes:
        card: The split's card, complete.
        columns: The header of its ``metadata.csv``.
        sha256: Of its ``metadata.csv``.
    """

    card: DatasetCard
    columns: tuple[str, ...]
    sha256: str


def croissant_text(splits: Sequence[CroissantSplit]) -> str:
    """Return the JSON-LD of a data set: its files, and a record set per split.

    Args:
        splits: At least one; what all share is taken from the first one's card.
    """
    card = splits[0].card
    content: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": card.name.removesuffix("-train"),
        "description": f"{card.title}. {card.notes}".strip(),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": card.licence,
        "version": f"{card.revision}.0.0" if card.revision.isdigit() else card.revision,
        "citeAs": card.citation,
        "keywords": ["deraining", "image restoration", *card.degradation],
        "distribution": [part for split in splits for part in _files(split)],
        "recordSet": [_records(split) for split in splits],
    }
    addresses = [source for source in card.sources if source.startswith("http")]
    if addresses:
        content["url"] = addresses[0]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _files(split: CroissantSplit) -> list[dict[str, object]]:
    name = split.card.name
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"{name}-metadata",
            "name": f"{name}-metadata",
            "description": f"A row per pair of the {split.card.split} split.",
            "contentUrl": f"{name}/metadata.csv",
            "encodingFormat": "text/csv",
            "sha256": split.sha256,
        },
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-images",
            "name": f"{name}-images",
            "description": f"The images of the {split.card.split} split.",
            "encodingFormat": "image/png",
            "includes": f"{name}/**/*.png",
        },
    ]


def _records(split: CroissantSplit) -> dict[str, object]:
    name = split.card.name
    return {
        "@type": "cr:RecordSet",
        "@id": f"{name}-pairs",
        "name": f"{name}-pairs",
        "description": f"The {split.card.count} pairs; paths are relative to {name}/.",
        "key": {"@id": f"{name}-pairs/id"},
        "field": [_field(name, column) for column in split.columns],
    }


def _field(name: str, column: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"{name}-pairs/{column}",
        "name": column,
        **({"description": _MEANINGS[column]} if column in _MEANINGS else {}),
        "dataType": "sc:Integer" if column in _INTEGERS else "sc:Text",
        "source": {"fileObject": {"@id": f"{name}-metadata"}, "extract": {"column": column}},
    }
