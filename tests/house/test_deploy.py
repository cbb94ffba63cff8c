"""The Kubernetes manifests: what an API server would refuse, or take and not do; no cluster ran them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest
import yaml
from tests.house.tree import ROOT

from issuer import settings as issuer_settings
from resource_server import settings as resource_settings

pytestmark = pytest.mark.house

FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
VERSIONS = ("1.31", "1.34", "1.37")
"""The oldest that cloud providers still run, one between, and the newest whose schemas are installed."""
SERVICES = ("issuer", "resource")
LOADERS: dict[str, Any] = {"issuer": issuer_settings.load, "resource": resource_settings.load}


@cache
def documents() -> list[dict[str, Any]]:
    return [found for name in FILES for found in yaml.safe_load_all((FOLDER / name).read_text())]


def one(kind: str, name: str) -> dict[str, Any]:
    [found] = [d for d in documents() if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def pod(service: str) -> dict[str, Any]:
    found: dict[str, Any] = one("Deployment", service)["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES)
def test_the_schemas_of_kubernetes_know_every_field(file: str, version: str) -> None:
    for document in yaml.safe_load_all((FOLDER / file).read_text()):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_does_not_exist_would_be_noticed() -> None:
    wrong = {**one("Service", "issuer"), "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_everything_lives_in_the_one_namespace() -> None:
    assert {d["metadata"].get("namespace") for d in documents() if d["kind"] != "Namespace"} == {"mcp"}


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_selects_pods_selects_these(service: str) -> None:
    deployment, labels = one("Deployment", service)["spec"], {"app": service}
    assert deployment["template"]["metadata"]["labels"] == labels
    assert deployment["selector"]["matchLabels"] == labels
    assert one("Service", service)["spec"]["selector"] == labels
    assert one("PodDisruptionBudget", service)["spec"]["selector"]["matchLabels"] == labels
    assert one("NetworkPolicy", service)["spec"]["podSelector"]["matchLabels"] == labels
    [spread] = pod(service)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels
    scaler = one("HorizontalPodAutoscaler", service)["spec"]
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == ("Deployment", service)
    assert "replicas" not in deployment, "or every apply would undo what the autoscaler decided"


@pytest.mark.parametrize("service", SERVICES)
def test_ports_user_and_paths_are_those_of_the_image(service: str) -> None:
    image = (ROOT / service / "Dockerfile").read_text()
    [container] = pod(service)["containers"]
    [port] = container["ports"]
    assert re.search(rf"^EXPOSE {port['containerPort']}$", image, re.MULTILINE)
    assert f"USER {pod(service)['securityContext']['runAsUser']}:" in image
    [published] = one("Service", service)["spec"]["ports"]
    assert (published["port"], published["targetPort"]) == (port["containerPort"], port["name"])
    for probe, path in ("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == ({"/tmp", "/keys"} if service == "issuer" else {"/tmp"})
    volumes = {volume["name"] for volume in pod(service)["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    rules = one("NetworkPolicy", service)["spec"]["ingress"]
    assert [p["port"] for rule in rules for p in rule["ports"]] == [port["containerPort"]]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_has_no_power_and_time_to_end(service: str) -> None:
    [container] = pod(service)["containers"]
    assert pod(service)["securityContext"]["runAsNonRoot"] is True
    assert pod(service)["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= container["resources"].keys()
    drain = int(one("ConfigMap", service)["data"][f"{service.upper()}_DRAIN_SECONDS"])
    ready = container["readinessProbe"]
    assert drain > ready["periodSeconds"] * ready["failureThreshold"], "it goes on until no one is sent to it"
    assert pod(service)["terminationGracePeriodSeconds"] > drain + 5
    assert one("Deployment", service)["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_are_ones_that_the_service_starts_with(service: str) -> None:
    data = one("ConfigMap", service)["data"]
    given = dict(data)
    for source in pod(service)["containers"][0]["envFrom"]:
        if "secretRef" in source:
            given |= one("Secret", source["secretRef"]["name"])["stringData"]
    loaded = LOADERS[service](given)
    assert loaded.ISSUER == "https://issuer.example.com"
    assert all(isinstance(value, str) for value in given.values())


def test_both_and_the_ingress_agree_on_names() -> None:
    issuer, resource = (one("ConfigMap", service)["data"] for service in SERVICES)
    assert issuer["ISSUER"] == resource["ISSUER"]
    assert issuer["ISSUER_RESOURCES"] == resource["BASE_URL"] + "/mcp"
    assert issuer["ISSUER_ALLOWED_HOSTS"] in resource["JWKS_URL"]
    rules = one("Ingress", "pair")["spec"]["rules"]
    hosts = {rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in rules}
    assert {f"https://{host}": service for host, service in hosts.items()} == {
        issuer["ISSUER"]: "issuer",
        resource["BASE_URL"]: "resource",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_who_watches_is_let_in_and_traces_are_let_out(service: str) -> None:
    assert LOADERS[service](one("ConfigMap", service)["data"] | {"CLIENT_SECRET": "x" * 16}).metrics
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    [rule] = one("NetworkPolicy", service)["spec"]["ingress"]
    assert monitoring in rule["from"]
    otlp = {"to": [monitoring], "ports": [{"protocol": "TCP", "port": 4318}]}
    assert otlp in one("NetworkPolicy", "default")["spec"]["egress"]


def test_an_upstream_that_the_example_names_may_be_reached() -> None:
    url = urlsplit(re.findall(r"# RESOURCE_UPSTREAM: (\S+)", (FOLDER / "resource.yaml").read_text())[0])
    host, namespace = (url.hostname or "").split(".")
    rule = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}],
        "ports": [{"protocol": "TCP", "port": url.port}],
    }
    assert host
    assert rule in one("NetworkPolicy", "resource")["spec"]["egress"]


def test_the_database_is_trusted_by_a_file_that_the_image_has() -> None:
    """Without it libpq looks into the home folder, which is empty there."""
    query = parse_qs(urlsplit(one("Secret", "issuer")["stringData"]["ISSUER_DATABASE"]).query)
    assert query == {"sslmode": ["verify-full"], "sslrootcert": ["/etc/ssl/certs/ca-certificates.crt"]}
    assert "FROM python:3.13-slim\n" in (ROOT / "issuer" / "Dockerfile").read_text(), "which has that file"


@pytest.mark.parametrize("name", [name for name in FILES if name != "namespace.yaml"])
def test_what_each_cluster_has_of_its_own_is_marked(name: str) -> None:
    for line in (text := (FOLDER / name).read_text()).splitlines():
        before = text[: text.index(line)].splitlines()[-2:]
        if re.search(r"metadata.name: (?!kube-system)|TRUSTED_PROXIES:", line):
            assert "CHANGE ME" in " ".join([*before, line]), line


def test_connections_fit_into_the_default_of_postgresql() -> None:
    """100, three of them for the superuser: for as many pods as there may be, one more in a rolling update."""
    pool = int(one("ConfigMap", "issuer")["data"]["ISSUER_DATABASE_POOL"])
    most = one("HorizontalPodAutoscaler", "issuer")["spec"]["maxReplicas"] + 1
    assert pool * most <= 97


def test_no_secret_is_here() -> None:
    for document in documents():
        if document["kind"] == "Secret":
            assert all("CHANGE-ME" in value for value in document["stringData"].values())
    assert "PRIVATE KEY" not in "".join((FOLDER / name).read_text() for name in FILES)
