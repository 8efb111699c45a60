"""An ONNX model as a network, by onnxruntime (the extra ``onnx``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rainbench.core.errors import RainbenchError, WeightsError, needed, told
from rainbench.foreign.adapt import Ways
from rainbench.foreign.one_file import OneFile
from rainbench.foreign.tiles import in_tiles
from rainbench.run.predict import PredictionError

_KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""Types of input that images can be given as."""


class OnnxFile(OneFile):
    """Makes the network that is in an ONNX file."""

    def __init__(self, file: Path, ways: Ways) -> None:
        super().__init__(file, "onnx", ways)

    def _load(self) -> _Session:
        white = 255 if self._ways.value_range == "0..255" else 1
        session = _Session(self._file, white)
        if session.is_bytes and self._ways.value_range == "-1..1":
            raise RainbenchError(f"{self._file}: takes uint8, which no -1..1 can be")
        return session

    def _files(self) -> list[Path]:
        # Weights of large models lie beside it, in files that bear its name.
        beside = sorted(
            file
            for file in self._file.parent.iterdir()
            if file.name.startswith((f"{self._file.name}.", f"{self._file.name}_", self._file.stem))
            and file.suffix in (".data", ".bin", ".onnx_data", ".weights")
        )
        return [self._file, *beside]

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it."""
        return {"title": self._file.name, "kind": "onnx", "parameters": 0, **self._ways.facts()}


class _Session(nn.Module):
    """A model that is given images with ``white`` for white."""

    def __init__(self, file: Path, white: int) -> None:
        super().__init__()
        self._levels = 255 / white
        runtime = needed("onnxruntime", "onnx", str(file))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        providers = [
            name
            for name in ("CUDAExecutionProvider", "CPUExecutionProvider")
            if name in runtime.get_available_providers()
        ]
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=providers)
        except Exception as error:
            raise WeightsError(f"{file}: cannot be read as an ONNX model: {told(error)}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs) or "none"
            raise WeightsError(f"{file}: has {len(inputs)} inputs, not one image: {names}")
        self._input, shape = inputs[0].name, list(inputs[0].shape)
        self._outputs = [each.name for each in self._session.get_outputs()]
        if inputs[0].type not in _KINDS:
            raise WeightsError(f"{file}: its input is a {inputs[0].type}, not an image")
        self._kind = _KINDS[inputs[0].type]
        self._last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
        sizes = shape[1:3] if self._last else shape[2:]
        if len(shape) != 4 or (not self._last and isinstance(shape[1], int) and shape[1] != 3):
            size = "x".join(map(str, shape))
            raise WeightsError(f"{file}: its input is {size}, not a batch of RGB images")
        self._fixed = [size if isinstance(size, int) else None for size in sizes]

    @property
    def is_bytes(self) -> bool:
        return self._kind == np.uint8

    def forward(self, rainy: Tensor) -> dict[str, Tensor]:
        height, width = rainy.shape[-2:]
        size = (self._fixed[0] or height, self._fixed[1] or width)
        images = [image[None] for image in rainy.detach()]
        if size == (height, width):
            results = [self._named(image) for image in images]
        else:
            results = [in_tiles(image, size, 255 / self._levels, self._named) for image in images]
        return {
            name: torch.cat([each[name] for each in results]).to(rainy.device)
            for name in results[0]
        }

    def _named(self, rainy: Tensor) -> dict[str, Tensor]:
        return dict(zip(self._outputs, self._one(rainy), strict=True))

    def _one(self, rainy: Tensor) -> list[Tensor]:
        image = rainy.float().cpu().contiguous().numpy()
        if self.is_bytes:
            if not np.isfinite(image).all():  # as probes for what a pixel depends on are
                raise PredictionError("takes whole numbers only")
            image = np.rint(image * self._levels).clip(0, 255)
        image = image.astype(self._kind)
        if self._last:
            image = np.ascontiguousarray(image.transpose(0, 2, 3, 1))
        results = []
        for value in self._session.run(self._outputs, {self._input: image}):
            array = np.asarray(value)
            if self._last and array.ndim == 4:
                array = array.transpose(0, 3, 1, 2)
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            results.append(tensor.float() / self._levels if array.dtype == np.uint8 else tensor)
        return results
