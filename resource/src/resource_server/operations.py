"""Which operation a JSON-RPC message asks for: what scopes are decided on, in every protocol era."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resource_server.scopes import Kind, Operation

_METHODS: dict[str, tuple[Kind, str]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
}
_REFERENCES: dict[str, tuple[Kind, str]] = {"ref/prompt": ("prompt", "name"), "ref/resource": ("resource", "uri")}


def operation_of(message: Mapping[str, Any]) -> Operation | None:
    """The operation of one message, if it asks for one. What is malformed asks for nothing."""
    params = message.get("params")
    if not isinstance(params, dict):
        return None
    method = message.get("method")
    if method == "completion/complete" and isinstance(params.get("ref"), dict):
        params = params["ref"]
        found = _REFERENCES.get(str(params.get("type")))
    else:
        found = _METHODS.get(method) if isinstance(method, str) else None
    if found is None or not isinstance(params.get(found[1]), str):
        return None
    return Operation(found[0], params[found[1]])
