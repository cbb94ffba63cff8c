"""A FastMCP server with every fixture that the suite's server scenarios name; nothing in it knows of tokens."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from fastmcp.prompts import Message
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference
from tests.pair.conformance import rounds, tools
from tests.pair.conformance.content import IMAGE, PNG, embedded


def everything() -> FastMCP[Any]:
    """A new one: a server is guarded once."""
    # dereference_schemas would resolve the `$defs` that json-schema-2020-12 looks for.
    server: FastMCP[Any] = FastMCP("everything", version="1", dereference_schemas=False)
    tools.add_to(server)
    rounds.add_to(server)
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    ):
        server.prompt(prompt)
    server.completion(complete)
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/png")(static_binary)
    server.resource("test://watched-resource", mime_type="text/plain")(watched)
    server.resource("test://template/{id}/data", mime_type="application/json")(template)
    return server


def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # the suite names it so
    """A prompt that carries a resource."""
    resource = embedded(resourceUri, "Embedded resource content for testing.")
    return [Message(resource), Message("Please process the embedded resource above.")]


def test_prompt_with_image() -> list[Message]:
    """A prompt that carries an image."""
    return [Message(IMAGE), Message("Please analyze the image above.")]


def complete(
    _: PromptReference | ResourceTemplateReference, argument: CompletionArgument, __: CompletionContext | None
) -> Completion:
    known = ("paris", "park", "party", "test")
    return Completion(values=[value for value in known if value.startswith(argument.value)])


def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """An image."""
    return PNG


def watched() -> str:
    """A text that never changes."""
    return "Watched."


def template(id: str) -> dict[str, Any]:
    """What the address names."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}
