"""What an earlier build left in a folder that is not of the data set any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rainbench.core.files import writing
from rainbench.synthesis.scene import RECORDS, SceneResult


def forget_others(
    out: Path, made: Sequence[tuple[str, SceneResult]], cards: Collection[str]
) -> None:
    """Remove the files of scenes that an earlier build made and this one does not have.

    A photograph that was taken away, or that went to the other split with another share, would
    stay in the folder of its first split: whoever reads the folder would train on what is tested.

    Args:
        out: The folder of the build; what is removed are pictures in the folders that hold nothing
            but what a build makes, records, and what describes a split that is empty now.
        made: The card's name and the result of every scene that the data set has.
        cards: The names of all cards.

    Raises:
        StoreError: A file cannot be removed.
    """
    roles = {path.split("/")[0] for _, result in made for path in result.bytes}
    scenes = {(card, f"{result.scene}.json") for card, result in made}
    changed = not all(result.kept for _, result in made)
    with writing(out):
        for card in cards:
            wanted = {path for name, result in made if name == card for path in result.bytes}
            records = out / RECORDS / card
            others = [file for file in _files(records, ".json") if (card, file.name) not in scenes]
            for role in roles:
                pictures = _files(out / card / role, ".png")
                others += [file for file in pictures if f"{role}/{file.name}" not in wanted]
            if not wanted:
                others += [out / card / "metadata.csv", out / f"{card}.toml"]
            for file in others:
                changed |= file.exists()
                file.unlink(missing_ok=True)
        if changed:  # they are written again where they are asked for
            for card in cards:
                for shard in (out / "shards").glob(f"{card}-[0-9][0-9][0-9][0-9][0-9].tar"):
                    shard.unlink(missing_ok=True)


def _files(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with an ending; none of one that is a link to elsewhere."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [file for file in folder.iterdir() if file.suffix == suffix and not file.is_dir()]
