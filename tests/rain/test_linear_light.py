"""The sRGB tables: against the formula of the standard in floating point."""

import hashlib

import numpy as np

from rainbench.rain.linear_light import LINEAR_ONE, linear_table, srgb_table


def decode(code):
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def encode(light):
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def test_linear_light_is_the_standards():
    wanted = decode(np.arange(256) / 255) * LINEAR_ONE
    assert np.abs(linear_table() - wanted).max() <= 0.5 + 1e-9


def test_srgb_is_the_standards():
    wanted = encode(np.arange(LINEAR_ONE + 1) / LINEAR_ONE) * 255
    # half a level, and what rounding the borders to whole units of light adds in the shadows
    assert np.abs(srgb_table() - wanted).max() <= 0.5 + 0.5 * 255 * 12.92 / LINEAR_ONE + 1e-9


def test_there_and_back_is_the_identity():
    assert (srgb_table()[linear_table()] == np.arange(256)).all()
    assert (np.diff(srgb_table().astype(int)) >= 0).all()


def test_the_tables_are_the_same_everywhere():
    tables = linear_table().astype("<u2").tobytes() + srgb_table().tobytes()
    assert hashlib.sha256(tables).hexdigest() == GOLDEN


GOLDEN = "a41b54ed5781d6c5279f663421adb048c2b666c7a44f8fc0219132dacbb00784"
