"""One HTML file that needs no other: text, tables, curves and pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from PIL import Image

from polarprior.foreign import in_html
from polarprior.images.pictures import png_bytes

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: 3px 9px; text-align: right; }
th { border-bottom: 1px solid #999; } tr.untrusted { color: #999; }
td:first-child, th:first-child { text-align: left; }
img { max-width: 100%; } .curves { display: flex; flex-wrap: wrap; gap: 1rem; }
p.note { color: #666; font-size: 13px; } p.answer { font-size: 1.15rem; font-weight: 600; }
details { color: #444; font-size: 14px; margin: 1rem 0; } summary { cursor: pointer; }
"""


class Report:
    """Parts of a page, in their order."""

    def __init__(self, title: str):
        self._title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """A part begins."""
        self._parts.append(f"<h2>{in_html(text)}</h2>")

    def paragraph(self, text: str, note: bool = False) -> None:
        """Some sentences; a note is grey."""
        self._parts.append(f"<p{' class=note' if note else ''}>{in_html(text)}</p>")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], trusted: Sequence[bool]) -> None:
        """Cells; rows that aren't trusted are grey."""
        head = "".join(f"<th>{in_html(cell)}</th>" for cell in heads)
        body = "".join(
            f"<tr{'' if good else ' class=untrusted'}>"
            + "".join(f"<td>{in_html(cell)}</td>" for cell in row)
            + "</tr>"
            for row, good in zip(rows, trusted, strict=True)
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def curves(self, svgs: Sequence[str]) -> None:
        """Drawings side by side."""
        self._parts.append(f"<div class=curves>{''.join(f'<div>{svg}</div>' for svg in svgs)}</div>")

    def answer(self, text: str) -> None:
        """What the page has to say, in large letters."""
        self._parts.append(f"<p class=answer>{in_html(text)}</p>")

    def folded(self, heading: str, paragraphs: Sequence[str]) -> None:
        """Explanations that open when somebody asks for them."""
        inside = "".join(f"<p>{in_html(each)}</p>" for each in paragraphs)
        self._parts.append(f"<details><summary>{in_html(heading)}</summary>{inside}</details>")

    def picture(self, image: Image.Image, alt: str) -> None:
        """A picture, inside the page."""
        data = base64.b64encode(png_bytes(image)).decode()
        self._parts.append(f'<p><img alt="{in_html(alt)}" src="data:image/png;base64,{data}"></p>')

    def html(self) -> bytes:
        """The page, which loads nothing."""
        title = in_html(self._title)
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        return (
            f'<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
            f'<meta http-equiv=Content-Security-Policy content="{policy}">'
            f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{''.join(self._parts)}</html>\n"
        ).encode()
