"""Where settings come from: `.env` of the current directory, and the name that follows from where a service listens;
and what is said of those that make no sense, in words that are not pydantic's.

Twin of the other service's file.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream


class BadFile(Exception):
    """`.env` cannot be understood. The message names the line, and repeats nothing of it."""


def env_file() -> dict[str, str | None]:
    """What `.env` says, if there is one. Raises BadFile: a line that is passed over would leave a default in force."""
    path = Path(".env")
    if not path.exists() or path.is_dir():  # some keep a virtual environment under that name
        return {}
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise BadFile(f".env cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadFile(f".env must be UTF-8, and its line {line} is not") from None
    for statement in parse_stream(io.StringIO(text)):
        if statement.error:
            found = statement.original
            blank = len(found.string) - len(found.string.lstrip())
            line = found.line + found.string.count("\n", 0, blank)
            raise BadFile(f".env makes no sense in line {line}: it must be NAME=value, and a quote must be closed")
    return dotenv_values(stream=io.StringIO(text))


def with_own_origin(found: Mapping[str, Any], name: str, service: str, port: int) -> dict[str, Any]:
    """`found`, and in it the public name of a service when nobody gave one: the address where it listens.

    port: where it does unless told otherwise. What is no port is left for the settings to refuse.
    """
    host = found.get(f"{service}_HOST")
    given = str(found.get(f"{service}_PORT") or "").strip() or str(port)
    if str(found.get(name) or "").strip() or not re.fullmatch(r"[0-9]{1,5}", given) or not 0 < int(given) < 65536:
        return dict(found)
    host = {"::1": "[::1]", "localhost": "localhost"}.get(str(host), "127.0.0.1")
    return {**found, name: f"http://{host}" + (f":{int(given)}" if int(given) != 80 else "")}


def given(found: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """What is set of the settings: a variable that is empty or blank is not."""
    return {
        name: found[name]
        for name in known
        if found.get(name) is not None and not (isinstance(found[name], str) and not found[name].strip())
    }


def unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"{name} is no setting." + (f" Did you mean {near[0]}?" if near else " README.md lists them under Settings.")


def complaint(error: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """One line for a setting that pydantic refuses: its name and what it must be, never the value.

    known: the fields of the settings by name.
    """
    kind, limits = str(error["type"]), error.get("ctx") or {}
    if not error["loc"]:
        return _own_words(error)
    name = str(error["loc"][0])
    if kind.startswith("int_") or kind in ("greater_than_equal", "less_than_equal"):
        must = f"must be a whole number{_range(known[name].metadata)}"
    elif kind.startswith("bool_"):
        must = "must be 1 or 0"
    elif kind == "literal_error":
        must = "must be " + str(limits["expected"]).replace("'", "")
    elif kind in ("too_short", "string_too_short"):
        must = f"must have at least {limits['min_length']} {'characters' if kind == 'string_too_short' else 'entry'}"
    else:
        must = _own_words(error)
    return f"{name} {must}"


def _range(metadata: Iterable[Any]) -> str:
    bounds = {kind: getattr(bound, kind) for bound in metadata for kind in ("ge", "le") if hasattr(bound, kind)}
    match bounds:
        case {"ge": least, "le": most}:
            return f" from {least} to {most}"
        case {"ge": least}:
            return f", {least} or more"
    return ""


def _own_words(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
