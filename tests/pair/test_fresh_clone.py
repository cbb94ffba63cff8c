"""README.md's first promise: with a fresh clone and Python alone, `./dev up` works, and so does the first call."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.house.tree import files
from tests.support.machine import ROOT

PATIENCE = 240
"""Seconds for all of it: it installs every locked package first."""
pytestmark = [pytest.mark.containers, pytest.mark.timeout(PATIENCE + 50)]

READY = """
import sys, urllib.request
for port in 9000, 8000:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
"""


def docker(*arguments: str, deadline: float | None = None) -> str:
    """What it printed. Raises when it fails, or when it is not done by the deadline."""
    left = None if deadline is None else max(1, deadline - time.monotonic())
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=left)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.strip()


def clone(folder: Path) -> None:
    """What was committed; of a tree without history, all of it that is ours."""
    if (ROOT / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
        return
    for path in files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[str]:
    """The name of one that has a clone at /pair, nothing but Python, and `./dev up` for a command; not started."""
    clone(tmp_path / "pair")
    name = f"clone-{uuid.uuid4().hex[:8]}"
    docker("create", "--name", name, "--workdir", "/pair", "python:3.13-slim", "./dev", "up")
    try:
        docker("cp", "--quiet", f"{tmp_path}/pair/.", f"{name}:/pair")
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def test_it_starts_and_the_first_call_is_answered(
    container: str, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    deadline = started + PATIENCE
    docker("start", container)
    while subprocess.run(["docker", "exec", container, "python3", "-c", READY], capture_output=True).returncode:
        log = subprocess.getoutput(f"docker logs {container}")
        assert docker("inspect", "--format", "{{.State.Running}}", container) == "true", log
        assert time.monotonic() < deadline, log
        time.sleep(1)
    record_property("seconds from a fresh clone until ready", round(time.monotonic() - started))

    [call] = re.findall(
        r"^## First call\n.*?^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    said = docker("exec", container, "sh", "-euc", call, deadline=deadline)
    assert re.search(r"\b5\b", said), said
    assert "Ctrl-C ends both" in docker("logs", container)

    docker("stop", "--time", "20", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
