"""A paper's tables without PSNR and SSIM: numbers of parameters and pairs, layers of networks."""

from __future__ import annotations

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Registry
from rainbench.report.grid import Cell, Column, Grid
from rainbench.report.papers.layouts import TableLayout

NONE = "–"
"""What stands where there is no number."""

_SIDE = 16
"""Of the picture that a network is run on to see what its layers put out."""


def count_table(layout: TableLayout, registry: Registry) -> Grid:
    """Return a table of printed numbers beside those of our networks and data sets."""
    rows = []
    for count in layout.counts:
        ours = _counted(count.of, registry)
        here = Cell(f"{ours:,}", ours) if ours else Cell(NONE, note=f"there is no card {count.of}")
        if ours and ours != count.printed:
            here = Cell(here.text, ours, note=f"differs, see `rainbench show {count.of}`")
        rows.append((Cell(count.name), Cell(f"{count.printed:,}", count.printed), here))
    columns = (Column("", numeric=False), Column("published"), Column("here"))
    return Grid(title=layout.caption, columns=columns, rows=tuple(rows))


def _counted(name: str, registry: Registry) -> int:
    if name in registry.baselines:
        return registry.baselines[name].parameters
    return registry.datasets[name].count if name in registry.datasets else 0


def layer_table(layout: TableLayout, registry: Registry) -> Grid:
    """Return a table of the layers of a network, with those of ours beside them.

    Ours are what the network's modules are and put out when it runs, not what a text says.

    Raises:
        RainbenchError: There is no such network.
    """
    found = _layers(registry.baseline(layout.network), {layer.of for layer in layout.layers})
    rows = []
    for layer in layout.layers:
        kernel, output, parameters = found.get(layer.of, (0, 0, 0))
        same = (kernel, output) == (layer.kernel, layer.output)
        rows.append(
            (
                Cell(layer.name),
                Cell(f"{layer.kernel}x{layer.kernel}"),
                Cell(str(layer.output), layer.output),
                Cell(layer.operations or NONE),
                Cell(layer.skip or NONE),
                Cell(f"{kernel}x{kernel}" if kernel else NONE, note="" if same else "differs"),
                Cell(str(output) if output else NONE, output),
                Cell(f"{parameters:,}" if parameters else NONE, parameters),
            )
        )
    columns = (
        Column("layers", numeric=False),
        Column("kernel", "published"),
        Column("output", "published"),
        Column("operations", "published", numeric=False),
        Column("skip connection", "published", numeric=False),
        Column("kernel", "here"),
        Column("output", "here"),
        Column("parameters", "here"),
    )
    return Grid(title=layout.caption, columns=columns, rows=tuple(rows))


def _layers(card: BaselineCard, wanted: set[str]) -> dict[str, tuple[int, int, int]]:
    """Return kernel, channels put out and parameters of modules of a network, by their names."""
    import torch
    from torch import nn

    from rainbench.networks.construct import construct

    network = construct(card, card.arguments).eval()
    modules = {name: module for name, module in network.named_modules() if name in wanted}
    output: dict[str, int] = {}

    def watch(name: str, module: nn.Module) -> None:
        def see(_module: nn.Module, _inputs: object, put_out: object) -> None:
            tensor = getattr(put_out, "hidden", put_out)  # of a recurrent layer
            assert isinstance(tensor, torch.Tensor)
            output[name] = tensor.shape[1]

        module.register_forward_hook(see)

    for name, module in modules.items():
        watch(name, module)
    with torch.inference_mode():
        network(torch.zeros(1, 3, _SIDE, _SIDE))
    found = {}
    for name, module in modules.items():
        kernels = [each.kernel_size[0] for each in module.modules() if isinstance(each, nn.Conv2d)]
        parameters = sum(parameter.numel() for parameter in module.parameters())
        found[name] = (kernels[0] if kernels else 0, output.get(name, 0), parameters)
    return found
