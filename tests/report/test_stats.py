"""Statistics: SciPy's own results, cases counted by hand, and properties."""

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rainbench.report.stats import (
    bootstrap_means,
    enough_images,
    group_letters,
    holm,
    paired_test,
    pairwise_tests,
    resample_indices,
)

NOISE = np.random.default_rng(3)


class OurDraws(np.random.Generator):
    """Hands SciPy the images that we draw."""

    def integers(self, low, high, size, dtype=int, endpoint=False):
        resamples, count = size
        assert (low, high, endpoint) == (0, count, False)
        return resample_indices(count, resamples)


SEED = "rng" if "rng" in inspect.signature(stats.bootstrap).parameters else "random_state"
"""What SciPy calls it; before 1.15 it had the second name."""


@pytest.mark.parametrize("count", [5, 37, 100])
def test_intervals_are_scipys_on_the_same_draws(count):
    values = np.round(NOISE.gamma(2, 3, count) * 1024) / 1024  # whose sums have no rounding
    ours = bootstrap_means([values], resamples=2000)[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=2000, method="BCa", **{SEED: OurDraws(np.random.PCG64(0))}
    ).confidence_interval
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=1e-12)


def test_intervals_are_near_scipys_on_other_draws():
    values = NOISE.normal(30, 4, 100)
    ours = bootstrap_means([values])[0]
    theirs = stats.bootstrap((values,), np.mean, method="BCa", **{SEED: 1}).confidence_interval
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.05)


def test_interval_counted_by_hand():
    """Two values 0 and 1: the mean of a resample is 0, 1/2 or 1, with chances 1/4, 1/2, 1/4."""
    means = resample_indices(2, 10_000).mean(axis=1)
    for value, chance in ((0, 0.25), (0.5, 0.5), (1, 0.25)):
        assert (means == value).mean() == pytest.approx(chance, abs=0.02)
    (interval,) = bootstrap_means([[0.0, 1.0]])
    assert (interval.low, interval.high) == (0, 1)


def test_intervals_hold_the_mean_as_often_as_they_say():
    held = 0
    for _ in range(200):
        (interval,) = bootstrap_means([NOISE.exponential(1, 60)], resamples=500)
        held += interval.low <= 1 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_intervals_do_not_depend_on_the_other_entries_or_on_pieces(monkeypatch):
    values = NOISE.normal(0, 1, (3, 11))
    together = bootstrap_means(values, resamples=500)
    assert together == [bootstrap_means([row], resamples=500)[0] for row in values]
    monkeypatch.setattr("rainbench.report.stats._BLOCK", 40)
    assert bootstrap_means(values, resamples=500) == together
    assert bootstrap_means(values, resamples=500, seed=1) != together


def test_what_has_no_interval():
    infinite, constant = bootstrap_means([[1.0, np.inf], [2.0, 2.0]])
    assert np.isnan(infinite.low) and np.isnan(infinite.high)
    assert (constant.low, constant.high) == (2, 2)
    assert np.isnan(bootstrap_means([[1.0]])[0].low)


def test_wilcoxon_is_scipys():
    first, second = NOISE.normal(0, 1, (2, 80))
    assert paired_test(first, second) == stats.wilcoxon(first, second).pvalue
    some = np.where(np.arange(80) < 20, first, second)
    assert paired_test(first, some) == pytest.approx(
        stats.wilcoxon(first, some, zero_method="wilcox").pvalue, abs=1e-12
    )


@given(st.lists(st.integers(-20, 20).filter(bool), min_size=1, max_size=8, unique_by=abs))
def test_wilcoxon_counted_out(differences):
    """Every choice of signs is equally likely: count those at least as far from the middle."""
    ranks = stats.rankdata(np.abs(differences))
    middle = ranks.sum() / 2
    seen = abs(ranks[np.array(differences) > 0].sum() - middle)
    sums = [
        abs((ranks * signs).sum() - middle)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    counted = np.mean([value >= seen - 1e-9 for value in sums])
    assert paired_test(differences, [0] * len(differences)) == pytest.approx(counted)


@pytest.mark.parametrize("images", [1, 8, 50, 51, 90])
def test_pairs_that_are_tested_together_are_as_if_alone(images, monkeypatch):
    """With equal, tied, infinite and far apart values among them, in blocks of any size."""
    base = np.round(NOISE.normal(30, 2, images), 6)
    values = {
        "base": base, "equal": base, "near": base + np.round(NOISE.normal(0, 1, images), 6),
        "some": np.where(np.arange(images) % 3, base, base + 1), "tied": base + 0.5,
        "infinite": np.where(np.arange(images) == 0, np.inf, base - 1), "far": base[::-1] * 3,
        "other": np.round(NOISE.normal(31, 2, images), 6),
    }  # fmt: skip
    pairs = list(itertools.combinations(values, 2))
    singly = holm([paired_test(values[a], values[b]) for a, b in pairs])
    alone = dict(zip(pairs, singly, strict=True))
    for together in (512, 3):
        monkeypatch.setattr("rainbench.report.stats._TESTED", together)
        assert pairwise_tests(values) == alone


@pytest.mark.filterwarnings("error")
def test_infinite_psnr_is_a_value_like_others():
    several = {"perfect": [np.inf] * 5, "other": [1.0, 2, 3, 4, 5]}
    assert pairwise_tests(several) == {("perfect", "other"): 0.0625}
    assert paired_test([np.inf, 1, 2], [np.inf, 1, 2]) == 1
    assert paired_test([np.inf, 5, 6], [1.0, 2.0, 4.0]) == 0.25


def test_holm_by_hand():
    """Sorted .005 .01 .03 .04 times 4 3 2 1 is .02 .03 .06 .04, then never falling."""
    assert holm([0.03, 0.01, 0.04, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.integers(1, 7), st.data())
def test_a_shared_letter_means_not_distinguishable(count, data):
    names = [str(number) for number in range(count)]
    pairs = list(itertools.combinations(names, 2))
    corrected = {pair: data.draw(st.sampled_from([0.001, 0.5])) for pair in pairs}
    letters = group_letters(names, corrected)
    assert all(letters.values()) and letters["0"].startswith("a")
    for first, second in pairs:
        shares = bool(set(letters[first]) & set(letters[second]))
        assert shares == (corrected[first, second] >= 0.05)


@pytest.mark.parametrize(("images", "entries"), [(5, 2), (6, 2), (6, 3), (8, 3), (8, 5)])
def test_too_few_images_tell_nothing_apart(images, entries):
    """The clearest case there is: each entry is ahead of the next on every image."""
    values = {str(place): [place + 0.1 * (place + 1) * image for image in range(images)]
              for place in range(entries)}  # fmt: skip
    differing = [p_value for p_value in pairwise_tests(values).values() if p_value < 0.05]
    assert bool(differing) == enough_images(images, entries)


def test_entries_that_differ_clearly_are_told_apart():
    truth = NOISE.normal(30, 3, 100)
    values = {
        "good": list(truth + 1),
        "same": list(truth + 1 + NOISE.normal(0, 0.01, 100)),
        "bad": list(truth),
    }
    corrected = pairwise_tests(values)
    assert group_letters(list(values), corrected) == {"good": "a", "same": "a", "bad": "b"}


def test_equal_numbers_have_equal_intervals():
    """Two protocols whose PSNR differs in the seventh digit have one interval."""
    values = np.random.default_rng(1).normal(25, 3, 8)
    noise = np.random.default_rng(2).normal(0, 1e-7, (20, 8))
    found = np.array([(each.low, each.high) for each in bootstrap_means(values + noise)])
    assert np.ptp(found, axis=0).max() < 1e-6
