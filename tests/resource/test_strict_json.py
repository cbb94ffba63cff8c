"""Bodies that are JSON and too much of it: told at once, whatever they are made of."""

from __future__ import annotations

import json

import pytest
from tests.resource.running import Running

from resource_server import strict_json
from resource_server.stepup import MAX_DEPTH
from resource_server.strict_json import MAX_CONTAINERS, NotStrict

TOO_MUCH = {
    "deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "deep objects": b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    "deep beside many": b"[" + b"[]," * 1000 + b"[" * MAX_DEPTH + b"]" * (MAX_DEPTH + 1),
    "deeper than Python goes": b"[" * 50_000 + b"]" * 50_000,
    "endless": b"[" * 2_000_000,
    "arrays": b"[" + b"[]," * MAX_CONTAINERS + b"1]",
    "objects": b"[" + b'{"a":1},' * MAX_CONTAINERS + b"1]",
    "hidden behind strings": b"[" + b'"\\"",[],' * MAX_CONTAINERS + b"1]",
}


@pytest.mark.parametrize("body", TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much(server: Running, body: bytes) -> None:
    with pytest.raises(NotStrict, match=r"nested deeper|more than"):
        strict_json.loads(body, MAX_DEPTH)
    assert server.post(body, server.token()).status_code == 400


@pytest.mark.parametrize("value", [
    [[]] * (MAX_CONTAINERS - 1), "[{" * MAX_CONTAINERS, {"a": '"[{' * MAX_CONTAINERS}, ["\\", "[" * 200_000, "\\"],
    list(range(300_000)),
], ids=["arrays", "a text", "a text with quotes", "backslashes", "numbers"])  # fmt: skip
def test_much(value: object) -> None:
    assert strict_json.loads(json.dumps(value).encode(), MAX_DEPTH) == value


def test_as_deep_as_may_be() -> None:
    assert strict_json.loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH)
