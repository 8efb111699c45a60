"""One scene of a build: read, given its rain, written, and recorded as done.

A scene's files are written one by one, each complete or absent, and its record last. A build that
was killed continues with the first scene that has no record, and ends with the same bytes, as every
random choice depends on the seed and the scene's own pixels.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.files import write_atomically, writing
from rainbench.core.images import Image, encode_png, pixel_hash
from rainbench.core.resume import read_record, write_record
from rainbench.packaging.package import FileFacts, Parameter
from rainbench.rain.depth import read_depth
from rainbench.rain.masks import as_levels
from rainbench.rain.strength import input_psnr
from rainbench.rain.transform import PreparedScene, SyntheticPair
from rainbench.synthesis.inputs import SceneInputs, is_plain_png
from rainbench.synthesis.options import SynthOptions
from rainbench.synthesis.sources import SceneSource

RECORDS = ".build"
"""Folder beside the splits that holds the record of every scene that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneTask:
    """A scene to make.

    Attributes:
        root: Folder of the data set.
        card: Name of the split's card, the folder of its files.
        source: The scene.
        options: What to do.
    """

    root: Path
    card: str
    source: SceneSource
    options: SynthOptions

    @property
    def record(self) -> Path:
        """Where the record of the scene lies."""
        return self.root / RECORDS / self.card / f"{self.source.id}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneVersion:
    """One rainy version of a scene.

    Attributes:
        id: Of the pair.
        files: Path of each file, relative to the split's folder, by what it shows.
        parameters: What it was made from.
    """

    id: str
    files: Mapping[str, str]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """What became of a scene.

    Attributes:
        scene: Its id.
        label: Its path in the input.
        problem: Why nothing could be made of it; empty if all went well.
        clean_pixels: `rainbench.core.images.pixel_hash` of its clean image.
        versions: Its rainy versions.
        facts: Facts of its files, by path.
        bytes: Size of each file, by path.
        kept: It was done before and nothing had to be made.
    """

    scene: str
    label: str
    problem: str = ""
    clean_pixels: str = ""
    versions: tuple[SceneVersion, ...] = ()
    facts: Mapping[str, FileFacts] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    kept: bool = False


def make_scene(task: SceneTask) -> SceneResult:
    """Make all files of a scene, unless they are there.

    Returns:
        The result; a picture that cannot be used is a result with a problem, not an error.

    Raises:
        StoreError: A file cannot be written.
    """
    try:
        with failing_alone(task.source.label):
            inputs = SceneInputs.read(task.source)
            done = _read_record(task, inputs)
            if done is not None:
                return done
            result = _Maker(task, inputs).make()
    except StoreError:
        raise
    except RainbenchError as error:
        return SceneResult(scene=task.source.id, label=task.source.label, problem=str(error))
    with writing(task.root):
        task.record.parent.mkdir(parents=True, exist_ok=True)
        _write_record(task, inputs, result)
    return result


def rehearse_scene(task: SceneTask) -> tuple[SceneResult, float]:
    """Make a scene without writing it; return what would be written and the seconds it took.

    Raises:
        RainbenchError: A picture cannot be used.
    """
    small = np.zeros((32, 48, 3), np.uint8)  # any image will do
    task.options.synthesis(small, "compiles what is compiled at the first use")
    begin = time.perf_counter()
    with failing_alone(task.source.label):
        result = _Maker(task, SceneInputs.read(task.source), rehearsal=True).make()
    return result, time.perf_counter() - begin


