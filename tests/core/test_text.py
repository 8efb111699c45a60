"""Text: names in the order that people expect."""

from rainbench.core.text import natural_key


def test_digits_that_are_no_numbers_are_letters():
    """`str.isdigit` counts superscripts and circled digits, of which `int` knows nothing."""
    names = ["x10", "3²", "²", "x²", "10", "①", "2", "x2", "3"]
    assert sorted(names, key=natural_key) == ["2", "3", "3²", "10", "x2", "x10", "x²", "²", "①"]


def test_decimal_digits_of_other_scripts_are_numbers():
    assert sorted(["١٠", "٢"], key=natural_key) == ["٢", "١٠"]
