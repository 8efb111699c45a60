r"""Tables for a paper: LaTeX with booktabs, the best number bold, the second underlined.

The text needs ``\usepackage{booktabs,graphicx}``; a table that is wider than the page is shrunk.
Every name is escaped: none can end the table, load a file or run a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from rainbench.core.escape import printable
from rainbench.report.grid import Cell, Column, Grid

WIDE = 8
"""Columns beyond which a table is set smaller, over both columns of a page that has two."""

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}",
    "-": "-", "–": "--", "—": "---", "‘": "`", "’": "'", "×": r"$\times$", "±": r"$\pm$",
    "·": r"$\cdot$", "✓": r"$\surd$", "≥": r"$\ge$", "≤": r"$\le$", "…": r"\ldots{}",
    "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}", "'": "'",
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?\d[\d.,]*")
_MARKS = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}


def grid_latex(grid: Grid) -> str:
    r"""Return a table as a LaTeX float that compiles by itself between two paragraphs.

    Example:
        >>> grid = Grid("A & B", (Column("entry", numeric=False), Column("PSNR")),
        ...             ((Cell("x_y"), Cell("37.48", 37.48, "best")),))
        >>> print(grid_latex(grid))
        % needs \usepackage{booktabs,graphicx}
        \begin{table}[t]
        \centering
        \caption{A \& B}\smallskip
        \setbox0\hbox{%
        \begin{tabular}{@{}lr@{}}
        \toprule
        entry & PSNR \\
        \midrule
        x\_y & \textbf{37.48} \\
        \bottomrule
        \end{tabular}}%
        \ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\leavevmode\box0\fi
        \end{table}
        <BLANKLINE>
    """
    kinds = "".join("r" if column.numeric else "l" for column in grid.columns)
    notes = grid.notes
    wide = len(grid.columns) > WIDE
    float_name = "table*" if wide else "table"
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        rf"\begin{{{float_name}}}[t]",
        r"\centering" + (r"\small\setlength{\tabcolsep}{4pt}" if wide else ""),
        rf"\caption{{{escape_latex(grid.title)}}}\smallskip",
        r"\setbox0\hbox{%",
        rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
        r"\toprule",
        *_group_heads(grid.columns),
        " & ".join(escape_latex(column.title) for column in grid.columns) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(cell, notes) for cell in row) + r" \\" for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}}%",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\leavevmode\box0\fi",
    ]
    below = [escape_latex(remark) for remark in grid.remarks]
    below += [
        rf"\textsuperscript{{{index}}}\,{escape_latex(note)}" for index, note in enumerate(notes, 1)
    ]
    if below:
        text = "\\\\\n".join(below)
        lines += [r"\par\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize {text}}}"]
    return "\n".join([*lines, rf"\end{{{float_name}}}", ""])


def escape_latex(text: str) -> str:
    r"""Return a text that LaTeX prints as it stands.

    Letters beyond the Latin ones are replaced by their code, since pdfTeX's fonts lack them.

    Example:
        >>> print(escape_latex(r"50% of \input{x}_1"))
        50\% of \textbackslash{}input\{x\}\_1
        >>> escape_latex("雨")
        '(U+96E8)'
    """
    return "".join(_ESCAPES.get(character) or _letter(character) for character in printable(text))


def _letter(character: str) -> str:
    if character.isascii():
        return character
    if "LATIN" in unicodedata.name(character, "") and ord(character) < 0x180:
        return character
    return f"(U+{ord(character):04X})"


def _cell(cell: Cell, notes: tuple[str, ...]) -> str:
    text = escape_latex(cell.text)
    if _NUMBER.fullmatch(cell.text) and cell.text[0] in "+-":
        text = f"${cell.text}$"  # a minus sign, not a hyphen
    text = _MARKS[cell.mark].format(text)
    if cell.note:
        text += rf"\textsuperscript{{{notes.index(cell.note) + 1}}}"
    return text


def _group_heads(columns: tuple[Column, ...]) -> Iterator[str]:
    """Yield the line above the heads, and the rules between, where columns are grouped."""
    if not any(column.group for column in columns):
        return
    heads, rules, start = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        if group:
            heads.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        else:
            heads += [""] * width
        start += width
    yield " & ".join(heads) + r" \\"
    yield "".join(rules)
