"""Damaged weights in the files of other frameworks."""

import io
from pathlib import Path

import numpy as np
from files import Kind, inflated
from mutate import mutate_bytes

RNG = np.random.default_rng(4)
ARRAYS = {
    "conv_1/kernel": RNG.standard_normal((3, 3, 2, 4)).astype(np.float32),
    "conv_1/bias": RNG.standard_normal(4).astype(np.float32),
    "conv_2/gain": RNG.standard_normal((4, 1)),
    "conv_2/kernel/Adam": RNG.standard_normal((3, 3)).astype(np.float32),
}


class FrameworkKind(Kind):
    """Tensors by name; those of a damaged file stand in it byte by byte, or it is refused."""

    def __init__(self, name):
        self.name = name

    def __call__(self, folder):
        super().__init__(Path(folder))
        return self

    def read_file(self):
        from rainbench.catalog.weights import read_state_dict

        return {name: value.numpy() for name, value in read_state_dict(self.file).items()}

    def same(self, found, whole):
        return found.keys() == whole.keys() and all(
            np.array_equal(found[name], array, equal_nan=True) for name, array in whole.items()
        )

    def confirms(self, data, found):
        parts = [data, *inflated(data)] if self.name.endswith(".mat") else [data]
        return all(
            any(array.tobytes(order=order) in part for part in parts for order in "CF")
            for array in found.values()
        )


class CaffeKind(FrameworkKind):
    def make_seeds(self):
        from other_frameworks import write_caffe

        layers = {"Convolution1": [*ARRAYS.values()][:2], "norm": [ARRAYS["conv_2/gain"]]}
        return [
            write_caffe(self.file, layers, **options).read_bytes()
            for options in ({}, {"old": True}, {"packed": False})
        ]


class MatWeightsKind(FrameworkKind):
    def make_seeds(self):
        import scipy.io

        cells = np.empty((1, 2), object)
        cells[0, 0], cells[0, 1] = [*ARRAYS.values()][:2]
        seeds = []
        for compressed in (False, True):
            file = io.BytesIO()
            content = {"model": {"weight": cells, "gain": ARRAYS["conv_2/gain"]}}
            scipy.io.savemat(file, content, do_compression=compressed)
            seeds.append(file.getvalue())
        return seeds


class TensorFlowKind(FrameworkKind):
    """Either of the two files is damaged."""

    def make_seeds(self):
        from other_frameworks import write_tensorflow

        write_tensorflow(self.folder, ARRAYS, blocks=2)
        self.halves = [self.folder / "model.index", self.file]
        self.damaged = 0
        return [file.read_bytes() for file in self.halves]

    def mutate(self, rng):
        self.damaged = rng.randrange(2)
        return mutate_bytes(self.seeds[self.damaged], rng, self.seeds)

    def read(self, data):
        damaged = self.seeds.index(data) if data in self.seeds else self.damaged
        for number, file in enumerate(self.halves):
            file.write_bytes(data if number == damaged else self.seeds[number])
        return self.read_file()

    def confirms(self, data, found):
        return False  # every number has a checksum
