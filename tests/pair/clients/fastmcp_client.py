"""Drives an MCP server with FastMCP's `Client`."""

from typing import Any

from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from key_value.aio.stores.filetree import FileTreeStore
from tests.pair.clients.driver import answer, parse, use_tools


async def main() -> dict[str, Any]:
    options = parse()
    auth = OAuth(token_storage=FileTreeStore(data_directory=options.store)) if options.store else options.token
    transport = SSETransport if options.transport == "sse" else StreamableHttpTransport
    async with Client(transport(options.url, auth=auth), mode=options.era) as client:
        return {**await use_tools(client, options.idle), "protocol": client.protocol_version}


if __name__ == "__main__":
    answer(main)
