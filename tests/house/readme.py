"""The parts of README.md that are made from the code; `./dev docs` writes them, a test holds them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args, get_origin

from tests.house.tree import ROOT

from issuer.settings import Settings as IssuerSettings
from resource_server.settings import Settings as ResourceSettings

README = ROOT / "README.md"


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


def settings_table() -> str:
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


PARTS = {"settings": settings_table}


def filled(text: str) -> str:
    """`text` with every generated part written anew between its two marks."""
    for name, make in PARTS.items():
        if len(found := re.split(rf"(<!-- {name}: .*? -->\n)|(<!-- /{name} -->)", text)) != 7:
            raise SystemExit(f"README.md has no single place for {name}")
        before, opening, _, _, _, closing, after = found
        text = f"{before}{opening}{make()}\n{closing}{after}"
    return text


def main(path: Path = README) -> None:
    path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
