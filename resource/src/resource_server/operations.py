"""Which operations a JSON-RPC body asks for: what scopes are decided on, in every protocol era."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resource_server.scopes import Kind, Operation

_METHODS: dict[str, tuple[Kind, str]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
}
_REFERENCES: dict[str, tuple[Kind, str]] = {"ref/prompt": ("prompt", "name"), "ref/resource": ("resource", "uri")}


def operations(body: Any) -> Iterator[Operation]:
    """The operations of one message, or of a batch (MCP 2025-03-26). What is malformed asks for nothing."""
    for message in body if isinstance(body, list) else (body,):
        params = message.get("params") if isinstance(message, dict) else None
        if not isinstance(params, dict):
            continue
        method = message.get("method")
        if method == "completion/complete" and isinstance(params.get("ref"), dict):
            params = params["ref"]
            found = _REFERENCES.get(str(params.get("type")))
        else:
            found = _METHODS.get(method) if isinstance(method, str) else None
        if found is not None and isinstance(params.get(found[1]), str):
            yield Operation(found[0], params[found[1]])
