"""What a cell's files say: the lines of ``images.csv`` and the summary in ``cell.json``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.core.errors import RainbenchError
from rainbench.core.escape import escape_formula, unescape_formula
from rainbench.core.files import read_regular_file
from rainbench.core.text import json_number
from rainbench.metrics import PROTOCOLS, MeanScore, Score, mean_score

if TYPE_CHECKING:
    from rainbench.pairs.load import PairSet

IMAGES_HEADER = ("image", "protocol", "psnr", "ssim")

LARGEST_FILE = 1 << 28
"""Bytes beyond which a file of a run is not read: a million images under all protocols."""

Scores = Mapping[str, Score]

_FIELDS: Mapping[str, tuple[type, ...]] = {
    "key": (str,),
    "dataset": (str,),
    "entry": (str,),
    "images": (int,),
    "means": (dict,),
    "variant": (str,),
    "comparable": (bool,),
    "complete_set": (bool, type(None)),
    "left_out": (list,),
    "options": (dict,),
}
"""What a summary has to hold."""

_MORE_FIELDS: Mapping[str, tuple[type, ...]] = {
    "provenance": (dict,),
    "source": (str,),
    "title": (str,),
    "copies": (str,),
    "doubt": (str,),
    "lossy": (int,),
    "peak_bytes": (int,),
    "images_sha256": (str,),
    "clips": (int,),
}
"""What it may hold."""


def read_images_csv(file: Path) -> dict[str, Scores]:
    """Read an ``images.csv``; a torn last line is ignored, and so is a file of another kind.

    Returns:
        The scores by image and protocol, in the file's order. What a protocol does not define
        (the PSNR of `rescan-rgb`, any score of an image smaller than its window) is None or NaN.
    """
    try:
        return parse_images_csv(read_regular_file(file, LARGEST_FILE))
    except OSError:
        return {}


def parse_images_csv(data: bytes) -> dict[str, Scores]:
    """Return the scores in the bytes of an ``images.csv``, see `read_images_csv`."""
    text = data.decode("utf-8", "replace")
    try:
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    except csv.Error:
        return {}
    if not rows or tuple(rows[0]) != IMAGES_HEADER:
        return {}
    scores: dict[str, dict[str, Score]] = {}
    for row in rows[1:]:
        if len(row) == 4 and row[1] in PROTOCOLS:
            try:
                score = Score(float(row[2]) if row[2] else None, float(row[3] or "nan"))
            except ValueError:  # not what we wrote: nothing from here on is
                break
            scores.setdefault(unescape_formula(row[0]), {})[row[1]] = score
    return dict(scores)


def format_rows(scores: Mapping[str, Scores]) -> str:
    """Return the text of an ``images.csv``."""
    header = ",".join(IMAGES_HEADER) + "\n"
    return header + "".join(
        format_image(image, per_protocol) for image, per_protocol in scores.items()
    )


def format_image(image: str, scores: Scores) -> str:
    """Return the lines of one image in ``images.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for protocol, score in scores.items():
        psnr = "" if score.psnr is None else f"{score.psnr:.6f}"
        ssim = "" if math.isnan(score.ssim) else f"{score.ssim:.8f}"
        writer.writerow([escape_formula(image), protocol, psnr, ssim])
    return text.getvalue()


def summarise(pairs: PairSet, entry: str, scores: Mapping[str, Scores]) -> dict[str, object]:
    """Return what ``cell.json`` says of every cell.

    Args:
        pairs: The data set's copy.
        entry: The entry's name.
        scores: Those of ``images.csv``, so that a resumed run gives the same as a whole one.
    """
    variant = pairs.variant
    return {
        "dataset": pairs.card.name,
        "variant": variant.name if variant else "",
        "variant_note": variant.note if variant else "",
        "comparable": variant is None or variant.comparable,
        "entry": entry,
        "images": len(scores),
        "complete_set": is_complete(pairs, len(scores)),
        "left_out": list(pairs.left_out),
        "means": means_of(scores, clips=pairs.card.clips),
        **({"clips": len({pair.clip for pair in pairs.pairs})} if pairs.card.clips else {}),
    }


def is_complete(pairs: PairSet, images: int) -> bool | None:
    """Return whether so many images are the whole data set; None where its card has no count.

    Args:
        pairs: The data set's copy.
        images: How many images were scored.
    """
    if images < pairs.found:
        return False
    return images == pairs.card.count if pairs.card.count else None


def means_of(
    scores: Mapping[str, Scores], protocols: Iterable[str] = PROTOCOLS, *, clips: bool = False
) -> dict[str, dict[str, float | str | None]]:
    """Return the means over a cell's images by protocol, as ``cell.json`` holds them.

    Args:
        scores: Those of ``images.csv``.
        protocols: Which.
        clips: Whether the images are frames of clips, see `mean_of`.
    """
    means = {name: mean_of(scores, name, clips=clips) for name in protocols}
    return {
        name: {part: json_number(value) for part, value in mean._asdict().items()}
        for name, mean in means.items()
    }


