"""House rules about files: small ones, twins that stay twins, nothing that names a machine or a registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.house.tree import ROOT, SERVICES, files, lines

pytestmark = pytest.mark.house

TWINS = (
    "connection.py",
    "environment.py",
    "guard.py",
    "log.py",
    "outgoing.py",
    "refusal.py",
    "request_log.py",
    "request_metrics.py",
    "target.py",
    "tracing.py",
    "wire.py",
)


def most_lines(path: Path) -> int:
    """How long this file may be."""
    if path.is_relative_to(SERVICES["issuer"] / "grants"):
        return 99
    return 250 if path.is_relative_to(ROOT / "issuer") or path.is_relative_to(ROOT / "resource") else 400


def test_no_file_is_longer_than_reads_well() -> None:
    sizes = {path: lines(path) for path in files(".py")}
    assert len(sizes) > 20, "the sources were not found"
    too_long = {str(p.relative_to(ROOT)): n for p, n in sizes.items() if n > most_lines(p)}
    assert not too_long, "which second thing do these files own?"


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_alike(name: str) -> None:
    """Each service is built from its own folder alone, so what both need exists twice: byte for byte."""
    issuer, resource = (folder / name for folder in SERVICES.values())
    assert issuer.read_bytes() == resource.read_bytes(), f"copy one {name} over the other"


def test_every_module_says_what_it_owns() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in files(".py")
        if path.read_text().strip() and not re.match(r'r?("""|#!)', path.read_text())
    ]
    assert not silent, "the first line of a module says what it owns"


FORBIDDEN = {
    "a path of one machine": r"(?<![\w.-])/(work|root|home)/\w",
    "a package registry": "|".join(re.escape(".".join(host)) for host in (
        ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"), ("deb", "debian", "org"),
    )),
    "a registry option": r"--(extra-)?index-url|\"resolved\":\s*\"https?://",
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.suffix not in (".png", ".svg", ".pem", ".ico")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert not found, what


def test_no_lock_file_that_names_registries() -> None:
    assert not list(files("uv.lock", "poetry.lock", "yarn.lock"))
