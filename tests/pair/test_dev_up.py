"""`./dev up`: starts both, says what to do next, ends both, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.support.machine import ROOT
from tests.support.servers import clean_environment, free_port

Started = subprocess.Popen[str]


@contextlib.contextmanager
def dev_up(folder: Path, **environment: str) -> Iterator[Started]:
    """`./dev up` on free ports with keys and database of its own, in a process group of its own."""
    settings = {
        "ISSUER_PORT": str(free_port()),
        "RESOURCE_PORT": str(free_port()),
        "ISSUER_KEYS_DIR": str(folder / "keys"),
        "ISSUER_DATABASE": str(folder / "issuer.db"),
    }
    process = subprocess.Popen(
        ["./dev", "up"],
        cwd=ROOT,
        env=clean_environment(**{**settings, **environment}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # what runs us may ignore it
        text=True,
    )
    family: list[psutil.Process] = []
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()


def read_until(process: Started, words: str) -> str:
    """What was printed, up to the line that has these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"`{words}` was never said:\n{''.join(lines)}")


def services(process: Started) -> dict[str, psutil.Process]:
    """The processes of issuer and resource."""
    found: dict[str, psutil.Process] = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # what waited for both to be ready ends about now
            words = child.cmdline()
            found |= {name: child for name in ("mcp-issuer", "mcp-resource") if any(w.endswith(name) for w in words)}
    return found


@pytest.mark.parametrize("ctrl_c", [True, False], ids=["ctrl-c", "sigterm"])
def test_it_starts_both_and_ends_both(tmp_path: Path, ctrl_c: bool) -> None:
    with dev_up(tmp_path) as process:
        said = read_until(process, "Ctrl-C ends both")
        assert "issuer   |" in said
        assert "resource |" in said
        assert "fastmcp call http://127.0.0.1:" in said
        both = services(process)
        assert both.keys() == {"mcp-issuer", "mcp-resource"}
        if ctrl_c:  # a terminal sends it to everything that runs in it
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert not any(service.is_running() for service in both.values())


@pytest.mark.parametrize("name", ["mcp-issuer", "mcp-resource"])
def test_when_one_dies_the_other_is_ended(tmp_path: Path, name: str) -> None:
    with dev_up(tmp_path) as process:
        read_until(process, "Ctrl-C ends both")
        both = services(process)
        both[name].kill()
        process.communicate(timeout=30)
        assert process.returncode != 0
        assert not any(service.is_running() for service in both.values())


@pytest.mark.parametrize("name", ["ISSUER_PORT", "RESOURCE_PORT"])
def test_a_taken_port_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with dev_up(tmp_path, **{name: port}) as process:
            said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.count("\n") == 1
    assert port in said
    assert name in said


def refused(folder: Path, **environment: str) -> str:
    """The one line that is said instead of a start."""
    with dev_up(folder, **environment) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.count("\n") == 1, said
    return said


def test_one_port_for_both_is_one_clear_line(tmp_path: Path) -> None:
    port = str(free_port())
    said = refused(tmp_path, ISSUER_PORT=port, RESOURCE_PORT=port)
    assert f"ISSUER_PORT and RESOURCE_PORT are both {port}" in said


@pytest.mark.parametrize("service", ["ISSUER", "RESOURCE"])
@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_is_none_of_ours_is_one_clear_line(tmp_path: Path, service: str, host: str) -> None:
    said = refused(tmp_path, **{f"{service}_HOST": host})
    assert f"{service}_HOST must be an address of this machine" in said
    assert "Unknown error" not in said
    assert "PORT" not in said


def test_the_welcome_offers_what_there_is(tmp_path: Path) -> None:
    """With a public issuer there is neither a development token nor alice nor documentation."""
    port = str(free_port())
    public = {"ISSUER": "https://issuer.example", "BASE_URL": "https://mcp.example", "RESOURCE_PORT": port}
    issuer = str(free_port())
    # The resource finds the keys where the issuer listens; its name leads nowhere here.
    keys = {"ISSUER_PORT": issuer, "JWKS_URL": f"http://127.0.0.1:{issuer}/.well-known/jwks.json"}
    with dev_up(tmp_path, **public, **keys, ISSUER_ALLOWED_HOSTS=f"127.0.0.1:{issuer}") as process:
        said = read_until(process, "Ctrl-C ends both").partition("Next, in")
    assert "https://mcp.example/mcp" in said[2]
    assert "mcp-issuer user add" in said[2]
    assert not [word for word in ("alice", "token", "/docs") if word in said[2]]
    assert "documentation" not in said[0]


def test_a_tunnel_that_is_not_up_is_told_where_to_lead(tmp_path: Path) -> None:
    """The reason is not drowned by the questions whether all is ready."""
    port, issuer = str(free_port()), str(free_port())
    public = {"ISSUER": "https://issuer.invalid", "BASE_URL": "https://mcp.invalid"}
    with dev_up(tmp_path, **public, ISSUER_PORT=issuer, RESOURCE_PORT=port) as process:
        said = read_until(process, "The resource waits for the issuer's keys")
        said += read_until(process, "https://mcp.invalid must lead to")
        process.terminate()
        said += process.communicate(timeout=30)[0]
    assert f"https://issuer.invalid must lead to 127.0.0.1:{issuer} here" in said
    assert f"https://mcp.invalid must lead to 127.0.0.1:{port} here" in said
    assert said.count("/readyz 503") < 6


def test_documentation_is_at_the_origin_of_an_issuer_with_a_path(tmp_path: Path) -> None:
    issuer = str(free_port())
    with dev_up(tmp_path, ISSUER_PORT=issuer, ISSUER=f"http://127.0.0.1:{issuer}/tenant") as process:
        said = read_until(process, "Ctrl-C ends both")
        address = f"http://127.0.0.1:{issuer}/docs"
        assert f"documentation: {address}\n" in said
        assert httpx.get(address).status_code == 200
