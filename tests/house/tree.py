"""The files of this checkout, as far as they are ours: what git ignores is left out, and no git is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {"issuer": ROOT / "issuer/src/issuer", "resource": ROOT / "resource/src/resource_server"}
_NOT_OURS = {".git", ".venv", ".data", ".hypothesis", "node_modules", "output", "results"}


def files(*endings: str) -> Iterator[Path]:
    """Every file of ours whose name ends with one of `endings` (all files when there is none)."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in _NOT_OURS and not f.endswith(("cache", "__", ".egg-info")))
        for name in sorted(names):
            path = Path(folder, name)
            private = path.parent == ROOT / "keys" and name != "README.md"
            if name.endswith(endings or ("",)) and not private and name not in (".env", "evidence.json"):
                yield path


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())
