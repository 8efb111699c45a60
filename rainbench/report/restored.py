"""What a run's entries make of an image, restored once and kept below the run's folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.images import Image, quantise, read_image, write_png
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.pairs.layouts import Pair
from rainbench.run.clips.frames import restored_clips
from rainbench.run.clips.predict import ClipPredictor, predictor_of
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell
from rainbench.run.predict import Predictor
from rainbench.run.results import RunResults

RESTORED = "restored"
"""The folder in a run where the images are kept."""

SAME_PSNR = 0.1
"""dB within which an image has to score what the run says of it."""

MOST_MAPS = 8

Maps = dict[str, NDArray[np.float16]]


class Restorer:
    """An entry of a run that restores single images to be looked at.

    An image that an earlier call restored for the same cell is read, not made again.

    Args:
        run: The run's folder.
        cell: The entry on a data set.
        options: How to compute.

    Raises:
        RainbenchError: What the run says of the cell is not to be trusted.
    """

    def __init__(self, run: Path, cell: PlannedCell, options: RunOptions) -> None:
        card = cell.pairs.card
        result = RunResults(run).cell(card.name, cell.entry.name)
        if result.problem:
            raise RainbenchError(result.problem)
        self._cell, self._options, self._protocol = cell, options, card.protocol
        self._key = (result.summary or {}).get("key")
        self._scores = result.scores
        self._folder = run / RESTORED / card.name / cell.entry.name
        self._predictor: Predictor | ClipPredictor | None = None
        self._clip: dict[str, NDArray[np.float32]] = {}

    def score(self, image: str) -> tuple[float | None, float | None]:
        """Return the run's PSNR and SSIM of an image under its default protocol."""
        score = self._scores.get(image, {}).get(self._protocol)
        return (score.psnr, score.ssim) if score else (None, None)

    def __call__(self, pair: Pair, rainy: Image, clean: Image) -> tuple[Image, Maps]:
        """Return what the entry makes of an image, and the network's maps, ``(H, W)`` each.

        Args:
            pair: The image.
            rainy: Its rainy picture.
            clean: Its clean picture; what is restored again has to score against it what the run
                says, or data and weights are not those of the run.

        Raises:
            RainbenchError: It cannot be restored, scores otherwise, or cannot be kept.
        """
        key = key_of([self._key, pair.id])
        record = self._folder / f"{key}.json"
        file, maps_file = record.with_suffix(".png"), record.with_suffix(".npz")
        if kept := read_record(record, key):
            return read_image(file), _read_maps(maps_file) if maps_file.name in kept.files else {}
        restored, found = self._restored(pair, rainy)
        self._check(pair, restored, clean)
        image = quantise(restored, "round")
        maps = {name: map_.astype(np.float16) for name, map_ in list(found.items())[:MOST_MAPS]}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if maps:
                np.savez_compressed(maps_file, **maps)  # type: ignore[arg-type]
            write_png(file, image)
            write_record(record, key, [file, maps_file] if maps else [file])
        except OSError as error:
            raise StoreError(f"{self._folder}: cannot be written: {error.strerror}") from None
        return image, maps

    def stages(self, rainy: Image) -> list[Image]:
        """Return what each stage of the network makes of an image; none where it has but one.

        Raises:
            RainbenchError: It cannot be restored.
        """
        predictor = self._loaded()
        images = predictor.stages(rainy) if isinstance(predictor, Predictor) else []
        return [quantise(image, "round") for image in images] if len(images) > 1 else []

    def _loaded(self) -> Predictor | ClipPredictor:
        if self._predictor is None:
            cell = self._cell
            self._predictor = predictor_of(cell.entry, cell.weights, self._options)
        return self._predictor

    def _restored(
        self, pair: Pair, rainy: Image
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Return a restored image and its maps; a frame's whole clip is restored, and kept."""
        predictor = self._loaded()
        if isinstance(predictor, Predictor):
            return predictor.with_maps(rainy)
        if pair.id not in self._clip:
            pairs = self._cell.pairs
            clip = {each.id for each in pairs.pairs if each.clip == pair.clip}
            found = restored_clips(self._cell.material, clip, predictor)
            self._clip = {each.id: frame for each, frame, _, _ in found}
        return self._clip[pair.id], {}

    def _check(self, pair: Pair, restored: NDArray[np.float32], clean: Image) -> None:
        from rainbench.metrics import score_all

        known, _ = self.score(pair.id)
        if known is None or not math.isfinite(known):
            return
        psnr = score_all(restored, clean, (self._protocol,))[self._protocol].psnr
        if psnr is None or abs(psnr - known) > SAME_PSNR:
            raise RainbenchError(
                f"{self._cell.entry.name}: image {pair.id} now scores {psnr or math.nan:.2f} dB,"
                f" {known:.2f} dB in the run",
                hint="Give the data and weights that the run was made with.",
            )


def _read_maps(file: Path) -> Maps:
    with np.load(file, allow_pickle=False) as maps:
        return {name: maps[name] for name in maps.files}
