"""`mcp-issuer` as an operator runs it: in a folder of its own, without any setting of this environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.servers import clean_environment

from issuer.__main__ import main


@dataclass
class Shell:
    """`ok` and `fails` run a command in this process, which is quick; `process` runs a real one."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    setenv: Callable[[str, str], None]

    def ok(self, *arguments: str) -> str:
        """What it printed."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0, ended.value.code
        return self.capsys.readouterr().out

    def fails(self, *arguments: str) -> str:
        """The line that it said; Python prints it to stderr and exits with 1."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert self.capsys.readouterr().out == ""
        said = ended.value.code
        assert isinstance(said, str)
        assert said.startswith("mcp-issuer: ")
        assert "\n" not in said
        return said.removeprefix("mcp-issuer: ")

    def process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "issuer", *arguments],
            cwd=self.folder,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def left(self) -> set[str]:
        """Every file there is now."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - clean_environment().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("ISSUER_SIGNING_ALG", "EdDSA")  # quick to make
    return Shell(tmp_path, capsys, monkeypatch.setenv)
