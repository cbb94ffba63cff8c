"""Where settings come from: `.env` of the current directory, and the name that follows from where a service listens.

Twin of the other service's file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
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
    given = str(found.get(f"{service}_PORT") or port).strip()
    if found.get(name) or not re.fullmatch(r"[0-9]{1,5}", given) or not 0 < int(given) < 65536:
        return dict(found)
    host = {"::1": "[::1]", "localhost": "localhost"}.get(str(host), "127.0.0.1")
    return {**found, name: f"http://{host}" + (f":{int(given)}" if int(given) != 80 else "")}