def mean_of(scores: Mapping[str, Scores], protocol: str, *, clips: bool) -> MeanScore:
    """Return the mean over a cell's images under a protocol.

    Of the frames of clips it is the mean of the clips' means, as papers on videos have it: a long
    clip counts as much as a short one.

    Example:
        >>> from rainbench.metrics import Score
        >>> scored = {"a/1": 30.0, "a/2": 32.0, "a/3": 34.0, "b/1": 20.0}
        >>> scores = {image: {"x": Score(psnr, 0.9)} for image, psnr in scored.items()}
        >>> mean_of(scores, "x", clips=True).psnr, mean_of(scores, "x", clips=False).psnr
        (26.0, 29.0)
    """
    whole = mean_score(each[protocol] for each in scores.values())
    if not clips:
        return whole
    by_clip: dict[str, list[Score]] = {}
    for image, each in scores.items():
        by_clip.setdefault(image.rpartition("/")[0], []).append(each[protocol])
    of_clips = [mean_score(members) for members in by_clip.values()]
    mean = mean_score(Score(each.psnr, each.ssim) for each in of_clips)
    others = [each.psnr_of_others for each in of_clips if each.psnr_of_others is not None]
    of_others = math.fsum(others) / len(others) if others else None
    return whole._replace(psnr=mean.psnr, ssim=mean.ssim, psnr_of_others=of_others)


def best_frames_of(scores: Mapping[str, Scores], protocol: str) -> MeanScore:
    """Return the mean over clips of each clip's frame of highest PSNR, as papers on videos have it.

    Args:
        scores: Those of ``images.csv``, whose images are frames of clips.
        protocol: One that has a PSNR.

    Example:
        >>> from rainbench.metrics import Score
        >>> scored = {"a/1": (30.0, 0.9), "a/2": (32.0, 0.8), "b/1": (20.0, 0.6)}
        >>> scores = {image: {"x": Score(*each)} for image, each in scored.items()}
        >>> best = best_frames_of(scores, "x")
        >>> best.psnr, round(best.ssim, 3)
        (26.0, 0.7)
    """
    best: dict[str, Score] = {}
    for image, each in scores.items():
        clip, score = image.rpartition("/")[0], each[protocol]
        if clip not in best or (score.psnr or 0) > (best[clip].psnr or 0):
            best[clip] = score
    return mean_score(best.values())


def wrong_in_summary(summary: Mapping[str, Any]) -> str:
    """Return what in a ``cell.json`` no run writes; empty where nothing is."""
    for name, kinds in (*_FIELDS.items(), *_MORE_FIELDS.items()):
        value = summary.get(name)
        if name not in summary and name in _FIELDS:
            return f'holds no "{name}"'
        if name in summary and (
            not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        ):
            return f'"{name}" is not what a run writes'
    if not all(isinstance(text, str) for text in summary["left_out"]):
        return '"left_out" is not what a run writes'
    options = summary["options"]
    if not isinstance(options.get("precision"), str) or not isinstance(options.get("tile"), int):
        return '"options" is not what a run writes'
    return ""


def disagreement(summary: Mapping[str, Any], scores: Mapping[str, Scores]) -> str:
    """Return in what a ``cell.json`` and the ``images.csv`` beside it differ; empty for nothing."""
    if "images_sha256" in summary and summary["images"] != len(scores):
        return f"counts {summary['images']} images, images.csv {len(scores)}"
    scored = {name: None for each in scores.values() for name in each}
    if lost := [name for name in scored if name not in summary["means"]]:
        return f"there is no mean of {lost[0]}, which images.csv has"
    clips = "clips" in summary
    means = summary["means"].items()
    wrong = [name for name, mean in means if not _same(mean, scores, name, clips=clips)]
    return f"the mean of {wrong[0]} is not that of images.csv" if wrong else ""


def _same(
    mean: Mapping[str, Any], scores: Mapping[str, Scores], protocol: str, *, clips: bool
) -> bool:
    """Return whether the scores of a protocol have a mean, up to the digits of ``images.csv``.

    A protocol of another version of this package cannot be known.
    """
    if protocol not in PROTOCOLS:
        return True
    try:
        now = mean_of(scores, protocol, clips=clips)
        means = mean["psnr"], mean["ssim"]
        claimed = [math.nan if value is None else float(value) for value in means]
    except (KeyError, TypeError, ValueError, OverflowError, RainbenchError):
        return False
    found = [math.nan if value is None else value for value in (now.psnr, now.ssim)]
    return all(
        (math.isnan(was) and math.isnan(value)) or math.isclose(was, value, abs_tol=1e-5)
        for was, value in zip(claimed, found, strict=True)
    )
