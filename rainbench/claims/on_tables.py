"""The claims that arithmetic on the published tables decides, each a function of its name.

A function says what the sentence of ``reports/claims.csv`` means on the tables of its paper.
"""

from __future__ import annotations

from collections.abc import Iterable

from rainbench.claims.printed import (
    PSNR,
    Column,
    Part,
    Tables,
    Term,
    best,
    equal,
    order,
    second,
    stated,
)

Parts = Iterable[Part]

# --- DAiAM ---


def a1(tables: Tables) -> Parts:
    t7 = tables("T7", "jrsrd")
    return order(t7("DAM", "dual"), t7("DAM", "odd"), t7("DAM", "zero"))


def a2(tables: Tables) -> Parts:
    t7 = tables("T7", "jrsrd")
    return order(t7("DAiAM"), t7("DAM", "dual"))


def a3(tables: Tables) -> Parts:
    t7 = tables("T7", "jrsrd")
    differential = t7("D-DAiAM") - t7("DAiAM")
    cascaded = t7("DAiAM-DAiAM") - t7("DAiAM")
    yield from order(differential, cascaded, 0)
    yield from stated(differential, "0.59")
    yield from stated(cascaded, "0.17")


def a4(tables: Tables) -> Parts:
    t7 = tables("T7", "jrsrd")
    dam = [t7("DAM", attention) for attention in ("dual", "odd", "zero")]
    return order(t7("D-DAiAM", "3 stages"), t7("D-DAiAM"), t7("DAiAM-DAiAM"), t7("DAiAM"), *dam)


def a5(tables: Tables) -> Parts:
    t4 = tables("T4", "rain100h")
    dam = t4("DAM", "dual")
    yield from order(dam, t4.each("GMM", "DDN", "RGN", "JORDER", "RESCAN", "PReNet"))
    yield from stated(t4("D-DAM") - dam, "0.36")


def a6(tables: Tables) -> Parts:
    return best(tables("T5", "raindrop-a")("D-DAM"))


def a7(tables: Tables) -> Parts:
    t6 = tables("T6", "jrsrd")
    return order(t6("DAiAM"), t6.each("RESCAN", "PReNet", "Qian2018"))


# --- SPANet ---


def b1(tables: Tables) -> Parts:
    t1 = tables("T1", "spa-synthetic-videos-10")
    others = [t1(method, "best frame") for method in ("Jiang2017", "Wei2017", "MS-CSC")]
    return order(t1("SPA clean-frame", "single output"), others)


def b2(tables: Tables) -> Parts:
    t1 = tables("T1", "spa-synthetic-videos-10")
    for method in ("Jiang2017", "Wei2017", "MS-CSC"):
        yield from order(t1(method, "best frame"), t1(method, "average"))


def b3(tables: Tables) -> Parts:
    t2 = tables("T2", "spa")
    trained = {
        "DDN": ("retrained", "1.60"), "JORDER": ("retrained", "3.56"),
        "DID-MDN": ("fine-tuned", "4.05"), "RESCAN": ("retrained", "4.83"),
    }  # fmt: skip
    for method, (how, _) in trained.items():
        yield from order(t2(method, how), t2(method, "original weights"))
    for method, (how, gain) in trained.items():
        yield from stated(t2(method, how) - t2(method, "original weights"), gain)


def b4(tables: Tables) -> Parts:
    t2 = tables("T2", "spa")

    def original(*methods: str) -> list[Term]:
        return [t2(method, "original weights") for method in methods]

    yield from order(
        [*t2.each("GMM", "JCAS"), *original("DDN")],
        t2("Input"),
        [t2("DSC"), *original("Clear", "JORDER", "DID-MDN", "RESCAN")],
        metrics=PSNR,
    )
    yield from order(
        [*t2.each("GMM", "JCAS"), *original("DDN"), t2("DSC"), *original("JORDER", "RESCAN")],
        t2("Input"),
        original("Clear", "DID-MDN"),
        metrics=["ssim"],
    )


