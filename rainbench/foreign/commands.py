"""Any program as a network: a folder of rainy images in, a folder of restored ones out."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rainbench.catalog.cards import WeightsCard
from rainbench.core.errors import RainbenchError, told
from rainbench.core.files import is_file, sweep
from rainbench.core.images import Image, pixel_hash, read_image, write_png
from rainbench.core.own_code.home import Home
from rainbench.core.resume import file_hash
from rainbench.foreign.adapt import Ways
from rainbench.networks.base import Restoration
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.matching import Matched, match_outputs
from rainbench.pairs.pixels.likeness import LEAST, find_scenes, likeness, outline, seen_otherwise
from rainbench.run.predict import PredictionError

RAINY, OUT = "{rainy_dir}", "{out_dir}"

TAIL = 400
"""Letters of a program's last words that an error passes on."""

_OF_SHELLS = frozenset({"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1"})
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class CommandMaker:
    """Makes the network that a program is.

    Args:
        command: Its words, with ``{rainy_dir}`` and ``{out_dir}`` where the folders stand.
        ways: How it is called; a program is given and gives images, so nothing may be said.
        time_limit: Seconds that it may take for a folder.

    Raises:
        RainbenchError: The words cannot be a call of a program with two folders.
    """

    untrained = False

    def __init__(self, command: str, ways: Ways, time_limit: float) -> None:
        said = ways.facts()
        self._ways = {key: said.pop(key) for key in ("returns",) if said.get(key) == "image"}
        if said:
            raise RainbenchError(
                f"cmd:{command}: a program reads and writes image files",
                hint="Leave out --value-range, --output, and --returns but for --returns image.",
            )
        self._words = _read(command)
        self._time_limit = time_limit
        self._title = command

    def make(self, weights: WeightsCard | None, file: Path | None) -> nn.Module:  # noqa: ARG002
        """Return the program as a network."""
        return FolderProgram(self._words, self._time_limit)

    @functools.cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256("\0".join(self._words).encode("utf-8", "surrogateescape"))
        for file in _named_files(self._words):
            with contextlib.suppress(OSError):
                digest.update((Home(file).code() if file.suffix == ".py" else "").encode())
                digest.update(file_hash(file).encode())
        return digest.hexdigest()[:16]

    def code(self) -> str:
        """Return a hash of the words and of the files that they name."""
        return self._hash

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it."""
        files = [file.name for file in _named_files(self._words)]
        facts = {"title": self._title, "kind": "command", "parameters": 0, "files": files}
        return {**facts, **self._ways}


def _read(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RainbenchError(f"cmd:{command}: cannot be read: {error}") from None
    for field in (RAINY, OUT):
        if not any(field in word for word in words):
            raise RainbenchError(
                f"cmd:{command}: does not say where {field} stands",
                hint=f'For example "cmd:python test.py --in {RAINY} --out {OUT}".',
            )
    if found := [word for word in words if word in _OF_SHELLS]:
        raise RainbenchError(
            f"cmd:{command}: is run without a shell, which {found[0]} needs",
            hint=f"Call one: \"cmd:sh -c '... {found[0]} ...'\".",
        )
    if shutil.which(words[0]) is None:
        raise RainbenchError(f"cmd:{command}: there is no program called {words[0]}")
    return words


def _named_files(words: Sequence[str]) -> list[Path]:
    """Return the files that the words of a call name, the program itself if it is given by a path.

    That of ``python`` and the like is left out: it is another one in every environment.
    """
    parts = [part for word in words for part in (word, word.partition("=")[2]) if part]
    paths = [Path(part) for part in parts if is_file(Path(part))]
    return list(dict.fromkeys(path.resolve() for path in paths))


class FolderProgram(nn.Module):
    """A program that restores the images of a folder into another one.

    Args:
        words: Of its call.
        time_limit: Seconds that it may take for a folder.

    Attributes:
        seconds: Of an image in the folder that was restored last.
    """

    def __init__(self, words: Sequence[str], time_limit: float) -> None:
        super().__init__()
        self._words, self._time_limit = words, time_limit
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, Path] = {}
        self._missing: dict[str, str] = {}
        self.seconds = 0.0

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch in [0, 1]: taken from what was restored, or each in a folder of one."""
        levels = (rainy.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)
        images = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        restored = np.stack([self._restored(image) for image in images]).astype(np.float32)
        tensor = torch.from_numpy(restored / np.float32(255)).permute(0, 3, 1, 2)
        return Restoration(tensor.to(rainy.device))

    def _restored(self, image: Image) -> Image:
        key = pixel_hash(image)
        if key in self._missing:
            raise PredictionError(self._missing[key])
        if key not in self._files:
            self.restore_folder([image])
            if key in self._missing:
                raise PredictionError(self._missing[key])
        return read_image(self._files[key])

    def restore_folder(self, images: Iterable[Image]) -> None:
        """Restore images, ``(H, W, 3)`` uint8 each, and keep the results for calls with them.

        Raises:
            RainbenchError: The program cannot be run, failed or took too long, or its images are
                not those that it was given.
        """
        self._files, self._missing = {}, {}
        self._place = _new_place()
        place = Path(self._place.name)
        rainy, out = place / "rainy", place / "restored"
        rainy.mkdir()
        out.mkdir()
        hashes = []
        for number, image in enumerate(images):
            hashes.append(pixel_hash(image))
            write_png(rainy / f"{_name(number)}.png", image)
        if not hashes:
            return
        started = time.perf_counter()
        self._run(place, rainy, out)
        self.seconds = (time.perf_counter() - started) / len(hashes)
        self._collect(rainy, out, hashes)

    def _run(self, place: Path, rainy: Path, out: Path) -> None:
        words = [word.replace(RAINY, str(rainy)).replace(OUT, str(out)) for word in self._words]
        said = place / "said"
        try:
            with said.open("wb") as log:
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
                with _ended(process):
                    code = process.wait(self._time_limit)
        except subprocess.TimeoutExpired:
            raise RainbenchError(
                f"took longer than {self._time_limit:g} s and was ended{_tail(said)}",
                hint="Give more with --time-limit.",
            ) from None
        except OSError as error:
            raise RainbenchError(f"{words[0]} cannot be run: {told(error)}") from None
        if code:
            what = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            raise RainbenchError(f"{words[0]} {what}{_tail(said)}")

    def _collect(self, rainy: Path, out: Path, hashes: Sequence[str]) -> None:
        pairs = []
        for number in range(len(hashes)):
            source = Source(rainy / f"{_name(number)}.png")
            pairs.append(Pair(_name(number), source, source))
        try:
            matched = match_outputs(out, pairs)
        except RainbenchError as error:
            said = _tail(rainy.parent / "said")
            raise RainbenchError(
                f"{error.message.replace(str(out), OUT).replace(str(rainy), RAINY)}{said}",
                hint="The restored images have to bear the names of the rainy ones, which have to "
                "stand in theirs: abc.png, abc_out.png, out/abc.jpg.",
            ) from None
        _check_pictures(pairs, matched)
        for pair, key in zip(pairs, hashes, strict=True):
            if pair.id in matched.files:
                self._files[key] = matched.files[pair.id]
            else:
                self._missing[key] = f"wrote no image for {pair.rainy.path.name}"


