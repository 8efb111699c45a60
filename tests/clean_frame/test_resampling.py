"""What moving frames to one place takes from them is seen; where nothing moved, nothing is."""

import numpy as np
import pytest
from hard_sequences import SMALL, hard_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.resampling import estimate_resampling_loss
from rainbench.frames.alignment import align_frames
from rainbench.frames.cache import keep
from rainbench.frames.sources import as_source


@pytest.mark.parametrize(("kind", "seed"), [("rotation", 1), ("drift", 1)])
def test_the_blur_of_aligned_frames_is_seen(kind, seed):
    made = hard_sequence(kind, SMALL, seed=seed)
    with keep(align_frames(made.frames)) as source:
        clean = extract_clean_frame(source, "robust")
        calm = np.ones(SMALL, np.bool_)
        lost = estimate_resampling_loss(source, clean, calm)
    true = np.square(clean.levels - made.truth)[made.inside].mean()
    assert true / 8 < lost < 8 * true


@pytest.mark.parametrize("kind", ["plain", "heavy", "leaves", "noise-3", "snow"])
def test_frames_that_were_not_moved_have_lost_nothing(kind):
    made = hard_sequence(kind, SMALL, seed=5)
    clean = extract_clean_frame(made.frames, "robust")
    lost = estimate_resampling_loss(as_source(made.frames), clean, np.ones(SMALL, np.bool_))
    assert lost == 0
