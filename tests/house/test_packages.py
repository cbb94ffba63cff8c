"""House rules about what is installed and started: reasons, locks, scripts, and what compose passes on."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.house.generated import settings_of
from tests.house.tree import ROOT, SERVICES

pytestmark = pytest.mark.house


def locked(path: str) -> dict[str, str]:
    """Version by name, as a lock file of ours says."""
    found = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def declared(path: str) -> list[str]:
    """Every requirement of a pyproject.toml of ours."""
    document: dict[str, Any] = tomllib.loads((ROOT / path).read_text())
    groups = document.get("dependency-groups", {}).values()
    return [*document.get("project", {}).get("dependencies", []), *(entry for group in groups for entry in group)]


@pytest.mark.parametrize("folder", ["issuer", "resource", "tests"])
def test_each_lock_holds_what_is_declared_and_agrees_with_the_tests(folder: str) -> None:
    lock, everything = locked(f"{folder}/requirements.lock"), locked("tests/requirements.lock")
    assert lock.items() <= everything.items(), "run ./dev lock"
    for text in declared("pyproject.toml" if folder == "tests" else f"{folder}/pyproject.toml"):
        wanted = Requirement(text)
        version = lock.get(canonicalize_name(wanted.name))
        assert version is not None, f"{text} is not locked: run ./dev lock"
        assert wanted.specifier.contains(version), f"{text}, but {version} is locked: run ./dev lock"


@pytest.mark.parametrize("folder", ["issuer", "resource", "tests"])
def test_every_locked_package_has_its_hashes(folder: str) -> None:
    text = (ROOT / folder / "requirements.lock").read_text()
    bare = [line for line in text.splitlines() if "==" in line and not line.endswith("\\")]
    assert "--hash=sha256:" in text
    assert not bare


@pytest.mark.parametrize("path", ["issuer/pyproject.toml", "resource/pyproject.toml", "pyproject.toml"])
def test_every_dependency_has_a_reason(path: str) -> None:
    requirements, reason = declared(path), ""
    for line in (ROOT / path).read_text().splitlines():
        if re.match(r"\s+#", line):
            reason = line
        elif line.strip().strip('",') in requirements:
            assert reason, f"say in a comment why {path} needs {line.strip()}"
        else:
            reason = ""


@pytest.mark.parametrize("path", ["dev", ".ci/run"])
def test_scripts_can_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)
    shell = "sh" if path == "dev" else "bash"
    subprocess.run([shell, "-n", str(ROOT / path)], check=True)


@pytest.mark.parametrize("service", SERVICES)
def test_compose_passes_every_setting_on(service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    passed = set(compose["services"][service]["environment"])
    assert not set(settings_of(service)) - passed, "settings that docker-compose.yml does not pass on"
    strange = passed - set(settings_of(service)) - set(compose["x-otel"])
    assert not strange, "no settings, but docker-compose.yml passes them on"
    assert all(name.startswith("OTEL_") for name in compose["x-otel"])


def test_compose_publishes_on_this_machine_alone_and_takes_every_power_away() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    mounts = {name: [v for v in s.get("volumes", []) if "keys" in v] for name, s in services.items()}
    assert mounts == {"keys": ["./keys:/keys"], "issuer": ["./keys:/keys:ro"], "resource": []}


class Overriding(yaml.SafeLoader):
    """Reads a compose file that takes back what another one says."""


Overriding.add_constructor("!reset", lambda loader, node: "reset")


def test_replicas_publish_nothing_and_what_stands_around_them_has_no_power_either() -> None:
    text = (ROOT / "docker-compose.scale.yml").read_text()
    services = yaml.load(text, Overriding)["services"]  # a SafeLoader
    assert {name: service["ports"] for name, service in services.items() if name in SERVICES} == dict.fromkeys(
        SERVICES, "reset"
    )
    assert "ports" not in services["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in services["caddy"]["ports"])
    for name in services.keys() - SERVICES.keys():
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name
    for name in SERVICES:
        strange = set(services[name]["environment"]) - set(settings_of(name))
        assert strange == ({"PGPASSWORD"} if name == "issuer" else set()), "libpq's own variable, and nothing else"
    assert "POSTGRES_PASSWORD" not in services["issuer"]["environment"]["ISSUER_DATABASE"], "a URL takes no raw text"


def test_what_serves_starts_again_by_itself_and_has_time_to_drain() -> None:
    scaled = yaml.load((ROOT / "docker-compose.scale.yml").read_text(), Overriding)["services"]  # a SafeLoader
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in SERVICES:
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["stop_grace_period"] == "30s"
    assert [scaled[name]["restart"] for name in ("postgres", "caddy")] == ["unless-stopped"] * 2
    assert "restart" not in services["keys"], "it runs once"
