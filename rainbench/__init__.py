"""rainbench: deraining data sets, networks, and tables that can be repeated.

Everything is loaded when it is first used: importing this package imports neither torch nor numpy.

Example:
    >>> import numpy as np
    >>> import rainbench as rb
    >>> clean = np.full((16, 16, 3), 100, np.uint8)
    >>> round(rb.score(clean + np.uint8(1), clean, "prenet-y").psnr, 2)
    49.45
"""

from __future__ import annotations

import importlib

from rainbench.version import __version__

TYPE_CHECKING = False  # that of typing, which takes longer to import than all else here

if TYPE_CHECKING:
    from typing import Any

    from rainbench import metrics
    from rainbench.api.datasets import Dataset, list_datasets, load_dataset
    from rainbench.api.evaluation import evaluate
    from rainbench.api.models import Model, list_models, load_model
    from rainbench.api.rain import RainTransform, add_drops, add_mist, add_streaks
    from rainbench.api.results import Results, load_results, merge_results
    from rainbench.api.scores import list_protocols, score
    from rainbench.clean_frame.extract import extract_clean_frame
    from rainbench.core.errors import RainbenchError

_PLACES = {
    "Dataset": "api.datasets",
    "Model": "api.models",
    "RainTransform": "api.rain",
    "RainbenchError": "core.errors",
    "Results": "api.results",
    "add_drops": "api.rain",
    "add_mist": "api.rain",
    "add_streaks": "api.rain",
    "evaluate": "api.evaluation",
    "extract_clean_frame": "clean_frame.extract",
    "list_datasets": "api.datasets",
    "list_models": "api.models",
    "list_protocols": "api.scores",
    "load_dataset": "api.datasets",
    "load_model": "api.models",
    "load_results": "api.results",
    "merge_results": "api.results",
    "metrics": "",
    "score": "api.scores",
}
"""In which module each name is defined; a package itself stands without one."""

__all__ = [
    "Dataset",
    "Model",
    "RainTransform",
    "RainbenchError",
    "Results",
    "__version__",
    "add_drops",
    "add_mist",
    "add_streaks",
    "evaluate",
    "extract_clean_frame",
    "list_datasets",
    "list_models",
    "list_protocols",
    "load_dataset",
    "load_model",
    "load_results",
    "merge_results",
    "metrics",
    "score",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _PLACES[name]:
        return importlib.import_module(f"{__name__}.{name}")
    found = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found  # the next time it is found at once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
