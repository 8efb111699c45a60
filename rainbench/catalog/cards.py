"""Cards as frozen records: what the TOML file of a data set or of a baseline says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from rainbench.catalog.terms import LossTerm

if TYPE_CHECKING:
    from torch import nn

Degradation = Literal["streaks", "drops", "mist"]
Restores = Literal["images", "videos"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One packaging of a data set: which file is rainy, which is clean, what pairs them.

    A pattern is a path relative to the data set's folder, with fields in braces: ``{id}`` stands
    for any characters but a slash, ``{id:d}`` for a whole number however padded. Two files are a
    pair when the fields of the clean pattern have the same values in both; fields that only the
    rainy pattern has (the fourteen copies of Rain1400) tell rainy files of one clean file apart.
    Between two fields stands some text. Case and the form of Unicode do not matter.

    A data set may also hold gray pictures that belong to its rainy files (`LAYERS`), as the
    builders of synthetic rain write them. Their fields are those of the rainy file, or some of
    them; only training reads them, and a copy without them is complete.

    Attributes:
        name: What ``--layout`` calls it.
        rainy: Pattern of the rainy files.
        clean: Pattern of the clean files.
        combined: Pattern of files that hold both halves side by side, instead of the two above.
        order: Which half of a combined file comes first, from the left.
        list_file: A text file of the data set, in UTF-8, a line per pair: rainy path, then a blank,
            tab or comma, then clean path.
        streak_mask: Pattern of the masks of streaks: how much of a pixel is theirs, white being 1.
        drop_mask: Pattern of the masks of drops.
        streaks: Pattern of the streaks alone, on black.
        note: Where this packaging comes from.
    """

    name: str
    rainy: str = ""
    clean: str = ""
    combined: str = ""
    order: Literal["rainy-clean", "clean-rainy"] = "rainy-clean"
    list_file: str = ""
    streak_mask: str = ""
    drop_mask: str = ""
    streaks: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A recognised altered copy of a data set, told apart by its image sizes.

    Attributes:
        name: Named in every result that was made from such a copy.
        sizes: Width and height of each size that occurs in it.
        comparable: Whether published numbers of the original may stand beside its results.
        note: What was altered, and what that does to the numbers.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    comparable: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """One revision of one set of pairs.

    Attributes:
        name: What the command line calls it.
        title: What people call it.
        revision: Which of its releases this is.
        degradation: What falls, sticks or hangs in front of the scene.
        origin: Whether the rain is rendered or photographed.
        split: ``test`` or ``train``.
        count: Pairs in a complete copy; 0 when no source states it.
        protocol: The default metric protocol of this set.
        folders: Folder names under which copies lie, beside the card's own name.
        layouts: All packagings met so far.
        sizes: Width and height of each size in an unaltered copy; empty when they vary.
        variants: Recognised altered copies.
        aliases: Its names in papers.
        confusable: Cards of other revisions or splits that are often taken for this one.
        licence: The terms as its source states them.
        sources: Where it comes from, and how to get it, in order of preference.
        citation: Who made it.
        notes: Revisions, traps, overlaps.
        clips: Whether its pairs are the frames of clips: the field ``{frame:d}`` of a pattern
            numbers them, its other fields name the clip; or the files are videos. Means are those
            of the clips' means.
        embedded: Folder beside the card that holds the pairs, for sets that ship with the package.
    """

    name: str
    title: str
    revision: str
    degradation: tuple[Degradation, ...]
    origin: Literal["synthetic", "real"]
    split: Literal["test", "train"]
    count: int
    protocol: str
    layouts: tuple[Layout, ...]
    licence: str
    sources: tuple[str, ...]
    citation: str
    folders: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    variants: tuple[Variant, ...] = ()
    aliases: tuple[str, ...] = ()
    confusable: tuple[str, ...] = ()
    notes: str = ""
    clips: bool = False
    embedded: str = ""
    file: Path = Path()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FromPhotographs:
    """What is learnt from photographs without truth, see `rainbench.train.photographs`.

    Attributes:
        mixture: Weight of the loss by which what is taken away is rain.
        variation: Weight of the total variation of what is left, summed over an image.
        components: Gaussians that rain is drawn from.
    """

    mixture: float
    variation: float
    components: int = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, as its paper says; where the paper is silent, our choice.

    Attributes:
        losses: The terms of the objective, summed.
        patch: Side of the square patches in pixels.
        batch: Patches per step, over all devices.
        steps: Steps of the whole training.
        learning_rate: At the first step.
        optimiser: Which one, with PyTorch's defaults but for what stands here.
        betas: Its decay rates of the mean and of the square of the gradients.
        weight_decay: Its decay of the weights.
        schedule: How the learning rate falls: not at all, by `factor` at each of `drops`, or along
            half a cosine to `floor`.
        drops: Shares of the training at which it falls, for ``steps``.
        factor: What it is multiplied by at each drop.
        floor: The last learning rate of ``cosine``.
        warmup: Share of the training over which it rises from zero first.
        clip: Largest norm of the gradients; 0 leaves them alone.
        initial_std: Standard deviation of the convolutions' initial weights, with biases at zero;
            0 leaves them as the network's class makes them.
        flip: Whether patches are mirrored at random, left to right.
        rotate: Whether patches are turned at random by multiples of 90 degrees.
        scale: Least and largest factor by which patches are enlarged at random.
        stride: Take all patches of each image that lie so many pixels apart, each once before any
            is taken again; 0 takes each image once, anywhere.
        data: The cards of the data sets that the paper trains on.
        photographs: What is learnt from photographs of rain beside the pairs, a patch of each for
            every patch of a pair.
        chosen: Which of these keys the paper leaves open, so that the value is our choice.
        on: What differs on one of the data sets, by its card's name.
        notes: Anything else worth knowing.
    """

    losses: tuple[LossTerm, ...]
    patch: int
    batch: int
    steps: int
    learning_rate: float
    optimiser: Literal["adam", "adamw", "radam", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "steps", "cosine"] = "constant"
    drops: tuple[float, ...] = ()
    factor: float = 0.1
    floor: float = 0.0
    warmup: float = 0.0
    clip: float = 0.0
    initial_std: float = 0.0
    flip: bool = False
    rotate: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    stride: int = 0
    data: tuple[str, ...] = ()
    photographs: FromPhotographs | None = None
    chosen: tuple[str, ...] = ()
    on: Mapping[str, Mapping[str, int | float | bool]] = dataclasses.field(default_factory=dict)
    notes: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How weights of our own came about.

    Attributes:
        command: The command that makes them.
        data: What the patches were cut from, and how rain came onto them.
        seed: The seed of every random choice.
        steps: Steps done when these weights, the best ones, were validated.
        batch: Patches per step.
        patch: Side of the patches in pixels.
        hours: Hours of training.
        hardware: What it ran on.
        precision: Of the arithmetic.
        score: The final validation: on what, under which protocol, PSNR and SSIM, and those of
            the rainy input.
        version: Of rainbench.
        leak_check: Against which test sets the clean images were checked, and what was found.
    """

    command: str
    data: str
    seed: int
    steps: int
    batch: int
    patch: int
    hours: float
    hardware: str
    precision: str
    score: str
    version: str
    leak_check: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WeightsCard:
    """One file of weights of a baseline.

    Attributes:
        tag: The part of the entry's name behind the dot.
        sha256: Of the file, in hexadecimal; of a TensorFlow checkpoint, of the file of its values.
            Empty where only `git_sha1` is known.
        files: Names or relative paths under which copies of it lie.
        source: The public address it comes from.
        licence: The terms as the source states them.
        trained_on: The data sets it was trained on, by the name of the test card where one
            exists; the paper view shows these cells. Of images rained upon on the fly: their
            folder and the generator.
        degradation: What it was trained to remove, as on the cards of data sets, for weights of
            our own; the paper view shows the cells of these, too.
        arguments: What differs from the baseline's arguments.
        parameters: The exact number of parameters where the arguments change it; 0 where not.
        macs_per_pixel: Multiply-adds per input pixel, likewise.
        state_dict: Where its state dict lies in the file, such as ``params_ema``; needed where the
            file holds several that fit.
        index_sha256: Of the index of a TensorFlow checkpoint, which lies beside its values.
        converted_sha256: Of the same values as a ``.safetensors`` file under our names, for weights
            that are published in another framework's file; ``files`` names it, too.
        git_sha1: The name that git has for the file's content, as ``git ls-tree`` prints it for the
            repository of its source; for files whose SHA-256 is not known.
        training: How they came about, for weights of our own.
        notes: Anything else worth knowing: steps, losses, who trained it.
    """

    tag: str
    sha256: str = ""
    files: tuple[str, ...]
    source: str
    licence: str
    trained_on: tuple[str, ...]
    degradation: tuple[Degradation, ...] = ()
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    parameters: int = 0
    macs_per_pixel: int = 0
    state_dict: str = ""
    index_sha256: str = ""
    converted_sha256: str = ""
    git_sha1: str = ""
    training: TrainingRecord | None = None
    notes: str = ""

    @property
    def known(self) -> str:
        """The hash of the file as it is published, of whichever kind is known."""
        return self.sha256 or self.git_sha1

    def sha256_of(self, file: Path) -> str:
        """Return the SHA-256 that a copy has to have: as published, or the converted one's."""
        converted = file.suffix == ".safetensors" and self.converted_sha256
        return converted or self.sha256

    def hash_of(self, file: Path) -> str:
        """Return the hash that a copy has to have, of whichever kind is known."""
        return self.sha256_of(file) or self.git_sha1