class _Maker:
    """Writes the files of one scene and collects what is known of them.

    Args:
        task: What to make.
        inputs: The scene's pictures.
        rehearsal: Write nothing.
    """

    def __init__(self, task: SceneTask, inputs: SceneInputs, *, rehearsal: bool = False) -> None:
        self._task = task
        self._inputs = inputs
        self._rehearsal = rehearsal
        self._folder = task.root / task.card
        self._facts: dict[str, FileFacts] = {}
        self._bytes: dict[str, int] = {}

    def make(self) -> SceneResult:
        source, options = self._task.source, self._task.options
        clean, photograph = self._inputs.pictures()
        depth = read_depth(source.depth, clean.shape[:2]) if source.depth else None
        # The picture itself is the key: however files are called, the same rain falls on it.
        key = pixel_hash(clean if photograph is None else photograph)
        shared = {"clean": self._copy(f"clean/{source.id}.png", clean, self._inputs.clean)}
        if photograph is not None:
            data = self._inputs.photograph
            shared["drop"] = self._copy(f"drop/{source.id}.png", photograph, data)
        versions = []
        scene: PreparedScene | None = None
        for number, strength in enumerate(options.strengths, start=1):
            identity = f"{source.id}_{number}"
            if scene is None or not options.levels:
                keys = (key,) if options.levels else (key, number)
                scene = options.synthesis.prepare(clean, *keys, photograph=photograph, depth=depth)
                name = source.id if options.levels else identity
                shared |= self._write_scene(scene, name, photographed=photograph is not None)
            pair = scene.rain(strength, number)
            files = {**self._write_pair(pair, identity), **shared}
            psnr_y, psnr_rgb = input_psnr(pair.rainy, clean)
            parameters: dict[str, Parameter] = {
                "scene": source.id,
                "version": number,
                "seed": options.synthesis.seed,
                "key": key,
                **pair.parameters,
                "input_psnr_y": psnr_y,
                "input_psnr_rgb": psnr_rgb,
            }
            versions.append(SceneVersion(id=identity, files=files, parameters=parameters))
        return SceneResult(
            scene=source.id,
            label=source.label,
            clean_pixels=self._facts[shared["clean"]].pixels,
            versions=tuple(versions),
            facts=self._facts,
            bytes=self._bytes,
        )

    def _write_scene(
        self, scene: PreparedScene, name: str, *, photographed: bool
    ) -> dict[str, str]:
        """Write what the versions of a scene share."""
        files = {}
        synthesis = scene.synthesis
        if synthesis.has_drops:
            if not photographed:
                if synthesis.has_streaks:
                    files["drop"] = self._write(f"drop/{name}.png", scene.dropped)
                files["drop_alpha"] = self._write(f"drop_alpha/{name}.png", scene.alpha)
            files["drop_mask"] = self._write(f"drop_mask/{name}.png", scene.drop_mask.levels)
        if scene.transmission is not None:
            high = (scene.transmission >> 8).astype(np.uint8)
            files["transmission"] = self._write(f"transmission/{name}.png", high)
        return files

    def _write_pair(self, pair: SyntheticPair, identity: str) -> dict[str, str]:
        """Write what one version has for itself."""
        synthesis = self._task.options.synthesis
        pictures = {"rainy": pair.rainy}
        if synthesis.has_streaks:
            pictures |= {"streaks": pair.streaks, "streak_mask": as_levels(pair.streak_mask)}
        if synthesis.has_mist or (synthesis.has_streaks and synthesis.has_drops):
            pictures["joint_mask"] = as_levels(pair.joint_mask)
        return {
            role: self._write(f"{role}/{identity}.png", picture)
            for role, picture in pictures.items()
        }

    def _copy(self, path: str, image: Image, data: bytes) -> str:
        """Write a picture of the input: its own bytes where nobody can read them otherwise."""
        if is_plain_png(data):
            return self._store(path, image, data)
        return self._write(path, image)

    def _write(self, path: str, picture: NDArray[np.uint8]) -> str:
        return self._store(path, picture, encode_png(self._folder / path, picture))

    def _store(self, path: str, picture: NDArray[np.uint8], data: bytes) -> str:
        target = self._folder / path
        if not self._rehearsal:
            with writing(self._task.root):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, data)
        height, width = picture.shape[:2]
        sha256 = hashlib.sha256(data).hexdigest()
        self._facts[path] = FileFacts(width, height, pixel_hash(picture), sha256)
        self._bytes[path] = len(data)
        return path


def _write_record(task: SceneTask, inputs: SceneInputs, result: SceneResult) -> None:
    folder = task.root / task.card
    facts: dict[str, object] = {
        "clean_pixels": result.clean_pixels,
        # As lists: their order is that of the columns of metadata.csv, and records sort names.
        "versions": [
            [version.id, list(version.files.items()), list(version.parameters.items())]
            for version in result.versions
        ],
        "facts": {path: asdict(facts) for path, facts in result.facts.items()},
        "bytes": dict(result.bytes),
    }
    files = {folder / path: known.sha256 for path, known in result.facts.items()}
    write_record(task.record, inputs.key(task.options.key), files, facts)


def _read_record(task: SceneTask, inputs: SceneInputs) -> SceneResult | None:
    """Return the result of a scene that was made of the same input in the same way."""
    record = read_record(task.record, inputs.key(task.options.key))
    if record is None:
        return None
    values: Any = record.facts
    try:
        return SceneResult(
            scene=task.source.id,
            label=task.source.label,
            clean_pixels=values["clean_pixels"],
            versions=tuple(
                SceneVersion(id=identity, files=dict(files), parameters=dict(parameters))
                for identity, files, parameters in values["versions"]
            ),
            facts={path: FileFacts(**each) for path, each in values["facts"].items()},
            bytes=values["bytes"],
            kept=True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
