"""Writing the page: one HTML file that holds its style, its code and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.core.escape import visible
from rainbench.core.files import write_atomically, writing

if TYPE_CHECKING:
    from jinja2 import Environment

FILE = "report.html"
_HERE = Path(__file__).parent
_SCRIPTS = ("elements.js", "tables.js", "plots.js", "gallery.js", "page.js")


def templates(folder: Path) -> Environment:
    """Return the templates of a folder, which escape what is put into them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_in_sight,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _in_sight(value: object) -> object:
    """Return what is shown of a value: a browser obeys turns of the direction of writing, too."""
    return visible(value, secrets=True) if type(value) is str else value


def render_page(content: Mapping[str, Any]) -> str:
    """Return the page as HTML; nothing in it comes from anywhere else but the pictures.

    Names are shown as text, whatever they contain: the template escapes, and the page's code
    makes text nodes only.

    Args:
        content: What `rainbench.report.page.content.page_content` returns, with the pictures of
            each data set under ``pictures`` and what went wrong with them under ``problems``.
    """
    return (
        templates(_HERE)
        .get_template("template.html")
        .render(
            content=content,
            style=_inline("style.css"),
            script="\n".join(_inline(name) for name in _SCRIPTS),
            data=embed_json(content),
        )
    )


def write_page(run: Path, content: Mapping[str, Any]) -> Path:
    """Write ``report.html`` into a run's folder and return its path.

    Raises:
        StoreError: It cannot be written.
    """
    file = run / FILE
    page = render_page(content).encode()
    with writing(run):
        write_atomically(file, page)
    return file


def embed_json(content: object) -> str:
    r"""Return JSON that may stand inside a script element: no text in it can end the element.

    Example:
        >>> print(embed_json({"name": "</script>"}))
        {"name":"\u003c/script>"}
    """
    text = json.dumps(
        _all_in_sight(content), ensure_ascii=True, separators=(",", ":"), allow_nan=False
    )
    return text.replace("<", "\\u003c")


def _all_in_sight(content: object) -> object:
    if isinstance(content, Mapping):
        return {_in_sight(key): _all_in_sight(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_all_in_sight(value) for value in content]
    return _in_sight(content)


def _inline(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
