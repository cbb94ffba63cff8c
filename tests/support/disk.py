"""A disk of few bytes, to be filled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disk:
    folder: Path

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes free, by default none."""
        path = self.folder / "ballast"
        with contextlib.suppress(OSError), path.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(b"\0" * 4096)
        os.truncate(path, path.stat().st_size - leave)

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def protect(self) -> None:
        """Nothing can be written from here on; no file may be open for writing."""
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True, capture_output=True)


@contextlib.contextmanager
def small(folder: Path, megabytes: int = 16) -> Iterator[Disk]:
    """A disk mounted at `folder`, which must be empty; needs root."""
    owner = folder.stat()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", folder], check=True, capture_output=True
    )
    try:
        os.chown(folder, owner.st_uid, owner.st_gid)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)
