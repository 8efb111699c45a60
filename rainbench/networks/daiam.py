"""DAiAM (Zhang et al., "Dual Attention-in-Attention Model for Joint Rain ...", IEEE TIP 2021).

A branch looks for one kind of rain: an encoder makes features F, a sigmoid makes of them the map
S+ of where that rain is heavy, and ``S- = 1 - S+`` is where it is light (Eqs. 1, 2). Two decoders
restore the image, one from ``F S+``, one from ``F S-`` (Eqs. 3, 4, 6, 7), and a global decoder
makes the result of both and of the rainy image (Eq. 8). With one branch that is DAM, with one for
streaks and one for drops DAiAM. D-DAM and D-DAiAM restore in several stages, joined by the
differential-driven module (Eq. 14). One class with arguments is all of them:

=============  ==============================================================================
Paper's name   Arguments of `DAiAM`
=============  ==============================================================================
DAM(zero)      ``branches=("joint",), attention="zero"``
DAM(odd)       ``branches=("joint",), attention="odd"``
DAM(dual)      ``branches=("joint",)``; this is DAM
D-DAM          ``branches=("joint",), stages=2``
DAiAM          none
DAiAM-DAiAM    ``stages=2, link="direct"``
D-DAiAM        ``stages=2``
D-DAiAM(3)     ``stages=3``
=============  ==============================================================================

**Maps.** KIND is a branch's name. With several stages each name gets the stage's number,
``attention_streak_1``, ``attention_streak_2``, and the last stage's maps stand under the plain
name too.

=========================  ==================================================================
``attention_KIND``         S+, ``(N, 1, H, W)`` in (0, 1): what Eq. 5 compares with the mask
``light_attention_KIND``   S-, of dual attention
``heavy_KIND``             the image of D_heavy, ``(N, 3, H, W)``, of odd and dual attention
``light_KIND``             the image of D_light, of dual attention
``first_KIND``             the image of the one decoder without attention
``second_KIND``            that of the other one, where there are two
``attention_sum_KIND``     S+ + S-, only where S- has a head of its own; 1 is wanted (Eq. 2)
``output_KIND``            the branch's own result, only with ``own_outputs``
``filter_output_T``        the soft map A of Eq. 14 between stage T and T + 1, ``(N, 1, H, W)``
``filter_input_T``         the soft map B
``fused_T``                the fused image I_f
=========================  ==================================================================

We know of no code of the authors. Where the paper is silent, contradicts itself or can be read in
several ways, there is an argument whose default is the reading we recommend. What has no argument:
the "skip connection" of the tables is taken for the identity of the residual blocks; the maps have
the image's size, as no pooling is mentioned; weights of the attention's and the branches' losses
are the recipe's, which the baseline cards hold. The parameter counts in this file are ours: the
paper states none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.daiam_parts import Activation, DifferentialModule, check_choice
from rainbench.networks.daiam_stage import (
    Attention,
    Design,
    GlobalSees,
    Kind,
    Light,
    Output,
    Stage,
)
from rainbench.networks.published import unchanged

Link = Literal["differential", "direct"]
Feed = Literal["both", "fused"]


class DAiAM(nn.Module):
    """Dual attention-in-attention model; with other arguments its ablations, see the module.

    1,984,145 parameters; 1,067,690 as DAM. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in
    [0, 1]. ``stages`` has the image of every stage, ``maps`` what the module lists.

    Args:
        branches: One branch for each of these kinds of rain: ``streak`` and ``drop``, or ``joint``.
        attention: How many attention maps a branch has: none, S+ alone, or S+ and S-.
        stages: How often the image is restored.
        link: What joins two stages: the differential-driven module, or nothing, so that the next
            stage sees the last image alone.
        width: Channels of the decoders; the encoder and the FilterNets have half of it.
        blocks: Residual blocks of D_heavy and D_light.
        encoder_steps: Steps of the encoder's recurrent layer, whose number the paper does not
            give.
        decoder_steps: How often a decoder's residual blocks are applied. The text calls the
            decoders recurrent, the tables show nothing that recurs: 1.
        activation: ``tables`` has leaky ReLUs in the residual blocks, ``text`` a ReLU after every
            convolution but the last one of each part.
        feature_maps: Whether S+ has a channel for each feature. The figures show one map, and
            Eq. 5 sums over positions alone: False.
        light: Whether S- is ``1 - S+`` or has a head of its own, which the loss then has to push
            to Eq. 2.
        output: Whether decoders predict the image, as Eqs. 6 and 7 read, or what is added to the
            image that the stage starts from.
        zero_decoders: Decoders of a branch without attention: 1, or 2 for DAM's capacity.
        own_outputs: Whether each branch makes a result with a global decoder of its own and the
            last decoder sees these, ``[I_streak, I_drop, I]``. By default it sees the images of
            all decoders, as the losses (Eqs. 12, 13) have no term for a branch's own result.
        global_sees: What the global decoder sees beside the image: the images of the other
            decoders, as the sentence before Eq. 8 has it, or the attended features F+ and F-, as
            Eq. 8 reads.
        feed: What a stage sees after the differential module: the fused image with the last
            result beside it ("fed ... with deraining images"), or the fused image alone.
        shared_stages: Whether all stages have the same weights. The text has a "similar
            architecture": False.
        swap: Which difference makes which soft map, see `DifferentialModule`; the text leaves it
            open.
        input_weight: w of Eq. 14.
        filter_kernel: Side of the FilterNets' kernels: 2 (Sec. 3.5) or 3 (Sec. 4.1).

    Raises:
        ValueError: An argument is not one of the above, or two of them contradict each other.

    Example:
        >>> restoration = DAiAM(width=8, blocks=1)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention_drop"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 1, 17, 23]))
    """

    def __init__(
        self,
        *,
        branches: Sequence[Kind] = ("streak", "drop"),
        attention: Attention = "dual",
        stages: int = 1,
        link: Link = "differential",
        width: int = 64,
        blocks: int = 5,
        encoder_steps: int = 4,
        decoder_steps: int = 1,
        activation: Activation = "tables",
        feature_maps: bool = False,
        light: Light = "complement",
        output: Output = "direct",
        zero_decoders: int = 1,
        own_outputs: bool = False,
        global_sees: GlobalSees = "images",
        feed: Feed = "both",
        shared_stages: bool = False,
        swap: bool = False,
        input_weight: float = 0.5,
        filter_kernel: int = 2,
    ) -> None:
        super().__init__()
        check_choice("link", link, Link)
        check_choice("feed", feed, Feed)
        for kind in branches:
            check_choice("a branch", kind, Kind)
        if not branches or len(set(branches)) < len(branches):
            raise ValueError(f"branches are one or more different kinds, not {list(branches)}")
        if stages < 1:
            raise ValueError(f"stages are at least 1, not {stages}")
        if filter_kernel not in (2, 3):
            raise ValueError(f"filter_kernel is 2 or 3, not {filter_kernel}")
        sees_both = link == "differential" and feed == "both"
        if shared_stages and stages > 1 and sees_both:
            raise ValueError(
                "stages that share weights see equally many images: "
                'feed = "fused" or link = "direct"'
            )
        design = Design(
            attention=attention,
            width=width,
            blocks=blocks,
            encoder_steps=encoder_steps,
            decoder_steps=decoder_steps,
            activation=activation,
            feature_maps=feature_maps,
            light=light,
            output=output,
            zero_decoders=zero_decoders,
            own_outputs=own_outputs,
            global_sees=global_sees,
        )
        self.number_of_stages = stages
        self.sees_both = sees_both
        self.stages = nn.ModuleList(
            Stage(list(branches), 6 if sees_both and number > 0 else 3, design)
            for number in range(1 if shared_stages else stages)
        )
        joints = min(len(self.stages), stages - 1) if link == "differential" else 0
        self.differential = nn.ModuleList(
            DifferentialModule(
                design.features, input_weight=input_weight, swap=swap, kernel=filter_kernel
            )
            for _ in range(joints)
        )

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        seen = image = before = rainy
        images: list[Tensor] = []
        maps: dict[str, Tensor] = {}
        for number in range(self.number_of_stages):
            before, (image, named) = image, self._of(self.stages, number)(seen, image)
            images.append(image)
            if self.number_of_stages > 1:
                maps |= {f"{name}_{number + 1}": value for name, value in named.items()}
            seen = image
            if self.differential and number + 1 < self.number_of_stages:
                fused = self._of(self.differential, number)(rainy, image, before)
                seen = torch.cat((fused.image, image), 1) if self.sees_both else fused.image
                maps[f"fused_{number + 1}"] = fused.image
                maps[f"filter_output_{number + 1}"] = fused.of_output
                maps[f"filter_input_{number + 1}"] = fused.of_input
        return Restoration(image, tuple(images), maps | named)

    def _of(self, modules: nn.ModuleList, number: int) -> nn.Module:
        """Return a stage's module; where stages share weights there is but one."""
        return modules[min(number, len(modules) - 1)]

    convert_published = staticmethod(unchanged)