def b5(tables: Tables) -> Parts:
    t2 = tables("T2", "spa")
    yield from best(t2("SPANet"))
    yield from stated(t2("SPANet") - t2("JORDER", "retrained"), "2.34")


def b6(tables: Tables) -> Parts:
    return best(tables("T3", "rain1200")("SPANet"))


def b7(tables: Tables) -> Parts:
    t4 = tables("T4", "spa")
    return order([t4("SPANet", f"B_{letter}") for letter in "bcdef"], t4("SPANet", "B_a"))


def b8(tables: Tables) -> Parts:
    t4 = tables("T4", "spa")
    return order(t4("SPANet", "B_f"), [t4("SPANet", "B_c"), t4("SPANet", "B_b")])


def b9(tables: Tables) -> Parts:
    t4 = tables("T4", "spa")
    return order(t4("SPANet", "B_f"), [t4("SPANet", "B_d"), t4("SPANet", "B_e")])


# --- SIAN ---


def c1(tables: Tables) -> Parts:
    for dataset in ("rain100l", "rain100h"):
        t2 = tables("T2", dataset)
        others = [t2("SIAN", "loss=MAE"), t2("SIAN", "loss=MSE")]
        yield from order(t2("SIAN", "loss=Negative SSIM"), others)


def c2(tables: Tables) -> Parts:
    steps = [
        [tables("T5", dataset)("SIAN", f"Baseline{more}") for more in ("+SIAN+LSTM", "+LSTM", "")]
        for dataset in ("rain100l", "rain100h")
    ]
    for both, lstm, plain in steps:
        yield from order(both, lstm, plain)
    for both, lstm, plain in steps:
        yield from order(lstm - plain, both - lstm, metrics=PSNR)


def _sian(tables: Tables, paper: str = "") -> list[Term]:
    """Return SIAN's cells on the four sets of its main tables."""
    return [column("SIAN") for column in _main_tables_of_sian(tables, paper)]


def _main_tables_of_sian(tables: Tables, paper: str = "") -> list[Column]:
    where = [("T3", "rain100l"), ("T3", "rain100h"), ("T4", "rain1400"), ("T4", "rain12")]
    return [tables(table, dataset, paper) for table, dataset in where]


def c3(tables: Tables) -> Parts:
    for cell, gain in zip(_sian(tables), ("0.19", "0.22", "0.12", "0.55"), strict=True):
        yield from stated(cell - second(cell), gain)


def c4(tables: Tables) -> Parts:
    return best(*_sian(tables))


def c5(tables: Tables) -> Parts:
    t3 = tables("T3", "rain100l")
    return order(t3("JORDER-E") - t3("GMM"), 9, metrics=PSNR)


def c7(tables: Tables) -> Parts:
    for column in _main_tables_of_sian(tables):
        learned = column.each("Clear", "DDN", "RESCAN", "PReNet", "SPANet", "JORDER-E", "SIRR")
        yield from order(learned, column.each("DSC", "GMM", "JCAS"), metrics=PSNR)


# --- RRANet ---

_FIVE_SETS = ("rain100h", "rain200h", "rain100l", "rain200l", "rain800")


def d1(tables: Tables) -> Parts:
    yield from best(tables("T1", "rain100h")("RRANet"), metrics=PSNR)
    yield from best(tables("T1", "rain200l")("RRANet"), tables("T1", "rain800")("RRANet"))


def d2(tables: Tables) -> Parts:
    return best(*(tables("T1", dataset)("RRANet") for dataset in _FIVE_SETS))


def d3(tables: Tables) -> Parts:
    for dataset in _FIVE_SETS:
        t1 = tables("T1", dataset)
        others = t1.each("JORDER-E", "RESCAN", "PReNet", "BRN")
        yield from order(t1("RRANet"), others, metrics=PSNR)


def d4(tables: Tables) -> Parts:
    t2 = tables("T2", "spa")
    rcdnet = t2("RCDNet", "released weights")
    yield from order(t2("RRANet"), rcdnet, t2("SPANet", "released weights"))
    yield from stated(t2("RRANet") - rcdnet, "2.48")


