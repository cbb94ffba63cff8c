"""The Deployments of deploy/kubernetes as single containers: settings, user, limits and probes, without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.house.test_deploy import one, pod
from tests.support.machine import ROOT
from tests.support.servers import NAMES, Name, clean_environment

from issuer import key_files

pytestmark = pytest.mark.containers

PROBE = """
import http.client, json, socket, sys
port, *paths = json.loads(sys.argv[1])
found = []
for path in paths:
    connection = http.client.HTTPConnection(socket.gethostbyname(socket.gethostname()), port, timeout=20)
    connection.request("GET", path)
    found.append(connection.getresponse().status)
print(json.dumps(found))
"""


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A Secret as a kubelet mounts it: links to links, so that all of it changes at once."""
    made = key_files.make_key(tmp_path / "..2026", "RS256", int(time.time()) - 100)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / made.name).symlink_to(f"..data/{made.name}")
    made.chmod(0o644)  # a kubelet gives the group to the pod
    made.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return tmp_path


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, keys: Path) -> Iterator[tuple[Name, str]]:
    """A service and the name of its container."""
    name: Name = request.param
    context = pod(name)["securityContext"]
    settings = {**one("ConfigMap", name)["data"], "CLIENT_SECRET": "0123456789abcdef"}
    settings |= {"ISSUER_DATABASE": "/tmp/issuer.db"} if name == "issuer" else {}
    options = [f"--env={key}={value}" for key, value in settings.items()]
    options += [f"--user={context['runAsUser']}:{context['runAsGroup']}", "--read-only", "--tmpfs=/tmp"]
    options += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m"]
    if name == "issuer":
        options.append(f"--volume={keys}:/keys:ro")
    subprocess.run(["docker", "compose", "build", "--quiet", name], cwd=ROOT, env=clean_environment(), check=True)
    container = f"pod-{uuid.uuid4().hex[:8]}"
    docker("run", "--detach", "--name", container, *options, f"mcp-{name}")
    try:
        yield name, container
    finally:
        docker("rm", "--force", "--volumes", container)


def test_it_starts_answers_its_probes_and_leaves_in_time(service: tuple[Name, str]) -> None:
    name, container = service
    [spec] = pod(name)["containers"]
    deadline = time.monotonic() + spec["startupProbe"]["periodSeconds"] * spec["startupProbe"]["failureThreshold"]
    while "Listening" not in (log := subprocess.getoutput(f"docker logs {container}")):
        assert time.monotonic() < deadline, log
        time.sleep(0.3)
    [port] = spec["ports"]
    paths = [spec[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    asked = docker("exec", container, "python", "-c", PROBE, json.dumps([port["containerPort"], *paths]))
    # The resource of a pod alone has no issuer: it lives, and gets no request yet.
    assert json.loads(asked) == ([200, 200] if name == "issuer" else [200, 503])
    docker("stop", "--time", str(pod(name)["terminationGracePeriodSeconds"]), container)
    state = json.loads(docker("inspect", "--format", "{{json .State}}", container))
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), "not killed when its time was over"
    assert "Told to end" in subprocess.getoutput(f"docker logs {container}")
