"""Libraries that need not be installed."""

from __future__ import annotations

import importlib
from typing import Any

from rainbench.core.errors import RainbenchError, told


def needed(module: str, extra: str, what: str) -> Any:  # noqa: ANN401
    """Import a library that is not one of ours, or say how to get it.

    Raises:
        RainbenchError: It is not installed, or cannot be loaded here.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise RainbenchError(f"{what}: {module} cannot be loaded: {told(error)}") from None
        raise RainbenchError(
            f"{what}: needs {module}, which is not installed",
            hint=f'Install it: pip install "rainbench[{extra}]"',
        ) from None
    except Exception as error:  # built for another version of what it needs
        raise RainbenchError(f"{what}: {module} cannot be loaded: {told(error)}") from None
