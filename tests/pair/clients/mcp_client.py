"""Drives an MCP server with the Python SDK's `Client` and `OAuthClientProvider`."""

import asyncio
import json
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from tests.pair.clients.driver import answer, parse, use_tools


class Store:
    """`TokenStorage` in one JSON file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def _set(self, name: str, model: OAuthToken | OAuthClientInformationFull) -> None:
        self.data[name] = model.model_dump(mode="json", exclude_none=True)
        self.path.write_text(json.dumps(self.data))

    async def get_tokens(self) -> OAuthToken | None:
        return OAuthToken.model_validate(self.data["tokens"]) if "tokens" in self.data else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._set("tokens", tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return OAuthClientInformationFull.model_validate(self.data["client"]) if "client" in self.data else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._set("client", client_info)


class Callback:
    """Listens on a free loopback port for requests that come back from the browser."""

    async def __aenter__(self) -> "Callback":
        self.targets: asyncio.Queue[str] = asyncio.Queue()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        writer.close()
        if target.startswith("/callback?"):
            self.targets.put_nowait(target)

    async def result(self) -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(await self.targets.get()).query)
        return AuthorizationCodeResult.model_validate({name: values[0] for name, values in query.items()})


def oauth(url: str, store: Path, callback: Callback, document: str | None) -> OAuthClientProvider:
    async def open_browser(authorization_url: str) -> None:
        webbrowser.open(authorization_url)

    return OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK driver",
            redirect_uris=[AnyUrl(callback.uri)],
            token_endpoint_auth_method="none",
        ),
        storage=Store(store),
        redirect_handler=open_browser,
        callback_handler=callback.result,
        client_metadata_url=document,
    )


async def main() -> dict[str, Any]:
    options = parse()
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else None
    async with Callback() as callback:
        auth: httpx2.Auth | None = None
        if options.store:
            auth = oauth(options.url, Path(options.store), callback, options.document)
        async with httpx2.AsyncClient(headers=headers, auth=auth, timeout=30) as http:
            if options.transport == "sse":
                transport = sse_client(options.url, headers=headers, auth=auth)
            else:
                transport = streamable_http_client(options.url, http_client=http)
            async with Client(transport, mode=options.era) as client:
                return {
                    **await use_tools(client, options.idle, options.remember),
                    "protocol": client.protocol_version,
                }


if __name__ == "__main__":
    answer(main)
