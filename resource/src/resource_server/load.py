"""Finds the FastMCP server that `path/to/server.py:mcp` names."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import traceback
from pathlib import Path
from typing import Any

from fastmcp import FastMCP

from resource_server.settings import SettingsError

_USUAL = ("mcp", "server", "app")


def load_server(target: str) -> FastMCP[Any]:
    """The server object of a Python file; without `:name`, the usual names are tried. Raises SettingsError."""
    file, colon, name = target.rpartition(":")
    path = Path(file if colon else target)
    if not path.is_file():
        raise SettingsError(f"There is no file {path}; name the server as path/to/server.py:mcp.")
    module = _import(path)
    for candidate in (name,) if colon else _USUAL:
        found = getattr(module, candidate, None)
        if isinstance(found, FastMCP):
            return found
    wanted = name if colon else " or ".join(_USUAL)
    raise SettingsError(f"{path} has no FastMCP server named {wanted}.")


def _import(path: Path) -> object:
    """The module, with its folder on the path as `python server.py` would have it. What it raises is its author's."""
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        print(_whose(error, spec.origin), end="", file=sys.stderr)
        raise SettingsError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _whose(error: Exception, file: str | None) -> str:
    """Where it happened, without the frames of ours and of the import: the author is at home from the file on."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = itertools.dropwhile(lambda frame: frame.filename != file, frames)
    spot = traceback.format_exception_only(error)[:-1] if isinstance(error, SyntaxError) else []
    return "".join([*traceback.format_list(list(own)), *spot])
