"""Turns a template and plain values into a page with the headers every page has (RFC 9700 §4.2.4 and §4.16).

Templates are compiled, and what never changes is built, when this module is imported. There is no CSP `form-action`:
Chromium applies it to the redirect after the post, which then never reaches the client.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

_HERE = Path(__file__).parent
_STYLE = (_HERE / "static" / "style.css").read_text("utf-8")
_ICON = "data:image/svg+xml," + quote((_HERE / "static" / "icon.svg").read_text("utf-8").strip())
# Not form.submit(): a field of that name would hide it.
_SUBMIT = "HTMLFormElement.prototype.submit.call(document.forms[0])"
# Control characters, and format characters that hide or turn the text around them.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")


def _shown(name: str) -> str:
    """A name that a stranger chose: nothing in it hides or turns text, and it has 80 characters at most."""
    text = " ".join(_UNSEEN.sub(" ", name).split())
    return (text if len(text) <= 80 else text[:79] + "…") or "no name"


def _initial(name: str) -> str:
    return next((c.upper()[0] for c in name if c.isalnum()), "?")


def _duration(seconds: int) -> str:
    """In words, rounded up: who waits this long has waited long enough."""
    size, unit = next(
        ((size, unit) for size, unit in ((3600, "hour"), (60, "minute")) if seconds == size or seconds >= 2 * size),
        (1, "second"),
    )
    count = -(-seconds // size)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _moment(seconds: int) -> Markup:
    time = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        f"{time:%Y-%m-%dT%H:%M:%SZ}", f"{time.day} {time:%B %Y, %H:%M} UTC"
    )


def _hash(inline: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() + "'"


def _headers(script: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {script}; "
        "img-src data:; base-uri 'none'; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


_HEADERS = {False: _headers("'none'"), True: _headers(_hash(_SUBMIT))}
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    auto_reload=False,
    cache_size=-1,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(style=Markup(_STYLE), icon=_ICON, submit=Markup(_SUBMIT))  # noqa: S704 - our own files
_ENVIRONMENT.filters.update(shown=_shown, initial=_initial, duration=_duration, moment=_moment)
_TEMPLATES = {name: _ENVIRONMENT.get_template(name) for name in _ENVIRONMENT.list_templates()}


def page(template: str, *, status: int = 200, submits_itself: bool = False, **values: object) -> HTMLResponse:
    """The page of that name. Every value is escaped; a lone surrogate in one becomes `?` instead of an error."""
    body = _TEMPLATES[template + ".html"].render(values).encode("utf-8", "replace")
    return HTMLResponse(body, status, headers=_HEADERS[submits_itself])