# --- NASNet ---


def e1(tables: Tables) -> Parts:
    t8 = tables("T8", "rain100h")
    one, two, three, four = (t8("NASNet", f"stages={count}") for count in range(1, 5))
    yield from order(four, three, two, one)
    yield from order(two - one, three - two, four - three, metrics=PSNR)


def e2(tables: Tables) -> Parts:
    t7 = tables("T7", "spa")
    return order(t7("NASNet", "full"), t7("NASNet", "SENet"), t7("NASNet", "PlainNet"))


def e3(tables: Tables) -> Parts:
    t9 = tables("T9", "spa")
    return order(t9("NASNet", "full"), t9("NASNet", "DirectNet"))


def e4(tables: Tables) -> Parts:
    whole, plain = tables.parameters("nasnet"), tables.parameters("nasnet_plain")
    yield from stated(whole, "6508931")
    yield from stated(whole - plain, "264000")


def e6(tables: Tables) -> Parts:
    where = {
        "rain100h": "T1", "rain100l": "T2", "spa": "T3",
        "raincityscapes": "T4", "mpid-drop": "T5", "mpid-streak": "T5",
    }  # fmt: skip
    return best(*(tables(table, dataset)("NASNet") for dataset, table in where.items()))


def e7(tables: Tables) -> Parts:
    t3 = tables("T3", "spa")
    return stated(t3("NASNet") - t3("SPANet"), "5.44")


def e9(tables: Tables) -> Parts:
    return order(tables("T3", "spa")("NASNet"), tables("T9", "spa")("NASNet", "full"))


# --- across papers ---


def _rain100h(tables: Tables) -> dict[str, Column]:
    """Return each paper's main column on Rain100H."""
    where = {"DAiAM": "T4", "SIAN": "T3", "RRANet": "T1", "NASNet": "T1"}
    return {paper: tables(table, "rain100h", paper) for paper, table in where.items()}


def x1(tables: Tables) -> Parts:
    of = _rain100h(tables)
    jorder = of["DAiAM"]("JORDER") - of["NASNet"]("JORDER")
    ddn = of["RRANet"]("DDN") - of["DAiAM"]("DDN")
    return order([jorder, ddn], 4, metrics=PSNR)


def x2(tables: Tables) -> Parts:
    return order(1.32, [cell - second(cell) for cell in _sian(tables, "SIAN")], metrics=PSNR)


def x3(tables: Tables) -> Parts:
    quoting, quoted = tables("T3", "spa", "NASNet"), tables("T2", "spa", "SPANet")
    rows = {
        "JORDER": "retrained", "DDN": "retrained", "DID-MDN": "fine-tuned",
        "RESCAN": "retrained", "SPANet": "",
    }  # fmt: skip
    return equal(*((quoting(*row), quoted(*row)) for row in rows.items()))


def x4(tables: Tables) -> Parts:
    daiam, nasnet = tables("T5", "raindrop-a", "DAiAM"), tables("T5", "mpid-drop", "NASNet")
    methods = ("DID-MDN", "DDN", "JORDER", "Qian2018")
    return equal(*((daiam(method), nasnet(method)) for method in methods))


def x5(tables: Tables) -> Parts:
    of = _rain100h(tables)
    nasnet, sian, d_dam = of["NASNet"]("NASNet"), of["SIAN"]("SIAN"), of["DAiAM"]("D-DAM")
    yield from stated(nasnet - sian, "0.05")
    yield from stated(d_dam - sian, "0.02")
    yield from order(of["RRANet"]("RRANet"), nasnet, d_dam, sian, metrics=PSNR)


def x6(tables: Tables) -> Parts:
    of = _rain100h(tables)
    yield from stated(of["SIAN"]("PReNet") - of["DAiAM"]("PReNet"), "0.65")
    yield from stated(of["RRANet"]("PReNet") - of["DAiAM"]("PReNet"), "0.85")
