"""The fetcher as it ships: the system's resolver, real DNS, real sockets and TLS, in a network namespace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.support import namespace
from tests.support.machine import ROOT


def test_nothing_private_is_touched() -> None:
    if reason := namespace.unable():
        pytest.skip(f"namespaces: {reason}")
    urls = [
        "https://client.test/x",
        "https://rebinding.test/x",
        "https://rebinding.test/x",
        "https://to-127-0-0-1.test/x",
        "https://to-10-0-0-1.test/x",
        "https://to-169-254-169-254.test/x",
        "https://absent.test/x",
        "https://127.1/x",
        "https://2130706433/x",
    ]
    island = subprocess.run(
        [*namespace.COMMAND, sys.executable, "-m", "tests.support.island", *urls],
        cwd=ROOT,
        env={**os.environ, "HTTPS_PROXY": "http://127.0.0.1:443"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert island.returncode == 0, island.stderr
    found = json.loads(island.stdout)
    assert found["outcomes"][:2] == ['{"a": 1}'] * 2
    assert found["outcomes"][2] == "rebinding.test leads to 127.0.0.1, which must not be reached"
    assert all("must not be reached" in outcome for outcome in found["outcomes"][3:6])
    assert all("cannot be fetched" in outcome for outcome in found["outcomes"][7:])
    assert found["public"] == 2
    assert set(found["traps"].values()) == {0}
    assert found["asked"]["rebinding.test"] == 2, "one question a fetch"
