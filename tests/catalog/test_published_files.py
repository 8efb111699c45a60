"""Files of other frameworks: read as they are written, refused where anything is wrong."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from other_frameworks import (
    caffe_blob,
    field,
    tensorflow_entry,
    tensorflow_index,
    write_caffe,
    write_tensorflow,
)

from rainbench.catalog.published_files.crc32c import crc32c, masked
from rainbench.catalog.published_files.wire import DamagedError, fields, read_varint
from rainbench.catalog.weights import read_state_dict
from rainbench.core.errors import WeightsError

RNG = np.random.default_rng(3)
ARRAYS = {
    "net/conv_1/kernel": RNG.standard_normal((3, 3, 2, 5)).astype(np.float32),
    "net/conv_1/bias": RNG.standard_normal(5).astype(np.float32),
    "net/conv_10/bias": RNG.standard_normal(2),
    "net/scale": np.float32(0.5).reshape(()),
}
BESIDE = {
    "beta1_power": np.float32(0.5).reshape(()),
    "global_step": np.array(7, np.int64),
    "net/conv_1/kernel/Adam": np.ones((3, 3, 2, 5), np.float32),
    "net/conv_1/kernel/Adam_1": np.ones((3, 3, 2, 5), np.float32),
    "net/conv_1/bias/Momentum": np.ones(5, np.float32),
}


def test_the_checksum_is_castagnolis():
    """Of RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert masked(0xE3069283) == 0xC78AB0E5


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_tensorflow_checkpoint_is_read_without_what_the_optimiser_keeps(tmp_path, blocks):
    data = write_tensorflow(tmp_path, ARRAYS | BESIDE, blocks=blocks)
    for file in (data, tmp_path / "model.index"):
        found = read_state_dict(file)
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert found[name].shape == array.shape
            assert np.array_equal(found[name].numpy(), array)


def test_both_halves_are_what_the_card_says(tmp_path):
    """An index with two names exchanged is whole, and gives another network."""
    pair = {"a": ARRAYS["net/scale"] + 1, "b": ARRAYS["net/scale"]}
    data = write_tensorflow(tmp_path, pair)
    right = hashlib.sha256((tmp_path / "model.index").read_bytes()).hexdigest()
    assert float(read_state_dict_of(data, right)["a"]) == 1.5
    other = tmp_path / "other"
    other.mkdir()
    swapped = write_tensorflow(other, pair)
    names = {"b": tensorflow_entry(pair["a"], 0), "a": tensorflow_entry(pair["b"], 4)}
    (other / "model.index").write_bytes(tensorflow_index(names))
    assert float(read_state_dict(swapped)["a"]) == 0.5
    with pytest.raises(WeightsError, match=r"other/model\.index: is not the file its card"):
        read_state_dict_of(swapped, right)


def read_state_dict_of(data, index_sha256):
    from rainbench.catalog.weights import read_state_dicts

    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    return read_state_dicts(data, digest, index_sha256)[""]


def test_half_a_checkpoint_is_called_so(tmp_path):
    data = write_tensorflow(tmp_path, ARRAYS)
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    shutil.copy(data, lonely)
    with pytest.raises(WeightsError, match=r"half of a TensorFlow checkpoint, and model\.index is"):
        read_state_dict(lonely / data.name)


BAD_ENTRIES = {
    "reaches beyond the file": {"offset": 1 << 62},
    "another size than its shape": {"size": 8},
    "a size without end": {"size": 1 << 63, "shape": field(2, field(1, 1 << 61))},
    "a side without end": {"shape": field(2, field(1, 1 << 45))},
    "nine hundred sides": {"shape": field(2, field(1, 1)) * 900},
    "a shape that is not known": {"shape": field(3, 1)},
    "another part": {"shard": 3},
    "a wrong checksum": {"checksum": 5},
    "slices": {"more": field(7, b"")},
}


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_what_an_index_says_of_a_tensor_is_not_believed(tmp_path, case):
    data = write_tensorflow(tmp_path, {"a": ARRAYS["net/scale"]})
    entry = tensorflow_entry(ARRAYS["net/scale"], **BAD_ENTRIES[case])
    (tmp_path / "model.index").write_bytes(tensorflow_index({"a": entry}))
    with pytest.raises(WeightsError, match="cannot be read as weights") as told:
        read_state_dict(data)
    assert told.value.hint and "Error:" not in told.value.message


