"""`mcp-issuer serve`: what it says when it starts, and why it does not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.servers import NAMES, Name, clean_environment, free_port, running, spawn


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_who_is_signed_in_without_a_page_is_said_at_start(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"ISSUER": f"http://127.0.0.1:{port}", "ISSUER_PORT": port}
    with running("issuer", tmp_path, **settings, ISSUER_AUTO_APPROVE="alice") as service:
        [told] = [line for line in service.log().splitlines() if "ISSUER_AUTO_APPROVE" in line]
    assert "WARNING" in told
    assert "alice" in told
    with running("issuer", tmp_path / "other", **settings) as service:
        assert "ISSUER_AUTO_APPROVE" not in service.log()


@pytest.mark.parametrize("name", NAMES)
def test_a_port_is_all_that_must_be_said(tmp_path: Path, name: Name) -> None:
    """It answers to the address where it listens, and says what names it when asked by another."""
    port = str(free_port())
    package = {"issuer": "issuer", "resource": "resource_server"}[name]
    command = [sys.executable, "-m", package, "serve", "--port", port]
    document = {"issuer": "oauth-authorization-server", "resource": "oauth-protected-resource"}[name]
    service = spawn(name, tmp_path, command=command, **{f"{name.upper()}_PORT": port})
    try:
        wait_for(lambda: "Listening on" in service.log(), "it listens")
        answer = httpx.get(f"{service.origin}/.well-known/{document}")
        assert answer.json()[name].startswith(service.origin)
        other = httpx.get(f"{service.origin}/.well-known/{document}", headers={"Host": "elsewhere.example"})
    finally:
        service.stop()
    assert other.status_code == 421
    named, more = {"issuer": ("ISSUER", "ISSUER_ALLOWED_HOSTS"), "resource": ("BASE_URL", "RESOURCE_ALLOWED_HOSTS")}[
        name
    ]
    assert f"{named} is its name, {more} adds others" in other.json()["error_description"]


@pytest.mark.parametrize("package", ["issuer", "resource_server"])
@pytest.mark.parametrize("written", [b"ISSUER=\xff\n", b'ISSUER="http://127.0.0.1:9100\n'], ids=["bytes", "quote"])
def test_a_file_of_settings_that_makes_no_sense_is_one_line(tmp_path: Path, package: str, written: bytes) -> None:
    (tmp_path / ".env").write_bytes(written)
    done = subprocess.run(
        [sys.executable, "-m", package, "serve"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert ": .env " in done.stderr
    assert done.stderr.count("\n") == 1
