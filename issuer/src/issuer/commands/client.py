"""`mcp-issuer client`: the clients that the operator registers, and the list of all."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any, TypeVar

from issuer import app, settings
from issuer.grants import registry
from issuer.model import Secret
from issuer.protocol import client_metadata, secret
from issuer.storage import schema
from issuer.store import Transaction

T = TypeVar("T")


def add_to(commands: Any) -> None:
    actions = commands.add_parser("client", help="registered clients").add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="one line for each client").set_defaults(run=list_clients)
    show = actions.add_parser("show", help="a client's metadata as JSON")
    show.add_argument("client_id")
    show.set_defaults(run=show_client)
    add = actions.add_parser("add", help="register a client; its secret is printed once")
    add.add_argument("name", help="what people see on the consent page")
    add.add_argument("--id", help="its client_id (default: invented)")
    add.add_argument("--redirect-uri", action="append", default=[], help="may be repeated")
    kind = add.add_mutually_exclusive_group()
    kind.add_argument("--public", action="store_true", help="no secret: a program on people's machines (default)")
    kind.add_argument("--confidential", action="store_true", help="has a secret: a program on a server")
    add.add_argument("--scope", help="scopes parted by spaces")
    add.add_argument("--grant", action="append", default=[], choices=sorted(registry.GRANTS), help="may be repeated")
    add.set_defaults(run=add_client)
    remove = actions.add_parser("remove", help="remove a client and end all that was granted to it")
    remove.add_argument("client_id")
    remove.set_defaults(run=remove_client)


def in_store(work: Callable[[Transaction], T]) -> T:
    """Run `work` on the database of the settings, brought to date first."""
    loaded = settings.load()
    schema.upgrade(loaded.ISSUER_DATABASE)
    store = app.build_store(loaded)

    async def run() -> T:
        await store.open()
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(run())


def list_clients(_: argparse.Namespace) -> None:
    for client in in_store(lambda tx: tx.clients.all()):
        print(f"{client.id}  {client.origin}  {client.auth_method}  {client.name or '-'}")


def show_client(arguments: argparse.Namespace) -> int:
    client = in_store(lambda tx: tx.clients.get(arguments.client_id))
    if client is None:
        print("no such client: `mcp-issuer client list` shows them")
        return 1
    print(json.dumps({"origin": client.origin, **client_metadata.describe(client)}, indent=2, ensure_ascii=False))
    return 0


def add_client(arguments: argparse.Namespace) -> None:
    grants = arguments.grant or (
        ["authorization_code", "refresh_token"] if arguments.redirect_uri else ["client_credentials"]
    )
    confidential = arguments.confidential or "client_credentials" in grants
    document = {
        "client_name": arguments.name,
        "redirect_uris": arguments.redirect_uri,
        "grant_types": grants,
        "token_endpoint_auth_method": "client_secret_basic" if confidential else "none",
        "scope": arguments.scope,
    }
    client = client_metadata.read(
        document,
        id=arguments.id or secret.invent_id(secret.CLIENT_ID),
        origin="operator",
        now=app.now(),
        grants=frozenset(registry.GRANTS),
    )
    answer: dict[str, Any] = client_metadata.describe(client)
    if confidential:
        plain = secret.invent(secret.CLIENT_SECRET)
        client = dataclasses.replace(client, secrets=(Secret(secret.digest(plain)),))
        answer |= {"client_secret": plain}

    def work(tx: Transaction) -> None:
        if tx.clients.get(client.id):
            raise settings.SettingsError("there is a client of this id: remove it first, or choose another --id")
        tx.clients.put(client)

    in_store(work)
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def remove_client(arguments: argparse.Namespace) -> int:
    gone = in_store(lambda tx: tx.clients.remove(arguments.client_id))
    print("removed; its tokens end within the life of an access token" if gone else "no such client")
    return 0 if gone else 1
