"""The losses against others' code, plain loops and the papers' formulas."""

import csv

import pytest
import torch
from skimage.metrics import structural_similarity

from rainbench.catalog.terms import LossTerm, layers_of
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.metrics.torch_backend import score_all_torch
from rainbench.networks.base import Restoration
from rainbench.train.losses import LossTarget, binary_mask, objective, ssim


def image(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compute(terms, restoration, target):
    return objective([LossTerm(**term) for term in terms])(restoration, target)


def target(height=12, width=14, **layers):
    return LossTarget(image(2, 3, height, width), image(2, 3, height, width, seed=1), layers)


def mask(seed):
    return image(2, 1, 12, 14, seed=seed)


@pytest.mark.data
def test_padded_ssim_is_that_of_the_published_training_code(shared):
    """Values made by PReNet's training loss, in single precision: they are right to 2e-5."""
    with (shared / "metrics" / "golden.csv").open() as file:
        expected = {
            number: float(value)
            for number, convention, metric, value in csv.reader(file)
            if (convention, metric) == ("prenet_train_ssim", "ssim")
        }
    assert len(expected) == 8
    for number, value in expected.items():
        rainy, clean = (
            torch.from_numpy(read_image(shared / "metrics" / "pairs" / f"{number}_{half}.png"))
            .permute(2, 0, 1)[None]
            .contiguous()
            / 255
            for half in ("rainy", "clean")
        )
        assert ssim(rainy, clean).item() == pytest.approx(value, abs=2e-5)


def test_padded_ssim_is_that_of_the_metrics():
    clean = (255 * image(1, 3, 19, 23)).byte()
    predicted = image(1, 3, 19, 23, seed=1).float()
    expected = score_all_torch(predicted, clean, ["rescan-rgb"])["rescan-rgb"].ssim
    in_double = ssim(predicted.double(), clean.double() / 255)
    assert in_double.item() == pytest.approx(expected, abs=1e-7)  # theirs has clean in single
    assert ssim(predicted, clean / 255).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11), (11, 30), (24, 17)])
def test_valid_ssim_is_that_of_scikit_image(size):
    clean = image(2, 3, *size)
    predicted = clean + 0.2 * image(2, 3, *size, seed=1)
    expected = [
        structural_similarity(
            one.numpy(),
            other.numpy(),
            gaussian_weights=True,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=0,
        )
        for one, other in zip(predicted, clean, strict=True)
    ]
    mean = sum(expected) / 2
    assert ssim(predicted, clean, "valid").item() == pytest.approx(mean, abs=1e-12)
    assert ssim(predicted.float(), clean.float(), "valid").item() == pytest.approx(mean, abs=1e-5)


def test_ssim_has_the_right_gradient():
    clean = image(1, 2, 12, 13)
    predicted = image(1, 2, 12, 13, seed=1).requires_grad_()
    for window in ("padded", "valid"):
        assert torch.autograd.gradcheck(
            lambda x, w=window: ssim(x, clean, w), predicted, fast_mode=True
        )


def test_valid_ssim_refuses_small_patches():
    with pytest.raises(RainbenchError, match="at least 11x11 pixels, not 10x20"):
        ssim(image(1, 3, 10, 20), image(1, 3, 10, 20), "valid")


def test_binary_mask_counts_any_channel():
    clean = torch.zeros(1, 3, 1, 4)
    rainy = clean.clone()
    rainy[0, 1, 0, 1] = 1 / 255
    rainy[0, 2, 0, 2] = 0.2
    rainy[0, 0, 0, 3] = -0.3
    assert binary_mask(rainy, clean).flatten().tolist() == [0, 1, 1, 1]
    assert binary_mask(rainy, clean, 0.1).flatten().tolist() == [0, 0, 1, 1]
    assert binary_mask(rainy, clean, 0.25).flatten().tolist() == [0, 0, 0, 1]


def test_the_objective_of_daiam():
    """Eqs. 11 to 13, written out."""
    truth = target(streak_mask=mask(2), drop_mask=mask(3))
    maps = {f"attention_{kind}": mask(5 + i) for i, kind in enumerate(("streak", "drop"))}
    for i, name in enumerate(("heavy_streak", "light_streak", "heavy_drop", "light_drop")):
        maps[name] = image(2, 3, 12, 14, seed=10 + i)
    restored = image(2, 3, 12, 14, seed=20)
    terms = [{"name": "l1", "on": "image"}]
    for kind in ("streak", "drop"):
        attention = {"name": "l1", "on": f"attention_{kind}", "target": f"{kind}_mask"}
        terms.append({**attention, "weight": 0.8})
        terms.append({"name": "l1", "on": f"heavy_{kind}", "weight": 1.0})
        terms.append({"name": "l1", "on": f"light_{kind}", "weight": 0.3})
    total, parts = compute(terms, Restoration(restored, (restored,), maps), truth)

    def l1(a, b):
        return (a - b).abs().mean()

    expected = l1(restored, truth.clean)
    for kind in ("streak", "drop"):
        mask_of = truth.layers[f"{kind}_mask"]
        expected = expected + 0.8 * l1(maps[f"attention_{kind}"], mask_of)
        expected = expected + 1.0 * l1(maps[f"heavy_{kind}"], truth.clean)
        expected = expected + 0.3 * l1(maps[f"light_{kind}"], truth.clean)
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    assert sum(parts.values()).item() == pytest.approx(total.item(), rel=1e-12)
    assert len(parts) == 7
    assert not any(part.requires_grad for part in parts.values())


