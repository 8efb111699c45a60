"""What clean-frame methods make of hard sequences, and whether the judge knows.

Run from the repository's root:

    python benchmarks/clean_frame_hard.py --out runs/hard                    # a night
    python benchmarks/clean_frame_hard.py --out runs/hard --size small --seeds 1 --methods robust
    python benchmarks/clean_frame_hard.py --out runs/hard --kinds 'still-*-35' 'lamp-*'

The sequences are those of ``tests/helpers/hard_sequences.py``. Where the camera moves, frames are
aligned first. ``hard.csv`` receives a row for each sequence and method as it is made, ``hard.md``
the tables: a summary of each method with the judge's, and a line for each sequence.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from clean_frame_tables import Row, markdown, score
from hard_sequences import FULL, KINDS, SMALL, HardSequence, hard_sequence
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.core.progress import say
from rainbench.frames.alignment import align_frames
from rainbench.frames.cache import keep
from rainbench.frames.sources import FrameSource, read_band

SIZES = {"small": SMALL, "full": FULL}
METHODS = ("exact", "robust", "median", "lowrank", "spanet-reference")
FINE = 45.0
"""True PSNR, in dB, from which a clean frame should be accepted."""
SIGMAS = 6.0
"""Standard deviations of the noise, in each channel, within which a colour counts as shown."""


def measure(
    kinds: Sequence[str],
    sizes: Sequence[str],
    seeds: Sequence[int],
    methods: Sequence[str],
    *,
    judge: bool,
) -> Iterator[Row]:
    """Make, clean and judge each sequence, a row for each method."""
    for size in sizes:
        for kind in kinds:
            for seed in seeds:
                made = hard_sequence(kind, SIZES[size], seed=seed)
                say(f"{kind}, {size}, seed {seed}: {100 * made.coverage:.0f} % rainy")
                with keep(align_frames(made.frames) if made.moves else made.frames) as source:
                    for method in methods:
                        about: Row = {"kind": kind, "size": size, "seed": seed, "method": method}
                        yield about | _measure(made, source, method, judge)


def _measure(made: HardSequence, source: FrameSource, method: str, judge: bool) -> Row:
    start = time.process_time()
    clean = extract_clean_frame(source, method)
    seconds = time.process_time() - start
    picture, truth = clean.image[made.inside], made.truth[made.inside]
    row: Row = {
        "psnr": round(score(picture, truth)[0], 3),
        "low": float("nan"),
        "estimate": float("nan"),
        "high": float("nan"),
        "verdict": "",
        "over": float("nan"),
        "unseen": count_unseen(source, clean.image, made.noise),
        "seconds": round(seconds, 2),
        "reason": "",
    }
    if judge:
        judged = judge_clean_frame(source, clean)
        row |= {"low": round(judged.low, 3), "estimate": round(judged.estimated_psnr, 3)}
        row |= {"high": round(judged.high, 3), "verdict": judged.verdict, "reason": judged.reason}
        # What the verdict rests on is the lower end.
        row["over"] = round(judged.low - float(row["psnr"]), 3)
    return row


def count_unseen(source: FrameSource, image: NDArray[np.uint8], noise: float) -> int:
    """Return how many pixels have a colour that none of the frames shows there.

    A frame shows it where its red, green and blue together lie within `SIGMAS` deviations of the
    noise, in root mean square over the channels, and half a level for rounding.
    """
    limit = 3 * (SIGMAS * noise + 0.5) ** 2
    unseen = 0
    for top in range(0, len(image), 32):
        wanted = image[top : top + 32].astype(np.int32)
        nearest = np.full(wanted.shape[:2], np.iinfo(np.int32).max)
        for frame in read_band(source, top, min(top + 32, len(image))):
            np.minimum(nearest, np.square(frame - wanted).sum(axis=-1), out=nearest)
        unseen += int((nearest > limit).sum())
    return unseen


def table_of_methods(rows: Sequence[Row]) -> list[Row]:
    """Return a line for each method: its quality, and how well the judge knows it."""
    exact = {_sequence(row): float(row["psnr"]) for row in rows if row["method"] == "exact"}
    median = {_sequence(row): float(row["psnr"]) for row in rows if row["method"] == "median"}
    lines: list[Row] = []
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        mine = [row for row in rows if row["method"] == method]
        psnr = np.array([float(row["psnr"]) for row in mine])
        line: Row = {"method": method, "sequences": len(mine), "PSNR": float(psnr.mean())}
        line["worst"] = float(psnr.min())
        for name, other in (("exact", exact), ("median", median)):
            if other:  # else that method was not asked for
                gains = [float(row["psnr"]) - other[_sequence(row)] for row in mine]
                line[f"over {name}: least"] = f"{min(gains):+.2f}"
        line["unseen colours"] = sum(int(row["unseen"]) for row in mine)
        lines.append(line | _judge_of(mine, psnr))
    return lines


def _judge_of(rows: Sequence[Row], psnr: NDArray[np.float64]) -> Row:
    """Return what the judge makes of one method's clean frames."""
    if not rows[0]["verdict"]:
        return {}
    low, middle = (np.array([float(row[name]) for row in rows]) for name in ("low", "estimate"))
    accepted = np.array([row["verdict"] == "accept" for row in rows])
    fine = psnr >= FINE
    over = (low - psnr)[accepted]
    some = len(over) > 0
    return {
        "Spearman, estimate": f"{spearmanr(psnr, middle)[0]:.3f}" if len(rows) > 2 else "",
        "Spearman, lower end": f"{spearmanr(psnr, low)[0]:.3f}" if len(rows) > 2 else "",
        "accepted": f"{100 * accepted.mean():.0f} %",
        "over-estimate of accepted: 95 %": f"{np.quantile(over, 0.95):+.2f}" if some else "",
        "most": f"{over.max():+.2f}" if some else "",
        "over by more than 1 dB": int((over > 1).sum()),
        "fine but not accepted": f"{int((fine & ~accepted).sum())} of {int(fine.sum())}",
    }


def table_of_sequences(rows: Sequence[Row]) -> list[Row]:
    """Return a line for each sequence: true PSNR, estimate with its ends, verdict, by method."""
    lines: dict[tuple[str, ...], Row] = {}
    for row in rows:
        about: Row = {name: row[name] for name in ("kind", "size", "seed")}
        text = f"{float(row['psnr']):.1f}"
        if row["verdict"]:
            low, middle, high = (float(row[name]) for name in ("low", "estimate", "high"))
            text += f" / {middle:.1f} [{low:.1f}, {high:.1f}] {row['verdict']}"
        lines.setdefault(_sequence(row), about)[str(row["method"])] = text
    return list(lines.values())


def _sequence(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("kind", "size", "seed"))


def main() -> None:
    """Measure, write the files, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--kinds", nargs="+", default=["*"], help="names or patterns; all")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--no-judge", action="store_true", help="true PSNR alone")
    options = parser.parse_args()
    known = [kind for kind in KINDS if any(fnmatch(kind, name) for name in options.kinds)]
    # Names that are put together, such as still-dark-last-33+crf26, are not in the list.
    kinds = known + [name for name in options.kinds if name not in KINDS and "*" not in name]
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with (options.out / "hard.csv").open("w", newline="", encoding="utf-8") as file:
        made = measure(
            kinds, options.size, options.seeds, options.methods, judge=not options.no_judge
        )
        for row in made:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if not rows:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            rows.append(row)
    text = "\n\n".join([markdown(table_of_methods(rows)), markdown(table_of_sequences(rows))])
    (options.out / "hard.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
