"""Trying many damaged files, each in a process that may die, with limits of time and memory.

    python tests/fuzz/engine.py KIND... [--count 10000] [--seed 0] [--keep FOLDER]

What is no `RainbenchError` is a crash. Every mutant depends on its kind, the seed and its number
alone, so that a finding can be tried again: ``--first N --count 1``.
"""

import argparse
import collections
import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

OUTCOMES = ("refused", "unchanged", "agreed", "differing", "crashed", "hung")
"""What became of a mutant. The result of one that was accepted is that of the undamaged file
(`unchanged`), or what another reader makes of the same bytes (`agreed`), or it is wrong
(`differing`). Anything but an error of ours is a crash, a process that dies included."""

PATIENCE = 60.0
"""Seconds of a processor for one mutant, the start of the process included."""

STARVED = 5
"""How many times as long a process may take that other work keeps from the processor."""

ISOLATED = ("mp4", "mjpeg", "raw-avi", "ffv1", "mat")
"""Kinds that the package decodes in a process of its own, whose death is an error of ours."""

MEMORY = 12 << 30
"""Bytes of address space, of which PyTorch takes several for itself."""


def fuzz(kind, count, seed=0, first=0, keep=None):
    """Return a count of each outcome, and a description of each finding of its own kind."""
    tally = collections.Counter()
    findings = {}
    number = first
    while number < first + count:
        with tempfile.TemporaryDirectory() as folder:
            process = start(kind, seed, number, first + count, folder, keep)
            ended = False
            try:
                for number, outcome, what in answers(process):
                    tally[outcome] += 1
                    if what:
                        findings.setdefault((outcome, what), number)
                    number += 1
                ended = process.wait() == 0
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
        if ended:
            break
        if process.returncode == 1:  # an error outside of `judge`, which says so on its own
            raise RuntimeError(f"the trials of {kind} failed")
        if kind in ISOLATED and process.returncode != -9:
            tally["refused"] += 1
        else:
            outcome = "hung" if process.returncode == -9 else "crashed"
            tally[outcome] += 1
            findings.setdefault((outcome, f"process ended with {process.returncode}"), number)
        number += 1
    texts = [f"{kind} {place}: {how}: {what}" for (how, what), place in findings.items()]
    return tally, texts


def start(kind, seed, first, last, folder, keep):
    command = [sys.executable, __file__, kind, "--child", folder, "--seed", seed]
    command += ["--first", first, "--count", last - first, *(["--keep", keep] if keep else [])]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE)


def answers(process):
    """Yield what the child says of each mutant; kill it when it says nothing for too long."""
    unread = b""
    began, used = time.monotonic(), 0.0
    while True:
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE / 4)
        if not ready:
            spent, waited = processor_time(process.pid) - used, time.monotonic() - began
            if spent > PATIENCE or waited > STARVED * PATIENCE:
                process.kill()
                return
            continue
        part = os.read(process.stdout.fileno(), 1 << 16)
        if not part:
            return
        began, used = time.monotonic(), processor_time(process.pid)
        *lines, unread = (unread + part).split(b"\n")
        yield from (json.loads(line) for line in lines)


def processor_time(pid):
    """Return the seconds that a process has had of the processor; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def be_child(name, folder, seed, first, count, keep):
    from kinds import KINDS

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kind = KINDS[name](folder)
    output = os.dup(1)
    os.dup2(2, 1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)  # decoders and libraries say a lot of damaged files
    for number in range(first, first + count):
        rng = random.Random(f"{name} {seed} {number}")
        data = kind.mutate(rng)
        if keep:
            (keep / f"{name}-{number}").write_bytes(data)
        outcome, what = judge(kind, data)
        os.write(output, json.dumps((number, outcome, what)).encode() + b"\n")
        if keep and outcome in ("refused", "unchanged", "agreed"):
            (keep / f"{name}-{number}").unlink()


def judge(kind, data):
    from rainbench.core.errors import RainbenchError

    try:
        outcome = kind.judge(data)
    except RainbenchError:
        return "refused", ""
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [each for each in frames if "rainbench" in each.filename] or frames
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return "crashed", f"{place}: {type(error).__name__}: {str(error)[:150]}"
    return outcome, outcome if outcome == "differing" else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="Folder for the mutants that are findings.")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.path[1:1] = [str(Path(__file__).parents[1] / "helpers")]
        be_child(given.kinds[0], given.child, given.seed, given.first, given.count, given.keep)
        return
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    from kinds import KINDS

    bad = 0
    for kind in given.kinds or KINDS:
        started = time.monotonic()
        tally, findings = fuzz(kind, given.count, given.seed, given.first, given.keep)
        counts = ", ".join(f"{tally[outcome]} {outcome}" for outcome in OUTCOMES)
        seconds = time.monotonic() - started
        print(f"{kind}: {sum(tally.values())} mutants: {counts} ({seconds:.0f} s)")
        print(*(f"  {finding}" for finding in findings), sep="\n", flush=True)
        bad += tally["crashed"] + tally["hung"] + tally["differing"]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
