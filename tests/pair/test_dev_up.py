"""`./dev up`: starts both, says what to do next, ends both, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

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
