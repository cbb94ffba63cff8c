"""A network namespace of one's own: every port is free, every name leads where a test wants, nobody is outside."""

from __future__ import annotations

import os
import subprocess
from functools import cache

# Only root may make one just so; anybody else is root of a user namespace first, where the system allows it.
COMMAND = ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--net", "--mount"]


@cache
def unable() -> str | None:
    """Why no network namespace can be made here."""
    try:
        made = subprocess.run([*COMMAND, "ip", "link"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no unshare command"
    return made.stderr.strip() or "it fails" if made.returncode else None
