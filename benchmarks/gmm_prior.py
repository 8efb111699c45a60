"""Train the prior of `gmm`: a mixture of Gaussians on patches of photographs.

    python benchmarks/gmm_prior.py bsds500-test --export gmm.bsds500-k64.safetensors

Luma of 8x8 patches, an equal number from each photograph, means removed. Prints what the card's
table of the weights says.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import save_file

from rainbench.core.images import IMAGE_SUFFIXES, read_image
from rainbench.networks.gaussian_mixture import fit, log_densities
from rainbench.networks.gmm import packed
from rainbench.networks.matlab_colour import luma_of

SIDE = 8


def patches_of(file: Path, count: int, seed: int) -> torch.Tensor:
    """Return so many patches of a photograph's luma from places drawn at random."""
    rgb = torch.from_numpy(read_image(file).copy()).permute(2, 0, 1)[None].double() / 255
    luma = luma_of(rgb)[0]
    generator = np.random.default_rng((seed, *file.name.encode()))
    tops, lefts = (generator.integers(0, side - SIDE + 1, count) for side in luma.shape)
    found = torch.stack(
        [luma[y : y + SIDE, x : x + SIDE].flatten() for y, x in zip(tops, lefts, strict=True)]
    )
    return found - found.mean(1, keepdim=True)


@click.command()
@click.argument("clean", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--export", "target", required=True, type=click.Path(path_type=Path))
@click.option("--components", default=64, show_default=True)
@click.option("--patches", default=100_000, show_default=True, help="Of all photographs.")
@click.option("--rounds", default=15, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(
    clean: Path, target: Path, components: int, patches: int, rounds: int, seed: int, threads: int
) -> None:
    """Train on the photographs in the folder CLEAN."""
    torch.set_num_threads(threads)
    began = time.process_time()
    files = sorted(each for each in clean.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
    held, used = files[::25], [each for each in files if each not in files[::25]]
    drawn = torch.cat([patches_of(file, patches // len(used), seed) for file in used])
    mixture = fit(drawn.float(), components, rounds, seed)
    state = packed(mixture)
    save_file(state, target)
    unseen = torch.cat([patches_of(file, 1000, seed) for file in held]).float()
    score = float(log_densities(unseen, mixture).logsumexp(1).mean())
    seconds = time.process_time() - began
    click.echo(f"{len(used)} photographs, {len(drawn)} patches, {len(held)} photographs held out")
    click.echo(
        f"{len(mixture.shares)} components, {sum(v.numel() for v in state.values())} numbers"
    )
    click.echo(f"log density of a patch held out: {score:.2f} nats")
    click.echo(f"sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}, {seconds / 3600:.3f} h")


if __name__ == "__main__":
    main()
