"""Which sources of a data set are for testing, and choosing evenly from many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rainbench.core.random import philox, uniform

SplitName = Literal["train", "test"]


def choose_test_videos(
    videos: Sequence[str], share: float, seed: int, fixed: Mapping[str, SplitName] | None = None
) -> frozenset[str]:
    """Choose the videos whose pairs are for testing.

    Each video draws a number that depends on the seed and its own id alone, and the lowest are
    taken: at least one when the share is not zero, and not all unless there is only one or the
    share is 1.

    Args:
        videos: Ids; the order does not matter.
        share: 0 to 1.
        seed: Any number.
        fixed: The split of videos where it is not drawn; those for testing count in the share.

    Example:
        >>> sorted(choose_test_videos(["a", "b", "c", "d", "e"], 0.4, seed=1))
        ['a', 'c']
        >>> choose_test_videos(["a"], 0.2, seed=1)
        frozenset({'a'})
        >>> sorted(choose_test_videos("abcde", 0.4, 1, {"a": "train", "e": "test"}))
        ['c', 'e']
    """
    if fixed:
        return _with_fixed(set(videos), share, seed, fixed)
    distinct = sorted(set(videos))
    if not distinct or share == 0:
        return frozenset()
    drawn = sorted(distinct, key=lambda video: (uniform(philox("split", seed, video), 0, 1), video))
    most = len(drawn) if share == 1 or len(drawn) == 1 else len(drawn) - 1
    return frozenset(drawn[: min(most, max(1, round(share * len(drawn))))])


def same_recordings(prints: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return for each video the one that stands for all with which it shares a picture.

    A video that was stored in another container, or cut, is the same recording: its pictures must
    not be in both splits.

    Args:
        prints: Hashes of each video's pictures, by its id.

    Example:
        >>> same_recordings({"a": ["1", "2"], "b": ["3"], "c": ["2", "4"]})
        {'a': 'a', 'b': 'b', 'c': 'a'}
    """
    stands_for = {video: video for video in sorted(prints)}

    def first(video: str) -> str:
        while stands_for[video] != video:
            video = stands_for[video]
        return video

    owners: dict[str, str] = {}
    for video in stands_for:
        for picture in prints[video]:
            one, other = sorted((first(video), first(owners.setdefault(picture, video))))
            stands_for[other] = one
    return {video: first(video) for video in prints}


def _with_fixed(
    videos: set[str], share: float, seed: int, fixed: Mapping[str, SplitName]
) -> frozenset[str]:
    chosen = {video for video in videos if fixed.get(video) == "test"}
    free = sorted(videos - fixed.keys())
    missing = max(1, round(share * len(videos))) - len(chosen)
    if share == 0 or not free or missing <= 0:
        return frozenset(chosen)
    return frozenset(chosen) | choose_test_videos(free, min(1, missing / len(free)), seed)


def spread(items: Sequence[int], most: int | None) -> tuple[int, ...]:
    """Return at most so many items, evenly spread, the first among them.

    Example:
        >>> spread(range(10), 4), spread(range(3), None)
        ((0, 2, 5, 7), (0, 1, 2))
    """
    if most is None or most >= len(items):
        return tuple(items)
    return tuple(items[index * len(items) // most] for index in range(most))
