"""The tools that the suite calls; what they do is what its scenarios' descriptions say."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools import Tool, ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY, SamplingMessage, TextContent
from pydantic import Field
from tests.pair.conformance.content import AUDIO, IMAGE, embedded

PAUSE = 0.05  # seconds between two messages of one call


def test_simple_text() -> str:
    """Text."""
    return "This is a simple text response for testing."


def test_image_content() -> ToolResult:
    """An image."""
    return ToolResult(content=[IMAGE])


def test_audio_content() -> ToolResult:
    """A sound."""
    return ToolResult(content=[AUDIO])


def test_embedded_resource() -> ToolResult:
    """A resource inside the answer."""
    return ToolResult(content=[embedded("test://embedded-resource", "This is an embedded resource content.")])


def test_multiple_content_types() -> ToolResult:
    """Text, an image and a resource."""
    text = TextContent(type="text", text="Multiple content types test:")
    data = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return ToolResult(content=[text, IMAGE, data])


def test_error_handling() -> str:
    """Fails."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: Context) -> str:
    """Three log messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await asyncio.sleep(PAUSE)
    return "Done."


async def test_logging_tool(ctx: Context) -> str:
    """One log message, which a client of 2026-07-28 gets only when it named a level."""
    await ctx.info("For those who asked for it")
    return "Done."


async def test_tool_with_progress(ctx: Context) -> str:
    """Tells of its progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(PAUSE)
    return "Done."


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Asks the client's model."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Asks the person for a name and an address."""
    properties = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    return await _elicited(ctx, message, properties, ["username", "email"])


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Asks with a default of every primitive type."""
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await _elicited(ctx, "Who are you?", properties, [])


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Asks with every kind of choice."""
    options = ["option1", "option2", "option3"]
    names = ["Option One", "Option Two", "Option Three"]
    titled = [{"const": f"value{number}", "title": name} for number, name in enumerate(names, 1)]
    properties = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await _elicited(ctx, "Choose.", properties, [])


async def test_reconnection(ctx: Context) -> str:
    """Ends its stream before it answers, so that the client comes back for the answer."""
    await ctx.close_sse_stream()
    await asyncio.sleep(PAUSE)
    return "Done."


def test_missing_capability(ctx: Context) -> str:
    """Needs a client that samples."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs a client that samples.", needed)
    return "Done."


def test_header_parameter(text: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Text"})]) -> str:
    """Takes an argument that a header (`Mcp-Param-Text`) repeats."""
    return text


class JsonSchemaTool(Tool):
    """A tool whose schema no Python function has."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(content=[TextContent(type="text", text=f"{sorted(arguments)}")])


JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def add_to(server: FastMCP[Any]) -> None:
    """Register them all."""
    for function in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_logging,
        test_logging_tool,
        test_tool_with_progress,
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_reconnection,
        test_missing_capability,
        test_header_parameter,
    ):
        server.tool(function)
    server.add_tool(
        JsonSchemaTool(
            name="json_schema_2020_12_tool",
            description="Tool with JSON Schema 2020-12 features",
            parameters=JSON_SCHEMA,
        )
    )


async def _elicited(ctx: Context, message: str, properties: dict[str, Any], required: list[str]) -> str:
    schema = {"type": "object", "properties": properties, "required": required}
    answer = await ctx.session.elicit(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={answer.content}"
