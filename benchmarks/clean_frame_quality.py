"""How close each clean-frame method comes to the truth, and how well the judge knows it.

Run from the repository's root:

    python benchmarks/clean_frame_quality.py --out runs/quality           # 480x320, half an hour
    python benchmarks/clean_frame_quality.py --out runs/small --size small  # 112x80, minutes
    python benchmarks/clean_frame_quality.py --out runs/quality --only judge

The sequences are those of ``tests/helpers/sequences.py``: nine that methods and constants were
chosen on (S), nine others that were not (T), the same without noise (P), and some whose light
drifts or whose camera shakes. The folder receives ``pictures.csv`` and ``judged.csv``, a row for
each sequence and method, and ``quality.md`` with the tables and the targets.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from clean_frame_tables import Row, markdown, score, write_csv
from scipy.stats import spearmanr
from sequences import HELD_OUT, STATIC, RainSequence, Spec, make_sequence, noise_free

from rainbench.clean_frame.extract import CleanFrame, extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.core.progress import say
from rainbench.frames.alignment import AlignedSource, align_frames
from rainbench.frames.cache import keep
from rainbench.frames.exposure import estimate_exposure
from rainbench.frames.sources import ArraySource

SIZES = {"small": (80, 112), "full": (320, 480)}
REFERENCES = ("mean", "min", "median", "mode")
JUDGED = ("mean", "min", "median", "mode", "spanet-reference", "exact", "robust")
COUNTS = (10, 20, 50, 100, 200)

HARD = (
    replace(STATIC[2], name="drift 5 %", drift=0.05),
    replace(STATIC[2], name="drift 15 %", drift=0.15),
    replace(STATIC[2], name="shake 1 px", shake=1.0),
    replace(STATIC[2], name="shake 2 px", shake=2.0),
    replace(HELD_OUT[2], name="drift 5 %, T03", drift=0.05, ramp=True),
    replace(HELD_OUT[2], name="drift 15 %, T03", drift=0.15, ramp=True),
    replace(HELD_OUT[2], name="shake 1 px, T03", shake=1.0),
    replace(HELD_OUT[2], name="shake 2 px, T03", shake=2.0),
    replace(HELD_OUT[4], name="drift 15 %, T05", drift=0.15),
    replace(HELD_OUT[4], name="shake 2 px, T05", shake=2.0),
    replace(STATIC[6], name="shake 1 px, dense S07", shake=1.0),
)
"""Sequences that must be corrected first; the name's first number finds the target."""

LEAST = {"drift 5": 5.0, "drift 15": 20.0, "shake 1": 14.0, "shake 2": 18.0}


def pictures(specs: Sequence[Spec], size: tuple[int, int], kind: str) -> Iterator[Row]:
    """Score every method on sequences, a row for each."""
    for spec in specs:
        sequence = make_sequence(spec, *size)
        say(f"{spec.name}: {spec.frames} frames, {100 * sequence.coverage:.0f} % rainy")
        inside = _shown_by_all(sequence)
        for method, picture in _clean_pictures(sequence, kind):
            psnr, ssim = score(picture[inside], sequence.truth[inside])
            yield {
                "set": kind,
                "sequence": spec.name,
                "scene": spec.scene,
                "frames": spec.frames,
                "coverage": round(sequence.coverage, 4),
                "method": method,
                "psnr": round(psnr, 4),
                "ssim": round(ssim, 6),
            }


def _shown_by_all(sequence: RainSequence) -> tuple[slice, slice]:
    """Return the part that every frame shows, to which build-spa too crops a shaken sequence."""
    source = ArraySource(sequence.frames)
    top, bottom, left, right = AlignedSource(source, sequence.shifts).valid
    return np.s_[top:bottom, left:right]


