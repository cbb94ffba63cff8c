"""Drives an MCP server with FastMCP's `Client`."""

from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)
from tests.pair.clients.driver import answer, parse, use_tools


def oauth(folder: Path, document: str | None) -> OAuth:
    """What `auth="oauth"` is, with a store that outlives the process."""
    folder.mkdir(exist_ok=True)
    store = FileTreeStore(
        data_directory=folder,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(folder),
    )
    return OAuth(token_storage=store, client_metadata_url=document)


async def main() -> dict[str, Any]:
    options = parse()
    auth = oauth(Path(options.store), options.document) if options.store else options.token
    transport = SSETransport if options.transport == "sse" else StreamableHttpTransport
    async with Client(transport(options.url, auth=auth), mode=options.era) as client:
        return {**await use_tools(client, options.idle, options.remember), "protocol": client.protocol_version}


if __name__ == "__main__":
    answer(main)