BAD_INDICES = {
    "empty": b"",
    "no magic": bytes(80),
    "two parts": tensorflow_index({}, header=field(1, 2)),
    "big endian": tensorflow_index({}, header=field(1, 1) + field(2, 1)),
    "no header": tensorflow_index({}, header=b""),
    "zeros before the footer": bytes(40) + tensorflow_index({})[-8:],
    "a footer that leads away": b"\xff" * 40 + tensorflow_index({})[-8:],
}


@pytest.mark.parametrize("case", BAD_INDICES)
def test_what_is_no_index_is_refused(tmp_path, case):
    data = write_tensorflow(tmp_path, {"a": ARRAYS["net/scale"]})
    (tmp_path / "model.index").write_bytes(BAD_INDICES[case])
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_state_dict(data)


def test_damage_is_found_by_the_checksums(tmp_path):
    data = write_tensorflow(tmp_path, ARRAYS)
    for file in (data, tmp_path / "model.index"):
        whole = file.read_bytes()
        used = len(whole) if file == data else len(whole) - 120
        for place in range(0, used, 7):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            with pytest.raises(WeightsError, match=r"cannot be read as weights"):
                read_state_dict(data, "")
        file.write_bytes(whole)


def test_a_part_of_a_checkpoint_in_parts_is_refused(tmp_path):
    data = write_tensorflow(tmp_path, ARRAYS)
    part = data.rename(tmp_path / "model.data-00001-of-00004")
    with pytest.raises(WeightsError, match="one of several parts"):
        read_state_dict(part)