class Maker(Protocol):
    """Makes the network of a baseline that has no card file, see `rainbench.foreign`."""

    @property
    def untrained(self) -> bool:
        """Whether its parameters are random unless weights are given."""

    def make(self, weights: WeightsCard | None, file: Path | None) -> nn.Module:
        """Return the network, ready to be called, as `rainbench.networks.base` describes it.

        Args:
            weights: What is known of its weights; None where they are its own affair.
            file: Where they lie.
        """

    def code(self) -> str:
        """Return a hash of all that its numbers depend on, the file of its weights apart."""

    def facts(self) -> Mapping[str, object]:
        """Return what a result says of it, plain values: ``title`` and ``parameters`` at least."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCard:
    """One network, or a plain method without weights.

    Attributes:
        name: The part of an entry's name before the dot.
        title: What its paper calls it.
        network: ``module:Class``; the class keeps the contract of `rainbench.networks.base`, or for
            a video that of `rainbench.video_methods.base`.
        parameters: The exact number of parameters, checked when the network is built.
        macs_per_pixel: Multiply-adds per input pixel, for time estimates and cost columns.
        arguments: Keyword arguments of the class.
        channel_order: The order in which its weights expect the channels.
        value_range: What white is in its input: 1 or 255.
        minimum_side: The shortest side it accepts, in pixels.
        size_multiple: Height and width are padded by reflection to a multiple of this.
        tileable: Whether a part of an image is restored as within the whole. Where it is not, as
            statistics of the image are used or tiles are the network's own affair, an image goes
            through alone, whole and not padded, whatever ``--tile`` and ``--batch`` say.
        reduced_precision: Whether it may run in less than fp32 (``--precision``): what is solved
            for each image to a tolerance may not.
        weights: Its files of weights; empty for a plain method.
        paper: Title, venue and year.
        source: Where the authors' code lies.
        licence: The licence of the authors' code, as stated there.
        restores: Images one at a time, or videos: all frames of a clip at once.
        seconds_per_megapixel: Seconds of one core for a million pixels of an image or frame, for
            methods whose time no count of multiply-adds tells; 0 where it is not stated. Who
            takes more than 30 for an image is run when it is named, and not with all.
        recreated: Whether it is a re-creation of ours of a method whose own program cannot be run.
            Its numbers stand beside published ones marked as such, and neither reproduce them nor
            fail to.
        printed_as: What tables of papers print its network as: a method, or ``method|variant`` for
            an ablation, each as in ``reports/papers``. Without it, a method of its title.
        own_paper: Whose number is preferred beside a measured one: the paper's name as it stands
            in ``reports/papers``.
        recipe: How it is trained; without one `rainbench train` refuses it.
        notes: How the code differs from the paper.
        file: Where the card was read.
        trusted: Whether the user said that any module that it names may be imported; the reader
            sets it, no card can.
        maker: Makes the network in the place of ``network``, for one without a card: no card has
            it.
    """

    name: str
    title: str
    network: str
    parameters: int
    macs_per_pixel: int
    paper: str
    source: str
    licence: str
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    value_range: Literal[1, 255] = 1
    minimum_side: int = 1
    size_multiple: int = 1
    tileable: bool = True
    reduced_precision: bool = True
    weights: tuple[WeightsCard, ...] = ()
    restores: Restores = "images"
    seconds_per_megapixel: float = 0.0
    recreated: bool = False
    printed_as: tuple[str, ...] = ()
    own_paper: str = ""
    recipe: Recipe | None = None
    notes: str = ""
    file: Path = Path()
    trusted: bool = False
    maker: Maker | None = None
