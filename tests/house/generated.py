"""What README.md and docker-compose.yml say of the code: `./dev docs` writes it, a test holds it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args, get_origin

from tests.faults.table import table as faults_table
from tests.house.figures import flows_table, limits_table
from tests.house.tree import ROOT
from tests.pair.conformance.table import conformance
from tests.requirements import spec_map

from issuer.settings import Settings as IssuerSettings
from resource_server.settings import Settings as ResourceSettings


def _text(default: object) -> str:
    """A default as one would write it in the environment."""
    match default:
        case None | () | "":
            return ""
        case bool():
            return str(int(default))
        case dict():
            return "; ".join(name if name == value else f"{name}={value}" for name, value in default.items())
        case tuple():
            return " ".join(map(str, default))
        case _:
            return str(default)


def _choices(annotation: object) -> list[str]:
    """What a setting may be, where that is a choice."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def settings_of(service: str) -> dict[str, tuple[str, str]]:
    """Name -> (default, meaning) of every setting of a service."""
    model = IssuerSettings if service == "issuer" else ResourceSettings
    found = {}
    for name, field in model.model_fields.items():
        choices = ", ".join(f"`{choice}`" for choice in _choices(field.annotation))
        meaning = f"{field.description} ({choices})" if choices else field.description or ""
        found[name] = _text(field.get_default(call_default_factory=True)), meaning
    return found


def settings_table(_: str) -> str:
    issuer, resource = settings_of("issuer"), settings_of("resource")
    shared = {name: issuer[name] for name in issuer if name in resource}
    rows = ["| variable | service | default | meaning |", "|---|---|---|---|"]
    for name, (default, meaning) in shared.items():
        other_default, other_meaning = resource[name]
        assert default == other_default, f"the services do not agree on the default of {name}"
        if meaning != other_meaning:
            meaning = f"Issuer: {meaning}. Resource: {other_meaning}"
        rows.append(_row(name, "both", default, meaning))
    for service, settings in ("issuer", issuer), ("resource", resource):
        rows += [_row(name, service, *texts) for name, texts in settings.items() if name not in shared]
    return "\n".join(rows)


def _row(name: str, service: str, default: str, meaning: str) -> str:
    default = f"`{default}`" if default else ""
    return f"| `{name}` | {service} | {default} | {meaning.replace('|', chr(92) + '|')} |"


def passed_on(service: str) -> Callable[[str], str]:
    """The settings of a service that compose passes on as they are: those that it gives no value of its own."""

    def names(compose: str) -> str:
        given = set(re.findall(r"^ +(\w+): \S", compose, re.MULTILINE))
        return "\n".join(f"      {name}:" for name in settings_of(service) if name not in given)

    return names


PARTS: dict[Path, dict[str, Callable[[str], str]]] = {
    ROOT / "README.md": {
        "settings": settings_table,
        "spec map": lambda _: spec_map(),
        "conformance": lambda _: conformance(),
        "faults": lambda _: faults_table(),
    },
    ROOT / "docs" / "scale.md": {"flows": flows_table, "limits": limits_table},
    ROOT / "docker-compose.yml": {f"{name} settings": passed_on(name) for name in ("issuer", "resource")},
}


def filled(path: Path) -> str:
    """The text of a file with every generated part written anew between its two marks."""
    text = path.read_text()
    for name, make in PARTS[path].items():
        found = re.split(rf"(^.*\b{name}: made by \./dev docs.*\n|^.*[ ]/{name}\b.*$)", text, flags=re.MULTILINE)
        if len(found) != 5:
            raise SystemExit(f"{path.name} has no single place for {name}")
        before, opening, _, closing, after = found
        text = f"{before}{opening}{make(text)}\n{closing}{after}"
    return text


if __name__ == "__main__":
    for path in PARTS:
        path.write_text(filled(path))
