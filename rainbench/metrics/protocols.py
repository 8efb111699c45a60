"""The named PSNR/SSIM conventions of deraining papers, as data.

The same two words hide more than a dozen computations. A protocol names one of them completely: how
a float prediction is quantised, which plane is compared, cropped and shrunk how, which window and
dynamic range SSIM has, and what two identical pictures score. Never compare across protocols.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from rainbench.core.errors import RainbenchError
from rainbench.core.text import named
from rainbench.metrics.plug_ins import Protocols
from rainbench.metrics.record import Protocol

_PYIQA = "pyiqa (IQA-PyTorch 01ae427f)"
_PYIQA_REPOSITORY = "https://github.com/chaofengc/IQA-PyTorch"
_BASICSR = "BasicSR 8d56e3a0"
_BASICSR_REPOSITORY = "https://github.com/XPixelGroup/BasicSR"
_NASNET = "NASNet, the authors' review repository"
_NASNET_REPOSITORY = "https://github.com/AnonymousForRebuttal/NASNet"
_EPSILON_WARNING = "1e-8 is added to the MSE, so PSNR cannot exceed 80 dB."

_ALL = (
    Protocol(
        name="prenet-y",
        version=1,
        title="MATLAB luma, Wang 2003 SSIM after Wang's down-sampling; the papers' usual Y",
        prediction="truncate",
        colour="y601",
        window="gaussian",
        shrinking="wang",
        source="PReNet 6d908d1e (statistic/), RCDNet c6e15396 (Performance_evaluation/)",
        repository="https://github.com/csdwren/PReNet",
        conventions=("prenet_matlab_y", "rcdnet_matlab_y"),
        warning="SSIM is taken at reduced size, and rises, once the shorter side reaches 384"
        " pixels. PReNet truncates its predictions, RCDNet rounds its own.",
    ),
    Protocol(
        name="mprnet-y8",
        version=1,
        title="MATLAB luma rounded to 8 bits, SSIM without down-sampling",
        prediction="round",
        colour="y601-octave",
        window="gaussian",
        source="MPRNet 43feb2ae",
        repository="https://github.com/swz30/MPRNet",
        conventions=("mprnet_matlab_y_uint8",),
        warning="Rounding the luma costs a quarter of a dB at 43 dB.",
    ),
    Protocol(
        name="sian-y",
        version=1,
        title="MATLAB luma of rounded predictions, SSIM without down-sampling",
        prediction="round",
        colour="y601",
        window="gaussian",
        source="SIAN (luminance stated, formula inferred); scikit-image on its own luma",
        conventions=("skimage_y_gauss",),
    ),
    Protocol(
        name="rgb",
        version=1,
        title="RGB, Gaussian window: Wang 2004 with today's libraries",
        prediction="round",
        colour="rgb",
        window="gaussian",
        source="BasicSR 8d56e3a0, derain-toolbox d73d865c, scikit-image with Wang's options",
        repository="https://github.com/biubiubiiu/derain-toolbox",
        conventions=("basicsr_rgb", "derain_toolbox_rgb", "skimage_rgb_gauss"),
    ),
    Protocol(
        name="rgb-win7",
        version=1,
        title="RGB, 7x7 uniform window: scikit-image's defaults",
        prediction="round",
        colour="rgb",
        window="uniform",
        source="scikit-image",
        repository="https://github.com/scikit-image/scikit-image",
        conventions=("skimage_rgb_win7",),
    ),
    Protocol(
        name="y-win7",
        version=1,
        title="MATLAB luma, 7x7 uniform window: scikit-image's defaults on luma",
        prediction="round",
        colour="y601",
        window="uniform",
        source="scikit-image",
        repository="https://github.com/scikit-image/scikit-image",
        conventions=("skimage_y_win7",),
    ),
    Protocol(
        name="basicsr-y",
        version=1,
        title="BasicSR with test_y_channel: the mathematics of sian-y",
        prediction="round",
        colour="y601",
        window="gaussian",
        source=_BASICSR,
        repository=_BASICSR_REPOSITORY,
        conventions=("basicsr_y",),
        warning="BasicSR takes the luma in float32, which moves PSNR by up to 1e-5 dB.",
    ),
    Protocol(
        name="spanet-rgb",
        version=1,
        title="RGB of the unrounded prediction, 7x7 window with L = 2: SPANet's tables",
        prediction="clip",
        colour="rgb",
        window="uniform",
        ssim_range=510.0,
        source="SPANet 82d28899 (main.py, scikit-image 0.15 on float pictures)",
        repository="https://github.com/stevewongv/SPANet",
        conventions=("spanet_skimage015", "spanet_skimage_now"),
        warning="scikit-image took L = 2 for float pictures: the constants are four times too"
        " large, which inflates SSIM. Do not compare with any other SSIM.",
    ),
    Protocol(
        name="nasnet-rgb",
        version=1,
        title="RGB of the unrounded prediction, 7x7 window with the right L",
        prediction="clip",
        colour="rgb",
        window="uniform",
        source=f"{_NASNET}, HEAD 3c33f040",
        repository=_NASNET_REPOSITORY,
        conventions=("nasnet_skimage_rgb",),
        warning="Which of nasnet-rgb and nasnet-torch-rgb made the paper's tables is unknown.",
    ),
    Protocol(
        name="nasnet-torch-rgb",
        version=1,
        title="RGB of the unrounded prediction, zero-padded Gaussian window",
        prediction="clip",
        colour="rgb",
        window="gaussian-padded",
        identical=100.0,
        source=f"{_NASNET}, first commit 29f8221",
        repository=_NASNET_REPOSITORY,
        conventions=("nasnet_torch_rgb",),
        warning="Identical pictures count as 100 dB in a mean. Which of nasnet-rgb and"
        " nasnet-torch-rgb made the paper's tables is unknown.",
    ),
    Protocol(
        name="rescan-rgb",
        version=1,
        title="SSIM only: RGB of the raw prediction, zero-padded Gaussian window",
        prediction="none",
        colour="rgb",
        window="gaussian-padded",
        has_psnr=False,
        source="RESCAN e28d1d7c (eval.py); the SSIM loss of SPANet and PReNet",
        repository="https://github.com/XiaLiPKU/RESCAN",
        conventions=("rescan_cal_ssim", "spanet_cal_ssim", "prenet_train_ssim"),
        warning="RESCAN's evaluation prints a mean MSE and no PSNR, so there is none here.",
    ),
    Protocol(
        name="raindrop-y",
        version=1,
        title="OpenCV's 8-bit luma, sides cut to multiples of 4, 7x7 window",
        prediction="wrap",
        colour="ycv",
        window="uniform",
        multiple_of=4,
        source="DeRaindrop a52440de",
        repository="https://github.com/rui1996/DeRaindrop",
        conventions=("deraindrop_cv2y",),
        warning="Predictions are cast to 8 bits without a clamp: 1.01 becomes black. A network that"
        " overshoots loses many dB here and nowhere else.",
    ),
    Protocol(
        name="ecnet-y",
        version=1,
        title="MATLAB luma of pictures floored by a float32 round trip, zero-padded window",
        prediction="ecnet",
        colour="y601",
        window="gaussian-padded",
        identical=100.0,
        source="ECNet e08691e7, by RRANet's authors",
        repository="https://github.com/Yizhou-Li-CV/ECNet",
        conventions=("ecnet_y_padded",),
        warning="63 of the 256 levels are lowered by one in both pictures. Identical pictures count"
        " as 100 dB in a mean.",
    ),
    Protocol(
        name="basicsr-pt-rgb",
        version=1,
        title="The rgb protocol with 1e-8 added to the MSE",
        prediction="round",
        colour="rgb",
        window="gaussian",
        mse_added=1e-8,
        identical=80.0,
        source=f"{_BASICSR}, the torch functions",
        repository=_BASICSR_REPOSITORY,
        conventions=("basicsr_pt_rgb",),
        warning=_EPSILON_WARNING,
    ),
    Protocol(
        name="basicsr-pt-y",
        version=1,
        title="The basicsr-y protocol with 1e-8 added to the MSE",
        prediction="round",
        colour="y601",
        window="gaussian",
        mse_added=1e-8,
        identical=80.0,
        source=f"{_BASICSR}, the torch functions",
        repository=_BASICSR_REPOSITORY,
        conventions=("basicsr_pt_y",),
        warning=_EPSILON_WARNING,
    ),
    Protocol(
        name="pyiqa-rgb",
        version=1,
        title="RGB, Gaussian window, contrast clipped at 0: pyiqa's psnr and ssimc",
        prediction="round",
        colour="rgb",
        window="gaussian",
        mse_added=1e-8,
        clipped_contrast=True,
        identical=80.0,
        source=_PYIQA,
        repository=_PYIQA_REPOSITORY,
        conventions=("pyiqa_rgb",),
        warning=_EPSILON_WARNING,
    ),
    Protocol(
        name="pyiqa-yiq",
        version=1,
        title="Full-range luma, rounded for SSIM: pyiqa's psnry and ssim",
        prediction="round",
        colour="yiq",
        ssim_colour="yiq-float32",
        window="gaussian",
        mse_added=1e-8,
        clipped_contrast=True,
        identical=80.0,
        source=_PYIQA,
        repository=_PYIQA_REPOSITORY,
        conventions=("pyiqa_yiq",),
        warning=f"This luma spans 0..255, not 16..235. {_EPSILON_WARNING}",
    ),
    Protocol(
        name="pyiqa-ycbcr-down",
        version=1,
        title="MATLAB luma, rounded for SSIM, block means of large images: pyiqa's options",
        prediction="round",
        colour="y601",
        ssim_colour="y601-even",
        window="gaussian",
        shrinking="avg-pool",
        mse_added=1e-8,
        clipped_contrast=True,
        identical=80.0,
        source=f"{_PYIQA}, color_space='ycbcr' and downsample",
        repository=_PYIQA_REPOSITORY,
        conventions=("pyiqa_ycbcr_down",),
        warning="Not the down-sampling of prenet-y: it differs when the factor is 3 or more, and"
        f" chooses another factor for a shorter side of 640 pixels. {_EPSILON_WARNING}",
    ),
)

PROTOCOLS: Mapping[str, Protocol] = Protocols(_ALL)
"""Every protocol by name, in the order of lists and tables: the papers' usual ones first, those of
other installed packages last.

Example:
    >>> list(PROTOCOLS)[:3]
    ['prenet-y', 'mprnet-y8', 'sian-y']
"""


def get_protocol(name: str) -> Protocol:
    """Look a protocol up by its name, in any case, or by its title.

    Raises:
        RainbenchError: There is no such protocol; the message suggests the nearest name.

    Example:
        >>> get_protocol("prenet-y").shrinking
        'wang'
    """
    found = named(name, {each.name: (each.title,) for each in PROTOCOLS.values()})
    if len(found) == 1:
        return PROTOCOLS[found[0]]
    known = f"The protocols are {', '.join(PROTOCOLS)}."
    near = _nearest(name.strip().lower())
    raise RainbenchError(
        f"no such protocol: {name}", hint=f"did you mean {near}? {known}" if near else known
    )


def _nearest(name: str) -> str | None:
    for protocol in PROTOCOLS.values():
        if name in protocol.conventions:
            return protocol.name
    near = difflib.get_close_matches(name.replace("_", "-"), PROTOCOLS, n=1, cutoff=0.5)
    return near[0] if near else None
