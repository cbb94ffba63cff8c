"""results.json as a picture: a bar for every competitor, as long as its share of the best of its work."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_WIDTH, _LEFT, _BAR, _ROW, _GAP = 900, 330, 430, 20, 34
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f } .work { font-weight: 600 } .ours { fill: #2f6f4f }
.peer { fill: #b6bcc4 } .limit { fill: #e3c26f } rect.back { fill: #ffffff }"""
_OURS = ("issuer", "resource")


def svg(results: Mapping[str, Any]) -> str:
    parts: list[str] = []
    y = 10
    for work in results["works"].values():
        y += _GAP
        parts.append(f'<text class="work" x="12" y="{y - 8}">{_text(work["title"])}, {escape(work["unit"])}</text>')
        longest = max(entry["rate"] for entry in work["entries"].values())
        for name, entry in work["entries"].items():
            parts += _bar(y, results["titles"][name], _kind(name), entry["rate"], longest)
            y += _ROW
    height = y + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Units of work a second">\n<style>{_STYLE}</style>\n'
        f'<rect class="back" width="{_WIDTH}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _kind(name: str) -> str:
    return "ours" if name.startswith(_OURS) else "limit" if name == "rsa" else "peer"


def _bar(y: int, title: str, kind: str, rate: float, longest: float) -> list[str]:
    width = max(1.0, _BAR * rate / longest)
    middle = y + 12
    return [
        f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{_text(title)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y + 1}" width="{width:.1f}" height="{_ROW - 5}"/>',
        f'<text x="{_LEFT + width + 6:.1f}" y="{middle}">{rate:,.0f}</text>',
    ]


def _text(markdown: str) -> str:
    return escape(markdown.replace("`", ""))
