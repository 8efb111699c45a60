"""Weights written as other frameworks write them, from arrays by name."""

import struct

import numpy as np

from rainbench.catalog.published_files.crc32c import crc32c, masked

HEADER = bytes([8, 1, 26, 2, 8, 1])
"""What an index says of itself: one part, the usual order of bytes, version 1."""

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    """A whole number, or bytes: a text, a message or packed numbers."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def caffe_blob(array, old=False, packed=True):
    """An array of a layer; ``old`` spells its shape as four sides."""
    array = np.asarray(array)
    if old:
        sides = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(number, side) for number, side in enumerate(sides, start=1))
    elif packed:
        shape = field(7, field(1, b"".join(varint(side) for side in array.shape)))
    else:
        shape = field(7, b"".join(field(1, side) for side in array.shape))
    return shape + field(8 if array.dtype == np.float64 else 5, array.tobytes())


def write_caffe(file, layers, old=False, **options):
    """Write the arrays of layers, lists by name."""
    of_name, of_blobs, of_layer = (4, 6, 2) if old else (1, 7, 100)
    message = field(1, b"toy")
    for name, arrays in layers.items():
        layer = field(of_name, name.encode())
        for array in arrays:
            layer += field(of_blobs, caffe_blob(array, old, **options))
        message += field(of_layer, layer)
    file.write_bytes(message)
    return file


def block(entries, every=16):
    """A block of a sorted table, with its checksum; keys share what the one before begins with."""
    out, restarts, last = bytearray(), [], b""
    for count, (key, value) in enumerate(entries):
        shared = 0
        if count % every == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    out += b"".join(struct.pack("<I", place) for place in restarts or [0])
    out += struct.pack("<I", len(restarts or [0]))
    return bytes(out) + b"\0" + struct.pack("<I", masked(crc32c(bytes(out) + b"\0")))


def tensorflow_entry(array, place=0, **changes):
    """What an index says of a tensor; ``changes`` make it say something else."""
    shape = b"".join(field(2, field(1, side)) for side in array.shape)
    said = {
        "kind": TYPES.get(str(array.dtype), 7),
        "shape": shape,
        "shard": 0,
        "offset": place,
        "size": array.nbytes,
        "checksum": masked(crc32c(array.tobytes())),
    } | changes
    message = field(1, said["kind"]) + field(2, said["shape"])
    if said["shard"]:
        message += field(3, said["shard"])
    if said["offset"]:
        message += field(4, said["offset"])
    message += field(5, said["size"]) + varint(6 << 3 | 5) + struct.pack("<I", said["checksum"])
    return message + said.get("more", b"")


def tensorflow_index(entries, header=HEADER, blocks=1):
    """An index of entries by name, spread over several blocks."""
    rows = [(b"", header), *sorted((name.encode(), entry) for name, entry in entries.items())]
    size = -(-len(rows) // blocks)
    out, handles = b"", []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        content = block(part)
        handles.append((part[-1][0], varint(len(out)) + varint(len(content) - 5)))
        out += content
    meta, table = block([]), block(handles, 1)
    ends = varint(len(out)) + varint(len(meta) - 5)
    ends += varint(len(out) + len(meta)) + varint(len(table) - 5)
    return out + meta + table + ends.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write_tensorflow(folder, arrays, name="model", **options):
    """Write a checkpoint and return the file of its values."""
    entries, values = {}, b""
    for key in sorted(arrays):
        array = np.asarray(arrays[key])
        entries[key] = tensorflow_entry(array, len(values))
        values += array.tobytes()
    data = folder / f"{name}.data-00000-of-00001"
    data.write_bytes(values)
    (folder / f"{name}.index").write_bytes(tensorflow_index(entries, **options))
    return data
