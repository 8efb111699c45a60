"""Names for data sets that are built: letters that a card may have, and no known set's."""

from __future__ import annotations

from rainbench.catalog.folders import content_root
from rainbench.core.errors import RainbenchError
from rainbench.core.text import safe_name

LONGEST = 100
"""Letters of a name: folders and files are called so, with endings."""


def checked_name(name: str) -> str:
    """Return a data set's name, or raise an error when it cannot be used.

    Raises:
        RainbenchError: It has letters that a card's name may not have, is too long, or is that of
            a known set.

    Example:
        >>> checked_name("my-rain")
        'my-rain'
    """
    if not name or safe_name(name) != name:
        raise RainbenchError(
            f"--name {name}: a data set's name is made of a-z, 0-9, _ and -",
            hint=f"For example {safe_name(name) or 'my-rain'}.",
        )
    if len(name) > LONGEST:
        raise RainbenchError(
            f"--name {name[:20]}...: has {len(name)} letters", hint=f"Give {LONGEST} at most."
        )
    for used in (name, f"{name}-train"):
        if (content_root() / "datasets" / f"{used}.toml").exists():
            raise RainbenchError(
                f"{used} is the name of a published data set",
                hint="Give another --name, or results would be taken for that set's.",
            )
    return name
