"""Killing commands at random moments: run again, they end with the bytes of an undisturbed run.

    python tests/fuzz/kills.py [COMMAND...] [--kills 300] [--interrupts 20] [--seed 0]

Each command runs undisturbed once; then it is killed at a random moment with all its processes and
run to its end, again and again. Every file but times and the lock has to be the same, and none may
lie there that the undisturbed run has not left. Ctrl-C twice ends a command within seconds, with
one line and nothing half written.
"""

import argparse
import contextlib
import hashlib
import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests" / "helpers")]

VOLATILE = {".lock", "timing.csv", "timing.md"}
SECONDS = 5.0
"""Within which Ctrl-C twice ends a command."""

INTERRUPTED = 130

COMMANDS = {
    "run": "run -b identity -b median -d mini-streaks --device cpu --threads 1 --out {out}",
    "score": "score {inputs}/restored -d mini-streaks --name mine --out {out}",
    "derain": "derain median {inputs}/clean --out {out}",
    "derain-video": "derain median {inputs}/rain.mp4 --out {out} --lossless",
    "report": "report {out} --pictures 0",
    "figures": "figures {out}",
    "synth": "synth streaks {inputs}/clean --out {out} --workers 2",
    "synth-jrsrd": "synth-jrsrd --clean {inputs}/clean --drops lens --out {out} --workers 2",
    "build-spa": "build-spa {inputs}/rain.mp4 {inputs}/more.mp4 --out {out} --workers 2",
    "build-mini": "build-mini --out {out}",
    "package": "synth streaks {inputs}/clean --out {out} --workers 2 --also hugging-face"
    " --also webdataset --test-share 1",
    "fetch": "fetch served --cards {inputs}/cards --to {out}",
    "fetch-from": "fetch served --cards {inputs}/cards --to {out} --from {inputs}/served.pth",
    "train": "train prenet_r --clean {inputs}/clean --steps 8 --short --width 4 --name x"
    " --device cpu --workers 1 --out {out}",
}
"""Small calls of every command that writes a folder."""

SERVED = bytes(range(256)) * (1 << 17)
"""The file that is fetched, 32 MB."""

STARTS_FROM_A_RUN = ("report", "figures")