def test_the_objective_of_spanet():
    """Eqs. 6 and 7: a joint mask that is at hand does not stand in for the binary one."""
    truth = target(joint_mask=mask(2))
    truth.rainy[:, :, 3:5] = truth.clean[:, :, 3:5]
    attention, restored = mask(3), image(2, 3, 12, 14, seed=20)
    terms = [
        {"name": "l1"},
        {"name": "one_minus_ssim"},
        {"name": "mse", "on": "attention", "target": "joint_mask", "mask": "binary"},
    ]
    total, _ = compute(terms, Restoration(restored, (), {"attention": attention}), truth)
    rain = torch.ones(2, 1, 12, 14)
    rain[:, :, 3:5] = 0
    expected = (restored - truth.clean).abs().mean() + 1 - ssim(restored, truth.clean)
    expected = expected + (attention - rain).square().mean()
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)


def test_stages_and_numbered_maps_are_sums():
    truth = target(streak_mask=mask(2))
    stages = tuple(image(2, 3, 12, 14, seed=seed) for seed in (3, 4, 5))
    maps = {"attention_1": mask(6), "attention_2": mask(7), "attention": mask(7)}
    maps["attention_light_1"] = mask(8)  # another map altogether
    restoration = Restoration(stages[-1], stages, maps)
    stage = {"name": "neg_ssim", "on": "stages", "weight": 0.5}
    total, _ = compute([stage], restoration, truth)
    expected = -0.5 * sum(ssim(each, truth.clean) for each in stages)
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    total, _ = compute(
        [{"name": "l1", "on": "attention_*", "target": "streak_mask"}], restoration, truth
    )
    expected = sum((each - mask(2)).abs().mean() for each in (mask(6), mask(7)))
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    lone, _ = compute([{"name": "mse", "on": "stages"}], Restoration(stages[0]), truth)
    assert lone.item() == pytest.approx((stages[0] - truth.clean).square().mean().item())


def test_a_loss_may_be_the_sum_over_channels():
    """DAiAM, Eqs. 5 and 9: sums over positions, where an image weighs three times a map."""
    truth, restored, attention = target(joint_mask=mask(2)), image(2, 3, 12, 14, seed=9), mask(5)
    restoration = Restoration(restored, (), {"a": attention})
    for name, power in (("l1", 1), ("mse", 2)):
        terms = [
            {"name": name, "channels": "sum"},
            {"name": name, "on": "a", "target": "joint_mask", "channels": "sum"},
        ]
        total, _ = compute(terms, restoration, truth)
        apart = (restored - truth.clean).abs().pow(power).sum() + (attention - mask(2)).abs().pow(
            power
        ).sum()
        assert total.item() == pytest.approx(apart.item() / (2 * 12 * 14), rel=1e-12)


def test_rain_and_smaller_images():
    """RCDNet is taught its rain, DeRaindrop images of half and of a quarter of the size."""
    truth = target(height=12, width=16)
    rain, half = image(2, 3, 12, 16, seed=4), image(2, 3, 6, 8, seed=5)
    restoration = Restoration(truth.rainy, (), {"rain_1": rain, "rain_2": rain, "half": half})
    total, parts = compute(
        [{"name": "mse", "on": "rain_*", "target": "rain"}, {"name": "mse", "on": "half"}],
        restoration,
        truth,
    )
    apart = 2 * (rain - (truth.rainy - truth.clean)).square().mean()
    rows = (truth.clean[:, :, 0::2] + truth.clean[:, :, 1::2]) / 2
    small = (rows[..., 0::2] + rows[..., 1::2]) / 2
    assert total.item() == pytest.approx((apart + (half - small).square().mean()).item())
    assert list(parts) == ["mse rain_* (rain)", "mse half"]
    with pytest.raises(RainbenchError, match="2x3x5x8, with clean, 2x3x6x8"):
        compute(
            [{"name": "mse", "on": "half"}],
            Restoration(truth.rainy, (), {"half": half[:, :, :5]}),
            truth,
        )