def test_the_first_byte_of_the_values_means_nothing(tmp_path):
    """Numbers may begin like a page, an archive or a picture."""
    for start in (b"<abc", b"PK\x03\x04", b"\x89PNG", b"GGUF"):
        array = np.frombuffer(start, np.float32)
        data = write_tensorflow(tmp_path, {"a": array}, name=f"n{start[0]}")
        assert read_state_dict(data)["a"].numpy().tobytes() == start
    data.write_bytes(b"<!DOCTYPE html><html>not found")
    with pytest.raises(WeightsError, match="is an HTML page"):
        read_state_dict(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_refused(data):
    try:
        read = list(fields(memoryview(data)))
    except DamagedError:
        return
    assert all(0 < number < 1 << 29 for number, _, _ in read)


@given(st.integers(0, (1 << 64) - 1))
def test_every_number_of_64_bits_is_read(value):
    from other_frameworks import varint

    assert read_varint(memoryview(varint(value) + b"x"), 0) == (value, len(varint(value)))


@settings(max_examples=40)
@given(st.dictionaries(st.text(min_size=1, max_size=12), st.integers(0, 6), max_size=12))
def test_names_and_sizes_of_all_kinds(tmp_path_factory, named):
    folder = tmp_path_factory.mktemp("tf")
    arrays = {f"x{name}": np.arange(size, dtype=np.float32) for name, size in named.items()}
    arrays |= {"a": np.ones((1, 0, 2), np.float32), "b": np.ones(1, np.float32)}
    found = read_state_dict(write_tensorflow(folder, arrays, blocks=2))
    assert {name: value.tolist() for name, value in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert all(value.dtype == torch.float32 for value in found.values())


LAYERS = {
    "Convolution1": [
        RNG.standard_normal((4, 1, 3, 3)).astype(np.float32),
        RNG.standard_normal(4).astype(np.float32),
    ],
    "norm": [RNG.standard_normal((1, 4)), np.ones(1)],
    "relu": [],
}


@pytest.mark.parametrize("options", [{}, {"packed": False}, {"old": True}])
def test_a_caffemodel_is_read(tmp_path, options):
    found = read_state_dict(write_caffe(tmp_path / "a.caffemodel", LAYERS, **options))
    assert list(found) == ["Convolution1.0", "Convolution1.1", "norm.0", "norm.1"]
    for name, arrays in LAYERS.items():
        for place, array in enumerate(arrays):
            ours = found[f"{name}.{place}"].numpy()
            assert ours.dtype == array.dtype and np.array_equal(ours.reshape(array.shape), array)


def caffe(*layers):
    return field(1, b"toy") + b"".join(field(100, layer) for layer in layers)


ONE = caffe_blob(np.ones(3, np.float32))
BAD_CAFFE = {
    "no layer": field(1, b"toy"),
    "layers without numbers": caffe(field(1, b"relu")),
    "a name twice": caffe(field(1, b"a") + field(7, ONE), field(1, b"a") + field(7, ONE)),
    "a shape without numbers": caffe(field(7, field(7, field(1, 9)))),
    "sides without end": caffe(field(7, field(7, field(1, 1 << 62) * 2) + field(5, bytes(4)))),
    "numbers in both precisions": caffe(field(7, ONE + field(8, bytes(24)))),
    "a length beyond the file": b"\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a number without end": b"\xff" * 40,
    "a number for a layer": field(100, 3),
    "a name that is no text": caffe(field(1, b"\xff\xfe") + field(7, ONE)),
    "a number for a name": caffe(field(1, 3) + field(7, ONE)),
}


@pytest.mark.parametrize("case", BAD_CAFFE)
def test_what_is_no_caffemodel_is_refused(tmp_path, case):
    file = tmp_path / "a.caffemodel"
    file.write_bytes(BAD_CAFFE[case])
    with pytest.raises(WeightsError, match=r"a\.caffemodel: cannot be read as weights") as told:
        read_state_dict(file)
    assert told.value.hint and len(told.value.message) < 400


def test_arrays_of_a_matlab_file_are_found_at_their_places(tmp_path):
    import scipy.io

    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.ones((3, 3, 1, 4), np.float32), np.arange(4.0)[:, None]
    content = {"model": {"weight": cells, "name": "net", "scale": np.float32(2)}}
    scipy.io.savemat(tmp_path / "a.mat", content, do_compression=True)
    found = read_state_dict(tmp_path / "a.mat")
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "model.weight.1": (3, 3, 1, 4),
        "model.weight.2": (4, 1),
        "model.scale": (1, 1),
    }
    scipy.io.savemat(tmp_path / "b.mat", {"name": "net", "n": np.arange(3)})
    with pytest.raises(WeightsError, match="holds no array of floating point"):
        read_state_dict(tmp_path / "b.mat")


def test_files_of_any_size_are_not_read_into_memory(tmp_path):
    for name in ("a.caffemodel", "a.mat", "a.data-00000-of-00001"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
        (tmp_path / "a.index").write_bytes(tensorflow_index({}))
        with pytest.raises(WeightsError, match="is larger than 67,108,864 bytes"):
            read_state_dict_unhashed(tmp_path / name)


def read_state_dict_unhashed(file):
    from rainbench.catalog.checkpoints import load_checkpoint

    return load_checkpoint(file)


def test_matlab_files_that_are_no_weights(tmp_path):
    import scipy.io

    nested = np.empty((1, 1), object)
    nested[0, 0] = np.ones(2)
    for _ in range(20):
        outer = np.empty((1, 1), object)
        outer[0, 0] = nested
        nested = outer
    cases = {
        "complex numbers": {"a": np.array([1j])},
        "nested without end": {"a": nested},
        "version 5 to 7.2": None,
    }
    for message, content in cases.items():
        file = tmp_path / "a.mat"
        file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(200, b"\0"))
        if content is not None:
            scipy.io.savemat(file, content)
        with pytest.raises(WeightsError, match=message):
            read_state_dict_unhashed(file)


def test_what_unpacks_to_more_than_anybody_needs_is_refused(tmp_path):
    """A hundred kilobytes that unpack to a hundred megabytes."""
    import struct
    import zlib

    packed = zlib.compress(bytes(100 << 20), 9)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    file = tmp_path / "a.mat"
    file.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(WeightsError, match="too large when unpacked"):
        read_state_dict(file)