@contextlib.contextmanager
def server():
    """Hand out `SERVED` at the address that this yields, for a second."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(SERVED)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for start in range(0, len(SERVED), 1 << 20):
                    self.wfile.write(SERVED[start : start + (1 << 20)])
                    time.sleep(0.03)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/served.pth"
        serving.shutdown()


def make_inputs(inputs, address):
    """Write clean photographs, restored images, two videos of rain, and weights with their card."""
    import numpy as np
    import toynets
    from embedded import mini_pairs
    from rain_clips import rain, write_clip

    from rainbench.core.images import write_png

    for number, _, clean in mini_pairs():
        (inputs / "clean").mkdir(parents=True, exist_ok=True)
        write_png(inputs / "clean" / f"{number}.png", np.ascontiguousarray(clean[:96, :128]))
    shutil.copytree(ROOT / "datasets" / "mini" / "streaks" / "rainy", inputs / "restored")
    write_clip(inputs / "rain.mp4", rain("chelsea", 24).frames)
    write_clip(inputs / "more.mp4", rain("coffee", 24).frames)
    (inputs / "served.pth").write_bytes(SERVED)
    (inputs / "cards").mkdir()
    (inputs / "cards" / "served.toml").write_text(
        toynets.card("served", "Shift", parameters=3)
        + f'[[weights]]\ntag = "x"\nsha256 = "{hashlib.sha256(SERVED).hexdigest()}"\n'
        + f'files = ["net/served.pth"]\nsource = "{address}"\nlicence = ""\ntrained_on = []\n'
    )
    wait(start("run", inputs, inputs / "run"))


def start(name, inputs, out):
    if name in STARTS_FROM_A_RUN and not out.exists():
        shutil.copytree(inputs / "run", out)
    out.parent.mkdir(parents=True, exist_ok=True)
    words = COMMANDS[name].format(inputs=inputs, out=out).split()
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "RAINBENCH_PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "rainbench", *words],
        env=environment, cwd=inputs, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait(process):
    _, said = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {said.decode(errors='replace')[-600:]}")


def contents(out):
    return {
        file.relative_to(out).as_posix(): checkpoint(file)
        if file.suffix == ".pt"
        else file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in VOLATILE
    }


def checkpoint(file):
    """Return what a checkpoint of a training holds, but for the seconds that it took."""
    import torch

    content = torch.load(file, weights_only=True)
    content["progress"].pop("seconds")
    return repr(
        [
            (key, value.numpy().tobytes() if isinstance(value, torch.Tensor) else value)
            for key, value in torch.utils._pytree.tree_leaves_with_path(content)
        ]
    ).encode()


def differences(out, whole):
    """Say which files differ from the undisturbed ones, are missing or left over."""
    found = contents(out)
    lines = [f"left over: {name}" for name in sorted(found.keys() - whole.keys())]
    lines += [f"missing: {name}" for name in sorted(whole.keys() - found.keys())]
    return lines + [
        f"differs: {name}" for name in sorted(whole) if found.get(name, whole[name]) != whole[name]
    ]


def kill_often(name, folder, inputs, kills, chance):
    """Return how many kills hit a running command, and what was wrong after them."""
    if not kills:
        return 0, []
    began = time.monotonic()
    wait(start(name, inputs, folder / "whole" / "out"))
    seconds = time.monotonic() - began
    wait(start(name, inputs, folder / "again" / "out"))
    whole = contents(folder / "whole" / "out")
    if unstable := differences(folder / "again" / "out", whole):
        return 0, [f"{name}: without any kill: {line}" for line in unstable]
    hit, wrong, out = 0, [], folder / "killed" / "out"
    while hit < kills:
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(min(kills - hit, chance.choice((1, 2, 3)))):
            process = start(name, inputs, out)
            try:
                process.wait(chance.uniform(0.15, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                hit += 1
            process.communicate()
        process = start(name, inputs, out)
        said = process.communicate(timeout=600)[1].decode(errors="replace")
        if process.returncode:
            wrong.append(f"{name}: exit code {process.returncode} after a kill: {said[-300:]}")
        else:
            wrong += [f"{name}: after a kill: {line}" for line in differences(out, whole)]
    return hit, wrong


def interrupt_often(name, folder, inputs, times, chance):
    """Press Ctrl-C twice at random moments, many of them before the work begins; say what is wrong.

    A command that had ended already does not count, nor does Python's own start before it calls us.
    """
    began = time.monotonic()
    wait(start(name, inputs, folder / "undisturbed"))
    seconds = time.monotonic() - began
    hit, wrong = 0, []
    while hit < times:
        out = folder / f"interrupted-{hit}"
        shutil.rmtree(out, ignore_errors=True)
        process = start(name, inputs, out)
        after = chance.uniform(0.0, 0.4 if hit % 3 == 0 else seconds)
        time.sleep(after)
        if process.poll() is not None:
            process.communicate()
            continue
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(chance.choice((0.0, 0.05, 0.5)))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            said = process.communicate(timeout=SECONDS)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[1].decode(errors="replace") + f"\nafter {SECONDS:g} s"
        if process.returncode == 0 or (process.returncode < 0 and not said):
            continue
        if "Traceback" in said and "rainbench" not in said:
            continue
        hit += 1
        stray = [str(file) for file in out.rglob("*.part")]
        told = "Interrupted." in said and "Traceback" not in said and "Error" not in said
        if process.returncode != INTERRUPTED or stray or not told:
            took = time.monotonic() - began
            wrong.append(
                f"{name}: after {after:.2f} s: exit code {process.returncode} in {took:.1f} s,"
                f" {stray} {said[-400:]}"
            )
    return hit, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", default=list(COMMANDS))
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--interrupts", type=int, default=20, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    chance, bad, hits = random.Random(given.seed), [], 0
    with tempfile.TemporaryDirectory() as place, server() as address:
        folder = Path(place)
        make_inputs(folder / "inputs", address)
        for number, name in enumerate(given.commands):
            share = (given.kills - hits) // (len(given.commands) - number)
            hit, wrong = kill_often(name, folder / name, folder / "inputs", share, chance)
            print(f"{name}: {hit} kills, {len(wrong)} wrong", *wrong[:8], sep="\n  ", flush=True)
            hits, bad = hits + hit, bad + wrong
            hit, wrong = interrupt_often(
                name, folder / name, folder / "inputs", given.interrupts, chance
            )
            print(
                f"  Ctrl-C twice: {hit} times, {len(wrong)} wrong", *wrong, sep="\n  ", flush=True
            )
            bad += wrong
    print(f"{hits} kills, {len(bad)} findings")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