def _name(number: int) -> str:
    """Return the name of an image in the folder: letters only, in order.

    So that no numbering of a program's own is taken for it.

    Example:
        >>> _name(0), _name(27)
        ('rainy-aaaa', 'rainy-aabb')
    """
    letters = ""
    for _ in range(4):
        number, letter = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[letter] + letters
    return f"rainy-{letters}"


def _check_pictures(pairs: Sequence[Pair], matched: Matched) -> None:
    """Refuse images that are turned, or that show the scenes of other ones."""
    strange = []
    for pair in pairs:
        file = matched.files.get(pair.id)
        if file is None:
            continue
        restored, rainy = read_image(file), read_image(pair.rainy.path)
        if restored.shape != rainy.shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (restored, rainy)]
            raise RainbenchError(f"wrote {file.name} of {sizes[0]} for an image of {sizes[1]}")
        if otherwise := seen_otherwise(restored, rainy):
            raise RainbenchError(f"wrote {file.name}, which shows its scene {otherwise}")
        outlines = outline(restored), outline(rainy)
        if likeness(*outlines) < LEAST:
            strange.append((file, outlines))
    for number, found in find_scenes([outlines for _, outlines in strange]).items():
        if number != found:
            raise RainbenchError(
                f"wrote {strange[number][0].name} with the scene of {strange[found][0].name}"
            )


def _new_place() -> tempfile.TemporaryDirectory[str]:
    """Return an empty folder, which is removed when nobody holds it."""
    suffix = f".{os.getpid()}.part"
    return tempfile.TemporaryDirectory(dir=_above(), prefix=".images-", suffix=suffix)


@functools.cache
def _above() -> Path:
    """Return where folders of programs lie; what processes that were killed left is removed."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"rainbench-programs-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    sweep(folder, ".*.part")
    return folder


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a program and all that it started when it is not waited for any longer."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError):  # what it started may live on
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def _tail(said: Path) -> str:
    """Return a program's last words."""
    with contextlib.suppress(OSError):
        with said.open("rb") as file:
            file.seek(max(0, said.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        text = " / ".join(line.strip() for line in lines[-6:] if line.strip())
        if text:
            return f"; it said: {'...' if len(text) > TAIL else ''}{text[-TAIL:]}"
    return ""