def _clean_pictures(sequence: RainSequence, kind: str) -> Iterator[tuple[str, np.ndarray]]:
    frames = sequence.frames
    yield "one frame", frames[len(frames) // 2]
    yield "spanet-reference", extract_clean_frame(frames, "spanet-reference").image
    if kind == "hard":
        yield "exact as it is", extract_clean_frame(frames).image
        with _corrected(sequence) as source:
            exposure = estimate_exposure(source)
            cleans = [
                extract_clean_frame(source, m, exposure=exposure) for m in ("exact", "robust")
            ]
    else:
        for method in REFERENCES:
            yield method, extract_clean_frame(frames, method).image
        cleans = [extract_clean_frame(frames, m) for m in ("exact", "robust")]
    for clean in cleans:
        yield clean.method, clean.image
        yield f"{clean.method}, float", clean.levels
    if kind != "hard":
        yield "oracle", _oracle(sequence)
        yield "truth, 8 bits", np.rint(sequence.truth)


def _corrected(sequence: RainSequence):
    """Align where the camera shakes; the frames are made once."""
    return keep(align_frames(sequence.frames) if sequence.shifts.any() else sequence.frames)


def _oracle(sequence: RainSequence) -> np.ndarray:
    """Return the 8-bit mean of the samples that truly are free of rain, at the true light."""
    dry = ~sequence.rainy[..., None]
    light = sequence.exposure[:, None, None, None]
    total, number = np.zeros(sequence.truth.shape), np.zeros(sequence.truth.shape)
    for n in range(len(dry)):
        total += dry[n] * (sequence.frames[n] / light[n])
        number += dry[n]
    return np.rint(total / np.maximum(number, 1))


def table_of_pictures(rows: Sequence[Row]) -> list[Row]:
    """Return a line per method: mean, worst, and against the published code."""
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    published, exact = _values(rows, "spanet-reference"), _values(rows, "exact")
    lines: list[Row] = []
    for method in methods:
        psnr = _values(rows, method)
        if len(psnr) != len(published):
            continue
        gain = psnr - published
        lines.append(
            {
                "method": method,
                "PSNR": float(psnr.mean()),
                "SSIM": float(_values(rows, method, "ssim").mean()),
                "worst": float(psnr.min()),
                "over the published code: mean": f"{gain.mean():+.2f}",
                "least": f"{gain.min():+.2f}",
                "most": f"{gain.max():+.2f}",
                "over exact: least": f"{(psnr - exact).min():+.2f}",
            }
        )
    return lines


def table_of_sequences(rows: Sequence[Row]) -> list[Row]:
    """Return a line per sequence with the PSNR of every method."""
    lines: dict[str, Row] = {}
    for row in rows:
        line = lines.setdefault(
            str(row["sequence"]),
            {"sequence": f"{row['sequence']} {row['scene']}", "rainy": row["coverage"]},
        )
        line[str(row["method"])] = float(row["psnr"])
    return list(lines.values())


def _values(rows: Sequence[Row], method: str, column: str = "psnr") -> np.ndarray:
    return np.array([float(row[column]) for row in rows if row["method"] == method])


def judged(specs: Sequence[Spec], size: tuple[int, int]) -> Iterator[Row]:
    """Judge every method at several numbers of frames, a row for each."""
    for spec in specs:
        sequence = make_sequence(spec, *size)
        say(f"judge {spec.name}")
        for count in (number for number in COUNTS if number <= spec.frames):
            frames = sequence.frames[:count]
            for method in JUDGED:
                clean: CleanFrame = extract_clean_frame(frames, method)
                verdict = judge_clean_frame(frames, clean)
                yield {
                    "sequence": spec.name,
                    "method": method,
                    "frames": count,
                    "psnr": round(score(clean.image, sequence.truth)[0], 4),
                    "estimate": round(verdict.estimated_psnr, 4),
                    "cross": round(verdict.cross, 4),
                    "combined": round(verdict.combined, 4),
                    "split_half": round(verdict.split_half, 4),
                    "verdict": verdict.verdict,
                }


def table_of_judgements(rows: Sequence[Row]) -> list[Row]:
    """Return rank correlations, errors, and what choosing by the estimate costs."""
    sequences = sorted({str(row["sequence"]) for row in rows})
    groups = {
        "all methods": list(JUDGED),
        "exact": ["exact"],
        "robust": ["robust"],
        "spanet-reference": ["spanet-reference"],
    }
    lines: list[Row] = []
    for name, methods in groups.items():
        chosen = [row for row in rows if row["method"] in methods]
        true, estimate = (np.array([float(row[c]) for row in chosen]) for c in ("psnr", "estimate"))
        within, losses = [], []
        for sequence in sequences:
            mine = np.array([row["sequence"] == sequence for row in chosen])
            within.append(spearmanr(true[mine], estimate[mine])[0])
            losses.append(true[mine].max() - true[mine][estimate[mine].argmax()])
        lines.append(
            {
                "of": name,
                "clean frames": len(chosen),
                "Spearman pooled": round(float(spearmanr(true, estimate)[0]), 3),
                "within a sequence, mean": round(float(np.mean(within)), 3),
                "estimate - true, mean": f"{np.mean(estimate - true):+.2f}",
                "choice costs: mean dB": f"{np.mean(losses):.2f}",
                "most dB": f"{np.max(losses):.2f}",
            }
        )
    return lines


def targets(static: Sequence[Row], hard: Sequence[Row], verdicts: Sequence[Row]) -> list[Row]:
    """Return each target of the project with what was reached."""
    lines: list[Row] = []

    def aim(what: str, reached: float, least: float, *, at_most: bool = False) -> None:
        met = reached <= least if at_most else reached >= least
        sign = "<=" if at_most else ">="
        lines.append(
            {
                "target": what,
                "wanted": f"{sign} {least:g}",
                "reached": f"{reached:+.3f}",
                "met": "yes" if met else "NO",
            }
        )

    for name in ("static", "held out"):
        rows = [row for row in static if row["set"] == name]
        if not rows:
            continue
        published, exact, robust = (
            _values(rows, m) for m in ("spanet-reference", "exact", "robust")
        )
        aim(f"{name}: exact over the published code, mean", (exact - published).mean(), 0.8)
        aim(f"{name}: exact over the published code, least", (exact - published).min(), 0.0)
        aim(f"{name}: robust over the published code, mean", (robust - published).mean(), 1.5)
        aim(f"{name}: robust over exact, least", (robust - exact).min(), -0.2)
        gain = (_values(rows, "robust, float") - published).mean()
        aim(f"{name}: robust float over the published code, mean", gain, 5.0)
    for sequence in dict.fromkeys(row["sequence"] for row in hard):
        rows = [row for row in hard if row["sequence"] == sequence]
        least = LEAST[" ".join(str(sequence).split()[:2])]
        if "dense" in str(sequence):
            least = 7.8
        for method in ("exact", "robust"):
            gain = _values(rows, method)[0] - _values(rows, "spanet-reference")[0]
            aim(f"{sequence}: {method} over the published code", gain, least)
    for line in table_of_judgements(verdicts) if verdicts else []:
        if line["of"] == "all methods":
            aim("judge, held out: Spearman, pooled", float(line["Spearman pooled"]), 0.9)
        else:
            cost = float(line["choice costs: mean dB"])
            aim(f"judge, held out: choosing N of {line['of']}, dB", cost, 0.3, at_most=True)
    return lines


def main() -> None:
    """Score, write the files, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--only", choices=("static", "noise-free", "hard", "judge"))
    options = parser.parse_args()
    size, only = SIZES[options.size], options.only
    static: list[Row] = []
    clean: list[Row] = []
    hard: list[Row] = []
    verdicts: list[Row] = []
    if only in (None, "static"):
        static += pictures(STATIC, size, "static")
        static += pictures(HELD_OUT, size, "held out")
    if only in (None, "noise-free"):
        clean += pictures([noise_free(spec) for spec in STATIC], size, "noise-free")
    if only in (None, "hard"):
        hard += pictures(HARD, size, "hard")
    if only in (None, "judge"):
        verdicts += judged(HELD_OUT, size)
    parts = [f"Frames of {size[1]}x{size[0]}; PSNR in dB and SSIM against the float truth."]
    for kind in ("static", "held out"):
        mine = [row for row in static if row["set"] == kind]
        if mine:
            parts += [f"## {kind}", markdown(table_of_pictures(mine))]
            parts += [markdown(table_of_sequences(mine))]
    if clean:
        parts += ["## noise-free", markdown(table_of_sequences(clean))]
    if hard:
        parts += ["## drift and shake", markdown(table_of_sequences(hard))]
    if verdicts:
        parts += ["## judge, on held-out sequences", markdown(table_of_judgements(verdicts))]
        write_csv(options.out / "judged.csv", verdicts)
    if static or clean or hard:
        write_csv(options.out / "pictures.csv", [*static, *clean, *hard])
    aims = targets(static, hard, verdicts)
    parts += ["## targets", markdown(aims)] if aims else []
    text = "\n\n".join(parts) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "quality.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
