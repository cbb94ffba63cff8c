"""The example tools, one module each; a new one is added here."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP

from resource_server.tools import add_numbers, hello, notes, whoami

TOOLS = (hello.hello, add_numbers.add_numbers, whoami.whoami, notes.remember, notes.recall)


def example_server() -> FastMCP[Any]:
    """A FastMCP server with every example tool."""
    server: FastMCP[Any] = FastMCP("mcp-resource", instructions="Example tools of a protected MCP server.")
    for tool in TOOLS:
        server.tool(tool, run_in_thread=False)  # none of them waits for anything: a thread would take longer
    return server