def test_maps_of_several_sizes_are_held_against_smaller_images_of_each():
    """LPNet's levels, whatever their order."""
    truth = target(height=12, width=16)
    half, quarter = image(2, 3, 6, 8, seed=5), image(2, 3, 3, 4, seed=6)
    restoration = Restoration(truth.rainy, (), {"level_1": quarter, "level_2": half})
    total, _ = compute([{"name": "l1", "on": "level_*"}], restoration, truth)
    pool = torch.nn.functional.avg_pool2d
    expected = (half - pool(truth.clean, 2)).abs().mean()
    expected = expected + (quarter - pool(truth.clean, 4)).abs().mean()
    assert total.item() == pytest.approx(expected.item())


def test_two_logits_are_held_against_a_mask():
    truth = target(streak_mask=mask(2))
    logits = image(2, 2, 12, 14, seed=7)
    term = {"name": "cross_entropy", "on": "m", "target": "streak_mask", "mask": "binary"}
    term["threshold"] = 0.4
    total, _ = compute([term], Restoration(truth.rainy, (), {"m": logits}), truth)
    chosen = torch.where(mask(2) > 0.4, logits[:, 1:], logits[:, :1])
    expected = (logits.exp().sum(1, keepdim=True).log() - chosen).mean()
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    with pytest.raises(RainbenchError, match="no two logits for each value of the mask"):
        compute([term], Restoration(truth.rainy, (), {"m": logits[:, :1]}), truth)


def test_binary_masks_of_one_kind_of_rain():
    truth = target(drop_mask=mask(2))
    terms = [{"name": "mse", "on": "a", "target": "drop_mask", "mask": "binary", "threshold": 0.4}]
    restoration = Restoration(truth.rainy, (), {"a": torch.zeros(2, 1, 12, 14).double()})
    total, _ = compute(terms, restoration, truth)
    assert total.item() == pytest.approx((mask(2) > 0.4).double().mean().item())


def test_a_map_per_feature_has_one_mask():
    truth = target(joint_mask=mask(2))
    term = {"name": "l1", "on": "a", "target": "joint_mask"}
    for channels in (1, 4):
        maps = {"a": torch.zeros(2, channels, 12, 14).double()}
        total, _ = compute([term], Restoration(truth.rainy, (), maps), truth)
        assert total.item() == pytest.approx(mask(2).mean().item())


def test_which_layers_an_objective_needs():
    terms = [
        LossTerm(name="l1", on="a", target="joint_mask", mask="binary"),
        LossTerm(name="l1", on="b", target="streaks"),
        LossTerm(name="l1", on="c", target="drop_mask", mask="binary"),
        LossTerm(name="mse", on="c", target="drop_mask"),
        LossTerm(name="l1", on="d", target="joint_mask"),
    ]
    assert layers_of(terms) == ("streaks", "drop_mask", "joint_mask")


def test_a_network_in_half_precision_is_judged_in_single():
    clean = torch.rand(1, 3, 16, 16)
    predicted = (clean + 0.01).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = compute(
            [{"name": "l1"}, {"name": "neg_ssim"}], Restoration(predicted), LossTarget(clean, clean)
        )
    assert total.dtype == torch.float32
    expected = (predicted.float() - clean).abs().mean() - ssim(predicted.float(), clean)
    assert total.item() == expected.item()


def test_what_is_wrong_is_said():
    joint = {"joint_mask": mask(2)[:1]}
    truth = LossTarget(image(1, 3, 12, 14), image(1, 3, 12, 14), joint, dataset="rain100l")
    restoration = Restoration(truth.rainy, (), {"attention": image(1, 1, 6, 7)})
    with pytest.raises(RainbenchError, match=r"needs a streak mask, which rain100l does not have"):
        compute([{"name": "l1", "on": "attention", "target": "streak_mask"}], restoration, truth)
    with pytest.raises(RainbenchError, match=r'on "atention".*\n  Did you mean "attention"'):
        compute([{"name": "l1", "on": "atention"}], restoration, truth)
    with pytest.raises(RainbenchError, match=r'"attention_\*", which the network does not return'):
        compute([{"name": "l1", "on": "attention_*"}], restoration, truth)
    with pytest.raises(RainbenchError, match=r'"attention", 1x1x6x7, with joint_mask, 1x1x12x14'):
        compute([{"name": "l1", "on": "attention", "target": "joint_mask"}], restoration, truth)
    with pytest.raises(RainbenchError, match="at least one loss"):
        objective([])
    with pytest.raises(RainbenchError, match="l1 image stands twice"):
        objective([LossTerm(name="l1"), LossTerm(name="l1", weight=2.0)])


def test_two_maps_may_have_to_add_up_to_one():
    truth, maps = target(), {"attention_sum": 0.25 + mask(2)}
    term = {"name": "mse", "on": "attention_sum", "target": "one"}
    total, parts = compute([term], Restoration(truth.rainy, (), maps), truth)
    assert total.item() == pytest.approx((mask(2) - 0.75).square().mean().item())
    assert list(parts) == ["mse attention_sum (one)"]
