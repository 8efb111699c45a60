"""Videos that we write."""

from fractions import Fraction

import pytest
from videos import moving_frames

from rainbench.video.write import VideoWriter


@pytest.mark.parametrize(("name", "lossless"), [("a.mkv", True), ("a.mp4", False)])
def test_the_same_frames_are_the_same_bytes(tmp_path, name, lossless):
    written = []
    for number in "12":
        file = tmp_path / number / name
        file.parent.mkdir()
        with VideoWriter(file, 48, 32, Fraction(25), lossless=lossless) as video:
            for frame in moving_frames(4):
                video.write(frame)
        written.append(file.read_bytes())
    assert written[0] == written[1]
