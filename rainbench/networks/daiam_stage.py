"""One stage of the DAiAM family: its branches and their global decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from rainbench.networks.blocks import conv3
from rainbench.networks.daiam_parts import Activation, Decoder, Encoder, check_choice

Attention = Literal["zero", "odd", "dual"]
Kind = Literal["streak", "drop", "joint"]
Light = Literal["complement", "head"]
Output = Literal["direct", "residual"]
GlobalSees = Literal["images", "features"]

_GLOBAL_BLOCKS = 2
"""Residual blocks of a global decoder (Table 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What all stages of a network have in common; `rainbench.networks.daiam.DAiAM` says more."""

    attention: Attention = "dual"
    width: int = 64
    blocks: int = 5
    encoder_steps: int = 4
    decoder_steps: int = 1
    activation: Activation = "tables"
    feature_maps: bool = False
    light: Light = "complement"
    output: Output = "direct"
    zero_decoders: int = 1
    own_outputs: bool = False
    global_sees: GlobalSees = "images"

    def __post_init__(self) -> None:
        check_choice("attention", self.attention, Attention)
        check_choice("activation", self.activation, Activation)
        check_choice("light", self.light, Light)
        check_choice("output", self.output, Output)
        check_choice("global_sees", self.global_sees, GlobalSees)
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width is even, as the encoder has half of it, not {self.width}")
        if min(self.encoder_steps, self.decoder_steps) < 1 or self.blocks < 0:
            raise ValueError("steps are at least 1, blocks at least 0")
        if self.zero_decoders not in (1, 2):
            raise ValueError(f"zero_decoders is 1 or 2, not {self.zero_decoders}")

    @property
    def features(self) -> int:
        """Channels of the encoder."""
        return self.width // 2

    @property
    def decoders(self) -> int:
        """Decoders of a branch."""
        return {"zero": self.zero_decoders, "odd": 1, "dual": 2}[self.attention]

    @property
    def heads(self) -> int:
        """Convolutions of a branch that make an attention map."""
        return {"zero": 0, "odd": 1, "dual": 2 if self.light == "head" else 1}[self.attention]

    @property
    def handed_on(self) -> int:
        """Channels that a branch hands to a global decoder."""
        return self.decoders * (3 if self.global_sees == "images" else self.features)

    def decoder(self, inputs: int) -> Decoder:
        """Return a D_heavy or D_light for this number of input channels (Table 2)."""
        return self._decoder(inputs, self.blocks)

    def global_decoder(self, inputs: int) -> Decoder:
        """Return a D_global for this number of input channels (Table 3)."""
        return self._decoder(inputs, _GLOBAL_BLOCKS)

    def _decoder(self, inputs: int, blocks: int) -> Decoder:
        return Decoder(
            inputs,
            self.width,
            blocks=blocks,
            steps=self.decoder_steps,
            activation=self.activation,
        )

    def restored(self, decoder: Decoder, seen: list[Tensor], start: Tensor) -> Tensor:
        """Return a decoder's image; ``start`` is the image that it may add to."""
        image: Tensor = decoder(torch.cat(seen, 1))
        return image if self.output == "direct" else start + image


class Branch(nn.Module):
    """The branch for one kind of rain: encoder, attention and their decoders (Fig. 2).

    Args:
        kind: The kind of rain, the end of its maps' names.
        inputs: Channels of the images that the stage sees.
        design: See `Design`.

    Example:
        >>> branch = Branch("drop", 3, Design(width=4, blocks=1))
        >>> images, maps = branch(torch.zeros(1, 3, 5, 7), torch.zeros(1, 3, 5, 7))
        >>> len(images), sorted(maps)
        (2, ['attention_drop', 'heavy_drop', 'light_attention_drop', 'light_drop'])
    """

    def __init__(self, kind: Kind, inputs: int, design: Design) -> None:
        super().__init__()
        self.kind = kind
        self.design = design
        features = design.features
        self.encoder = Encoder(
            inputs, features, steps=design.encoder_steps, activation=design.activation
        )
        channels = features if design.feature_maps else 1
        self.heads = nn.ModuleList(conv3(features, channels) for _ in range(design.heads))
        self.decoders = nn.ModuleList(
            design.decoder(features + inputs) for _ in range(design.decoders)
        )
        if design.own_outputs:
            self.global_decoder = design.global_decoder(design.handed_on + inputs)

    def forward(self, seen: Tensor, start: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Look for the branch's kind of rain and restore the image.

        Args:
            seen: The images that the stage sees, ``(N, inputs, H, W)``.
            start: The image that the stage starts from, ``(N, 3, H, W)``.

        Returns:
            What the stage's global decoder sees of it, and all maps.
        """
        features = self.encoder(seen)
        maps = self._attention(features)
        attentions = [maps[name] for name in ("attention", "light_attention") if name in maps]
        attended = [features * each for each in attentions] or [features] * len(self.decoders)
        images = [
            self.design.restored(decoder, [each, seen], start)  # type: ignore[arg-type]
            for decoder, each in zip(self.decoders, attended, strict=True)
        ]
        names = ("heavy", "light") if attentions else ("first", "second")
        maps |= dict(zip(names, images, strict=False))
        handed_on = images if self.design.global_sees == "images" else attended
        if self.design.own_outputs:
            own = self.design.restored(self.global_decoder, [*handed_on, seen], start)
            handed_on = [own]
            maps["output"] = own
        return handed_on, {f"{name}_{self.kind}": value for name, value in maps.items()}

    def _attention(self, features: Tensor) -> dict[str, Tensor]:
        """Return the attention maps (Eqs. 1, 2)."""
        scores = [torch.sigmoid(head(features)) for head in self.heads]
        maps = dict(zip(("attention", "light_attention"), scores, strict=False))
        if len(scores) == 2:
            return maps | {"attention_sum": scores[0] + scores[1]}
        if self.design.attention == "dual":
            maps["light_attention"] = 1 - maps["attention"]
        return maps


class Stage(nn.Module):
    """One restoration: the branches, and D_global on their images (Fig. 5, Eq. 8).

    Args:
        branches: The kind of rain of each branch.
        inputs: Channels of the images that it sees.
        design: See `Design`.

    Example:
        >>> stage = Stage(["streak", "drop"], 3, Design(width=4, blocks=1))
        >>> stage(torch.zeros(1, 3, 5, 7), torch.zeros(1, 3, 5, 7))[0].shape
        torch.Size([1, 3, 5, 7])
    """

    def __init__(self, branches: list[Kind], inputs: int, design: Design) -> None:
        super().__init__()
        self.design = design
        self.branches = nn.ModuleList(Branch(kind, inputs, design) for kind in branches)
        each = 3 if design.own_outputs else design.handed_on
        self.global_decoder = design.global_decoder(len(branches) * each + inputs)

    def forward(self, seen: Tensor, start: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Restore; the arguments are those of `Branch`. Returns the image and all maps."""
        handed_on: list[Tensor] = []
        maps: dict[str, Tensor] = {}
        for branch in self.branches:
            of_branch, named = branch(seen, start)
            handed_on += of_branch
            maps |= named
        return self.design.restored(self.global_decoder, [*handed_on, seen], start), maps
