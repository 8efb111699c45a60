"""Networks that other libraries fetch or know: huggingface-hub and spandrel, both optional."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor, nn

from rainbench.catalog.cards import Maker, WeightsCard
from rainbench.core.errors import RainbenchError, WeightsError, needed, told
from rainbench.foreign.adapt import Ways
from rainbench.foreign.one_file import OneFile

_ADDRESS = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>.+))?")
_NETWORKS = (".onnx", ".pt2", ".pt", ".pth", ".safetensors", ".ckpt")


class SpandrelFile(OneFile):
    """Makes the network of a checkpoint whose architecture spandrel knows by its keys."""

    def __init__(self, file: Path, ways: Ways) -> None:
        super().__init__(file, "spandrel", ways)

    def _load(self) -> _Described:
        spandrel = needed("spandrel", "spandrel", str(self._file))
        try:
            model = spandrel.ModelLoader(device="cpu").load_from_file(str(self._file))
        except Exception as error:
            raise WeightsError(
                f"{self._file}: spandrel cannot read it: {told(error)}",
                hint="If it is another architecture, name its class: "
                f"my_net.py:Net@{self._file.name}",
            ) from None
        scale, channels = model.scale, (model.input_channels, model.output_channels)
        if scale != 1 or channels != (3, 3):
            raise WeightsError(
                f"{self._file}: is a network of {channels[0]} to {channels[1]} channels that "
                f"enlarges {scale} times, not one that restores"
            )
        return _Described(model)

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it, the version of spandrel included."""
        from importlib import metadata

        try:
            version = metadata.version("spandrel")
        except metadata.PackageNotFoundError:
            version = ""
        return {**super().facts(), "spandrel": version}


class _Described(nn.Module):
    """A model of spandrel, which pads to the sizes that it needs."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.network = model.model
        self._model = model

    def forward(self, rainy: Tensor) -> Tensor:
        restored: Tensor = self._model(rainy)
        return restored


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository.

    Attributes:
        file: Where it lies in the local cache.
        repository: ``owner/name``.
        revision: The commit.
        path: Of the file in the repository.
    """

    file: Path
    repository: str
    revision: str
    path: str


def fetch_from_hub(address: str) -> HubFile:
    """Return a file of a Hugging Face repository, taken from the local cache where it is there.

    Args:
        address: ``owner/repo``, ``owner/repo@revision``, with ``/file`` behind where it holds
            several networks.

    Raises:
        RainbenchError: The library is not installed, there is no such repository or file, or there
            is no connection and no copy.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise RainbenchError(
            f"hf://{address}: is no address", hint="Give hf://owner/repo[@revision][/file]."
        )
    hub = needed("huggingface_hub", "hub", f"hf://{address}")
    repository, revision, path = parts["repo"], parts["revision"], parts["file"]
    try:
        try:
            info = hub.HfApi().model_info(repository, revision=revision)
            commit, names = info.sha, [each.rfilename for each in info.siblings or []]
        except Exception as error:
            folder = Path(
                hub.snapshot_download(repository, revision=revision, local_files_only=True)
            )
            commit = folder.name
            names = [
                each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()
            ]
            if path and path not in names:
                raise error
        path = path or _only_network(address, names)
        file = Path(hub.hf_hub_download(repository, path, revision=commit))
    except RainbenchError:
        raise
    except Exception as error:
        raise RainbenchError(
            f"hf://{address}: cannot be fetched: {told(error)}",
            hint="Without a connection only what was fetched before can be had; a private "
            "repository needs `hf auth login`.",
        ) from None
    return HubFile(file, repository, str(commit), path)


def _only_network(address: str, names: Sequence[str]) -> str:
    found = [name for name in names if PurePosixPath(name).suffix.lower() in _NETWORKS]
    if len(found) != 1:
        shown = ", ".join(found[:6]) or "none"
        raise RainbenchError(
            f"hf://{address}: holds {len(found) or 'no'} files that can be a network: {shown}",
            hint=f"Name one: hf://{address}/{found[0] if found else 'FILE'}",
        )
    return found[0]


class FromHub:
    """A maker of a file that was fetched, with where it came from.

    Args:
        maker: Of the file.
        found: The file.
    """

    untrained = False

    def __init__(self, maker: Maker, found: HubFile) -> None:
        self._maker, self._found = maker, found

    def make(self, weights: WeightsCard | None, file: Path | None) -> nn.Module:
        """Return the network."""
        return self._maker.make(weights, file)

    def code(self) -> str:
        """Return a hash of the file."""
        return self._maker.code()

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it, the commit included."""
        found = self._found
        return {
            **self._maker.facts(),
            "title": f"{found.repository}/{found.path}",
            "repository": found.repository,
            "revision": found.revision,
        }
