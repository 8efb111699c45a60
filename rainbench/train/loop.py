"""The training loop: step, log, validate, keep a checkpoint, and resume after a kill.

Every patch and every random number depends on the seed and the step's number alone, so a training
that was interrupted anywhere resumes as if nothing had happened: on a CPU the losses and the
weights are the same to the last bit.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from rainbench.catalog.terms import layers_of
from rainbench.core.errors import RainbenchError
from rainbench.core.files import writing
from rainbench.core.images import write_png
from rainbench.core.machine import device_kind, free_memory, keep_freed_memory
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import duration
from rainbench.metrics import Score
from rainbench.networks.construct import construct
from rainbench.networks.conventions import Conventions
from rainbench.train.checkpoints import BEST, LAST, Progress, load_checkpoint, save_checkpoint
from rainbench.train.engine import Engine, autocast, kept_bytes, make_engine
from rainbench.train.interrupts import Interrupts, let_children_die
from rainbench.train.job import Job, claim_folder
from rainbench.train.log import Log
from rainbench.train.losses import LossTarget, objective
from rainbench.train.material.patches import Batch, PatchSet, load_batches
from rainbench.train.photographs import RainOfPhotographs
from rainbench.train.recipes import initialise, learning_rate, make_optimiser
from rainbench.train.trackers import Trackers

_LOG = logging.getLogger(__name__)

_SEEDS = 1_000_003
"""Steps between the seeds of two trainings: a prime beyond the steps of any recipe, so that no two
trainings draw the same numbers."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The outcome of a training.

    Attributes:
        progress: How far it came, and its best validation.
        input_score: The mean score of the validation's rainy images.
        waiting: Share of the time since the process started that went into waiting for patches.
        patches_per_second: Since the process started. For both, validation and the first step are
            left out: that one waits for the workers to start.
        interrupted: Whether a person stopped it before its end.
    """

    progress: Progress
    input_score: Score
    waiting: float
    patches_per_second: float
    interrupted: bool = False

    @property
    def worse_than_input(self) -> bool:
        """Whether even the best weights leave the held-out images worse than they found them."""
        assert self.input_score.psnr is not None
        return self.progress.best_psnr < self.input_score.psnr


def train(job: Job, out: Path, *, advance: Advance = unseen) -> Trained:
    """Train a network, or resume a training that was interrupted.

    Args:
        job: What to train.
        out: The folder of its checkpoints, logs and samples.
        advance: Called after each step with how much of `Job.length` has been done since the last.

    Raises:
        RainbenchError: The training diverged, memory ran out, an image cannot be used, or the
            folder holds another training.
    """
    torch.set_num_threads(job.options.threads)
    if job.options.device == "cpu":
        keep_freed_memory()
    engine = make_engine(job.options.device)
    if engine.rank == 0:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        claim_folder(job, out)
    with Interrupts() as interrupts:
        try:
            loop = _Loop(job, out, engine)
            try:
                trained = loop.run(advance, interrupts)
            finally:
                loop.close()
        except Exception as error:
            let_children_die()
            explained = _explained(error, job)
            if explained is error:
                raise
            raise explained from error
    if trained.worse_than_input and not trained.interrupted and engine.rank == 0:
        _LOG.warning(
            "%s: the training ended worse than its input, which is no restoration at all: train "
            "longer, or with a lower --learning-rate",
            out,
        )
    return trained


class _Loop:
    """A training under way."""

    def __init__(self, job: Job, out: Path, engine: Engine) -> None:
        self.job, self.out, self.engine = job, out, engine
        options, recipe = job.options, job.recipe
        if recipe.batch % engine.processes:
            raise RainbenchError(
                f"a batch of {recipe.batch} cannot be shared by {engine.processes} processes",
                hint=f"Give a multiple of {engine.processes} with --batch.",
            )
        torch.manual_seed(options.seed)
        self.network = construct(job.card, job.arguments)
        initialise(self.network, recipe)
        if job.start is not None:
            job.start.load(self.network)
        self.network.to(engine.device)
        if options.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(recipe, self.network.parameters(), fused=options.fused)
        self.progress = Progress()
        self.rain = RainOfPhotographs(recipe.photographs) if recipe.photographs else None
        if self.rain is not None:
            self.rain.to(engine.device)
        if (out / LAST).exists():
            self.progress = load_checkpoint(
                out / LAST, job.key, self.network, self.optimiser, self.rain
            )
            _LOG.info("continuing from step %s of %s", f"{self.progress.step:,}", out)
        self.conventions = Conventions.of(job.card)
        if not options.compiled and engine.device.type == "cpu":
            self._refuse_what_memory_cannot_hold()
        forward = torch.compile(self.network) if options.compiled else self.network
        self.forward: nn.Module = engine.prepare(forward)  # type: ignore[arg-type]
        self.objective = objective(recipe.losses)
        patches = PatchSet(
            job.source,
            job.indices,
            recipe.patch,
            recipe.flip,
            recipe.rotate,
            options.seed,
            layers_of(recipe.losses),
            recipe.scale,
            job.places,
        )
        self.batches = self._batches(patches)
        if job.photographs is not None:
            every = tuple(range(len(job.photographs)))
            self.photographs = self._batches(
                dataclasses.replace(
                    patches, source=job.photographs, indices=every, layers=(), places=()
                )
            )
        self.log = self.validation_log = self.trackers = None
        if engine.rank == 0:
            step = self.progress.step
            self.trackers = Trackers(options.log_to, out, step, job.key_parts())
            self.log = Log(out / "log.csv", step, self.trackers)
            self.validation_log = Log(out / "validation.csv", step, self.trackers, "validation")
        self.input_score = job.validation.score_input()
        self.pending: list[tuple[int, Tensor, dict[str, Tensor]]] = []
        self.noted: set[str] = set()
        self.waited = self.computed = 0.0
        self.own_steps = 0

    def _refuse_what_memory_cannot_hold(self) -> None:
        """Refuse a batch that the memory cannot hold; the system would end the process for it.

        A GPU says so itself.

        Raises:
            RainbenchError: What the patches leave for the backward pass is too much.
        """
        recipe = self.job.recipe
        network = copy.deepcopy(self.network).eval()  # statistics of batches stay as they are
        patch = torch.zeros(1, 3, recipe.patch, recipe.patch)
        with torch.random.fork_rng(devices=[]):
            of_one = kept_bytes(lambda: self.conventions.apply(network, patch))
        fitting = free_memory() // max(1, of_one)
        if recipe.batch > fitting * self.engine.processes:
            raise RainbenchError(
                f"a batch of {recipe.batch} patches of {recipe.patch}x{recipe.patch} pixels takes "
                f"more memory than is free: {of_one * recipe.batch / 1e9:.1f} GB",
                hint=f"Give --batch {max(1, fitting // 2)} or fewer, or a smaller --patch.",
            )

    def _batches(self, patches: PatchSet) -> Iterator[Batch]:
        options = self.job.options
        return load_batches(
            patches,
            batch=self.job.recipe.batch,
            first_step=self.progress.step,
            workers=options.workers,
            rank=self.engine.rank,
            processes=self.engine.processes,
            pinned=device_kind(options.device) == "cuda",
        )

    def close(self) -> None:
        """Close the logs."""
        for log in (self.log, self.validation_log, self.trackers):
            if log is not None:
                log.close()

    def run(self, advance: Advance, interrupts: Interrupts) -> Trained:
        """Train to the end, or until a person interrupts."""
        options = self.job.options
        earlier, started = self.progress.seconds, time.monotonic()
        validated = math.floor(self._share() * options.validations)
        kept, shown = time.monotonic(), 0
        share = self._agreed(interrupts)
        while share < 1:
            loss = self._step(share)
            seconds = earlier + time.monotonic() - started
            step = self.progress.step + 1
            self.progress = dataclasses.replace(self.progress, step=step, seconds=seconds)
            share = self._agreed(interrupts)
            # All files are written at these steps only, so that they are the same after a kill.
            if share >= 1 or step % options.log_every == 0:
                loss = self._flush(min(share, 1.0))
                due = math.floor(min(share, 1.0) * options.validations)
                if due > validated and share < math.inf:
                    validated = due
                    self._validate()
                    seconds = earlier + time.monotonic() - started
                    self.progress = dataclasses.replace(self.progress, seconds=seconds)
                    kept = -math.inf
                if share >= 1 or time.monotonic() - kept > options.checkpoint_seconds:
                    self._keep(LAST)
                    kept = time.monotonic()
            done = round(self._share() * self.job.length)
            advance(done - shown, f"step {step:,}, loss {loss:.4f}")
            shown = done
        spent = self.waited + self.computed
        patches = (self.own_steps - 1) * self.job.recipe.batch
        return Trained(
            progress=self.progress,
            input_score=self.input_score,
            waiting=self.waited / spent if spent else 0.0,
            patches_per_second=patches / spent if spent else 0.0,
            interrupted=self._share() < 1,
        )

    def _agreed(self, interrupts: Interrupts) -> float:
        """Return the share of the training done, infinite where a person wants an end."""
        return self.engine.agree(math.inf if interrupts.seen else self._share())

    def _share(self) -> float:
        """Return how much of the training is done, 0 to 1."""
        if self.job.options.seconds:
            return min(1.0, self.progress.seconds / self.job.options.seconds)
        return min(1.0, self.progress.step / self.job.recipe.steps)

    def _step(self, share: float) -> float:
        """Train on one batch; return the loss where it costs nothing to know it."""
        began = time.perf_counter()
        batch = _next(self.batches)
        waited = time.perf_counter() - began
        self._report(batch.notes)
        recipe, options = self.job.recipe, self.job.options
        # Whatever a network draws depends on the step alone.
        torch.manual_seed(options.seed * _SEEDS + self.progress.step)
        target = self._target(batch)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, share)
        with autocast(self.engine.device, options.precision):
            rainy = target.rainy
            if options.channels_last:
                rainy = rainy.contiguous(memory_format=torch.channels_last)
            restoration = self.conventions.apply(self.forward, rainy)
        loss, parts = self.objective(restoration, target)
        if self.rain is not None:
            of_rain, more = self._learn_from_photographs(self.rain)
            loss, parts = loss + of_rain, parts | more
        self.optimiser.zero_grad(set_to_none=True)
        self.engine.backward(loss)
        if recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        self.optimiser.step()
        self.pending.append((self.progress.step + 1, loss.detach(), parts))
        self.own_steps += 1
        if self.own_steps > 1:  # the first batch waits for its workers to start
            self.waited += waited
            self.computed += time.perf_counter() - began - waited
        return loss.item() if options.device == "cpu" else math.nan

    def _learn_from_photographs(self, rain: RainOfPhotographs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the losses on a batch of photographs."""
        batch = _next(self.photographs)
        self._report(batch.notes)
        seen = self._unit(batch.rainy)
        with autocast(self.engine.device, self.job.options.precision):
            restored = self.conventions.apply(self.forward, seen).image
        found: tuple[Tensor, dict[str, Tensor]] = rain(restored, seen)
        return found

    def _unit(self, image: Tensor) -> Tensor:
        return image.to(self.engine.device, non_blocking=True).float() / 255

    def _target(self, batch: Batch) -> LossTarget:
        return LossTarget(
            self._unit(batch.rainy),
            self._unit(batch.clean),
            {kind: self._unit(layer) for kind, layer in batch.layers.items()},
            dataset=self.job.source.label,
        )

    def _report(self, notes: tuple[str, ...]) -> None:
        for note in notes:
            if note not in self.noted:
                self.noted.add(note)
                _LOG.warning("left out: %s", note)

    def _flush(self, share: float) -> float:
        """Bring the losses since the last time home, check them, and log their mean.

        Raises:
            RainbenchError: One of them is not finite.
        """
        if not self.pending:
            return math.nan
        losses = self.engine.mean(torch.stack([loss for _, loss, _ in self.pending])).cpu()
        finite = torch.isfinite(losses)
        if not finite.all():
            step = self.pending[int((~finite).nonzero()[0])][0]
            raise self._diverged(step, share)
        values = {"loss": float(losses.cpu().double().mean())}
        for name in self.pending[0][2]:
            parts = torch.stack([parts[name] for _, _, parts in self.pending])
            values[name] = float(self.engine.mean(parts).cpu().double().mean())
        self.pending.clear()
        if self.log is not None:
            values["learning_rate"] = learning_rate(self.job.recipe, share)
            self.log.add(self.progress.step, values)
        return values["loss"]

    def _diverged(self, step: int, share: float) -> RainbenchError:
        rate = learning_rate(self.job.recipe, share)
        lower = self.job.recipe.learning_rate / 4
        saved = self.out / LAST
        goes_on = f" {saved} holds an earlier step, and is left as it is." if saved.exists() else ""
        precision = " or --precision fp32" if self.job.options.precision != "fp32" else ""
        return RainbenchError(
            f"the loss is not finite (NaN) at step {step:,}: the training diverged at a learning "
            f"rate of {rate:.1e}",
            hint=f"Start again in another --out with --learning-rate {lower:.1e}{precision}, or "
            f"limit the gradients with --clip 1.{goes_on}",
        )

    def _validate(self) -> None:
        """Score the held-out pairs, keep the best weights, draw the samples."""
        if self.engine.rank:
            return
        options = self.job.options
        score, picture = self.job.validation.score(
            self.network, self.conventions, self.engine.device, options.precision
        )
        before = self.input_score
        assert score.psnr is not None and before.psnr is not None  # see `make_job`
        psnr = score.psnr
        write_png(self.out / "samples.png", picture)
        assert self.validation_log is not None
        self.validation_log.add(self.progress.step, {"psnr": psnr, "ssim": score.ssim})
        if not self.progress.best_step or psnr >= self.progress.best_psnr:
            self.progress = dataclasses.replace(
                self.progress,
                best_step=self.progress.step,
                best_psnr=psnr,
                best_ssim=score.ssim,
            )
            self._keep(BEST)
        worse = psnr < before.psnr
        _LOG.info(
            f"step {self.progress.step:,} after {duration(self.progress.seconds)}: {psnr:.2f} dB / "
            f"{score.ssim:.4f} on held-out images, {'worse than the ' if worse else ''}rainy input "
            f"{before.psnr:.2f} / {before.ssim:.4f}",
        )

    def _keep(self, name: str) -> None:
        if self.engine.rank == 0:
            save_checkpoint(
                self.out / name,
                self.job.key,
                self.network,
                self.optimiser,
                self.progress,
                self.rain,
            )


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _next(batches: Iterator[Batch]) -> Batch:
    """Return the next batch; of a worker that dies while it hands one over, torch does not tell."""
    try:
        return next(batches)
    except (ConnectionError, EOFError, FileNotFoundError) as error:
        if str(error).startswith("Caught "):  # by a worker that lives
            raise
        raise RuntimeError("DataLoader worker died while it handed a batch over") from error


def _explained(error: BaseException, job: Job) -> BaseException:
    """Return a user's error for memory that ran out and a worker's death; any other as it is."""
    text = str(error)
    # A worker's death is told by a signal, which may come in the midst of anything, so that what is
    # raised is another error of which this one is the context.
    if any(str(each).startswith("DataLoader worker") for each in _behind(error)):
        return RainbenchError(
            "a process that prepares patches has died, as where the system takes its memory back",
            hint="Run the same command again, it goes on from the last checkpoint; fewer --workers"
            " take less memory.",
        )
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:
        recipe = job.recipe
        advice = [f"--batch {max(1, recipe.batch // 2)}", f"--patch {max(32, recipe.patch // 2)}"]
        if device_kind(job.options.device) == "cuda" and job.options.precision == "fp32":
            advice.append("--precision bf16")
        return RainbenchError(
            f"memory ran out with a batch of {recipe.batch} patches of {recipe.patch}x"
            f"{recipe.patch} pixels",
            hint=f"Give {' or '.join(advice)}, and another --out.",
        )
    return error
