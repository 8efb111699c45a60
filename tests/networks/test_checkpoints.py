"""Every published checkpoint loads into its own network, and into no other."""

import pytest
from material import CLASSES, PUBLISHED, SAME_KEYS_AND_SHAPES, build, read_published

pytestmark = pytest.mark.data

FILES = {
    "prenet/PReNet6_Rain100H": "PReNet",
    "prenet/PReNet6_Rain100L": "PReNet",
    "prenet/PReNet6_Rain1400": "PReNet",
    "prenet/PReNet6_RainHeavy": "PReNet",
    "prenet/PReNet6_RainLight": "PReNet",
    "prenet/PReNet6_r_Rain100H": "PReNet_r",
    "prenet/PReNet6_r_Rain100L": "PReNet_r",
    "prenet/PReNet6_r_Rain1400": "PReNet_r",
    "prenet/PRN6_Rain100H": "PRN",
    "prenet/PRN6_Rain100L": "PRN",
    "prenet/PRN6_Rain1400": "PRN",
    "prenet/PRN6_r_Rain100H": "PRN_r",
    "prenet/PRN6_r_Rain100L": "PRN_r",
    "prenet/PRN6_r_Rain1400": "PRN_r",
    "prenet/ablation_PReNet5_LSTM": "PReNet_LSTM",
    "prenet/ablation_PReNet6_LSTM": "PReNet_LSTM",
    "prenet/ablation_PReNet7_LSTM": "PReNet_LSTM",
    "prenet/ablation_PReNet6_RecSSIM": "PReNet_LSTM",
    "prenet/ablation_PReNet6_GRU": "PReNet_GRU",
    "prenet/ablation_PReNet6_x": "PReNet_x",
    "prenet/real_PReNet1": "Generator_lstm",
    "prenet/real_PReNet2": "Generator_lstm",
    "brn/BRN_Rain100H": "BRN",
    "brn/BRN_Rain100L": "BRN",
    "brn/BRN_Rain1400": "BRN",
    "brn/BRN_RainHeavy": "BRN",
    "brn/BRN_RainLight": "BRN",
    "brn/BRN_generalization_model": "BRN",
    "sian/rain100h": "SIAN",
    "sian/rain100l": "SIAN",
    "sian/rain1400": "SIAN",
    "spanet/SPANet_spa": "SPANet",
    "spanet/SPANet_RainHeavy": "SPANet",
    "spanet/SPANet_RainLight": "SPANet",
    "rescan/RESCAN_RainHeavy": "RESCAN",
    "rescan/RESCAN_RainLight": "RESCAN",
}


@pytest.mark.parametrize("file", FILES)
def test_a_checkpoint_loads_into_its_network_alone(shared, file):
    published = read_published(shared / "weights" / f"{file}.pth")
    name = FILES[file]
    assert {key: tuple(value.shape) for key, value in published.items()} == PUBLISHED[name]
    alike = SAME_KEYS_AND_SHAPES if name in SAME_KEYS_AND_SHAPES else {name}
    for other in CLASSES:
        if other in alike:
            build(other, published)
        else:
            with pytest.raises((KeyError, RuntimeError)):
                build(other, published)


def test_no_checkpoint_is_left_out(shared):
    found = {
        f"{folder}/{file.stem}"
        for folder in ("prenet", "brn", "sian", "spanet", "rescan")
        for file in (shared / "weights" / folder).glob("*.pth")
    }
    assert found == set(FILES)
