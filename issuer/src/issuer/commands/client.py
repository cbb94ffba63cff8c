"""`mcp-issuer client`: the clients that the operator registers, and the list of all."""

from __future__ import annotations

import argparse
import dataclasses
import json
import secrets
import sys
from typing import Any

from issuer import app, settings
from issuer.commands.database import in_store
from issuer.grants import registry
from issuer.model import Client, Secret
from issuer.protocol import client_metadata, scope, secret
from issuer.store import Transaction
from issuer.web import invitation
from issuer.web.credentials import new_secret

_MOST_HOURS = 24 * 365


def add_to(commands: Any) -> None:
    actions = commands.add_parser("client", help="registered clients").add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="one line for each client").set_defaults(run=list_clients)
    show = actions.add_parser("show", help="a client's metadata as JSON")
    show.add_argument("client_id")
    show.set_defaults(run=show_client)
    _add_to_add(actions.add_parser("add", help="register a client; its secret is printed once"))
    rotate = actions.add_parser("rotate", help="give a client a new secret; the old one goes on for a while")
    rotate.add_argument("client_id")
    rotate.add_argument("--overlap", type=int, default=3600, metavar="SECONDS", help="life of the old one (3600)")
    rotate.set_defaults(run=rotate_secret)
    invite = actions.add_parser("invite", help="print an initial access token, to register one client with")
    invite.add_argument("--hours", type=int, default=24, help="how long it is good for (24)")
    invite.add_argument("--many", action="store_true", help="for any number of registrations")
    invite.set_defaults(run=print_invitation)
    remove = actions.add_parser("remove", help="remove a client and end all that was granted to it")
    remove.add_argument("client_id")
    remove.set_defaults(run=remove_client)


def _add_to_add(add: argparse.ArgumentParser) -> None:
    add.add_argument("name", help="what people see on the consent page")
    add.add_argument("--id", help="its client_id (default: invented)")
    add.add_argument("--redirect-uri", action="append", default=[], help="may be repeated")
    kind = add.add_mutually_exclusive_group()
    kind.add_argument("--public", action="store_true", help="no secret: a program on people's machines (default)")
    kind.add_argument("--confidential", action="store_true", help="has a secret: a program on a server")
    kind.add_argument("--jwks", metavar="FILE", help="public keys: it signs assertions (private_key_jwt)")
    add.add_argument("--scope", help="scopes parted by spaces")
    add.add_argument("--grant", action="append", default=[], choices=sorted(registry.GRANTS), help="may be repeated")
    add.add_argument("--resource", action="append", default=[], help="for client_credentials: no resource but these")
    add.add_argument(
        "--resource-server", action="append", default=[], metavar="RESOURCE", help="it may introspect tokens for this"
    )
    add.set_defaults(run=add_client)


def list_clients(_: argparse.Namespace) -> None:
    for client in in_store(lambda tx: tx.clients.all()):
        print(f"{client.id}  {client.origin}  {client.auth_method}  {client.name or '-'}")


def show_client(arguments: argparse.Namespace) -> None:
    client = in_store(lambda tx: _known(arguments.client_id, tx))
    _print({"origin": client.origin, **client_metadata.describe(client)})


def add_client(arguments: argparse.Namespace) -> None:
    loaded = settings.load()
    for uri in (*arguments.resource, *arguments.resource_server):
        if uri not in loaded.resources:
            raise settings.SettingsError("--resource and --resource-server name resources of ISSUER_RESOURCES")
    _check_scope(arguments.scope, loaded)
    if arguments.id == loaded.CLIENT_ID:
        raise settings.SettingsError(
            "this id is CLIENT_ID, whose client each start makes with the secret of CLIENT_SECRET: choose another --id"
        )
    if arguments.public and "client_credentials" in arguments.grant:
        raise settings.SettingsError("client_credentials needs a secret: leave out --public, or that --grant")
    if arguments.public and not arguments.redirect_uri:
        raise settings.SettingsError(
            "a public client needs a --redirect-uri, such as http://127.0.0.1/callback for a program on a machine"
        )
    client = client_metadata.read(
        _document(arguments),
        id=_id(arguments.id),
        origin="operator",
        now=app.now(),
        grants=frozenset(registry.GRANTS),
    )
    client = dataclasses.replace(
        client,
        scope=client.scope or tuple(loaded.ISSUER_SCOPES),
        resources=tuple(arguments.resource),
        introspects=tuple(arguments.resource_server),
    )
    client, plain = new_secret(client)

    def work(tx: Transaction) -> None:
        if loaded.is_subject(client.id) or tx.users.get(client.id) is not None:
            raise settings.SettingsError("in tokens this --id would be the subject of a person: choose another")
        if not tx.clients.add(client):
            raise settings.SettingsError("there is a client of this id: remove it first, or choose another --id")

    in_store(work, makes=True)
    _print({**client_metadata.describe(client), **({"client_secret": plain} if plain else {})})


def _check_scope(asked: str | None, loaded: settings.Settings) -> None:
    """A misspelt scope is told here, since requests for it drop it without a word."""
    if set(scope.parse(asked)) <= scope.known(loaded.ISSUER_SCOPES).keys():
        return
    if not loaded.development:
        raise settings.SettingsError("--scope names scopes of ISSUER_SCOPES")
    print("mcp-issuer: --scope names more than ISSUER_SCOPES, which is granted in development alone", file=sys.stderr)


def _id(chosen: str | None) -> str:
    """The chosen id, which may be one that the program has had elsewhere, or a new one."""
    if chosen is not None and not (chosen.isprintable() and 0 < len(chosen) <= 200):
        raise settings.SettingsError("--id must be 1 to 200 printable characters")
    return chosen or secret.invent_id(secret.CLIENT_ID)


def _document(arguments: argparse.Namespace) -> dict[str, Any]:
    """The client's metadata: with redirect URIs a client that people let in, without them a machine."""
    usual = ["authorization_code", "refresh_token"] if arguments.redirect_uri else ["client_credentials"]
    grants = arguments.grant or usual
    method = "client_secret_basic" if arguments.confidential or "client_credentials" in grants else "none"
    document = {"client_name": arguments.name, "redirect_uris": arguments.redirect_uri, "grant_types": grants}
    if arguments.jwks:
        try:
            with open(arguments.jwks, encoding="utf-8") as file:
                document["jwks"] = json.load(file)
        except (OSError, ValueError):
            raise settings.SettingsError("--jwks must name a readable file with a JWK set") from None
        method = "private_key_jwt"
    return {**document, "token_endpoint_auth_method": method, "scope": arguments.scope}


def rotate_secret(arguments: argparse.Namespace) -> None:
    if arguments.client_id == settings.load().CLIENT_ID:
        raise settings.SettingsError(
            "the secret of this client is CLIENT_SECRET, or in its file beside the keys: set another"
        )
    plain = secret.invent(secret.CLIENT_SECRET)
    ends = app.now() + max(0, arguments.overlap)

    def work(tx: Transaction) -> None:
        client = _known(arguments.client_id, tx)
        if not client.secrets:
            raise settings.SettingsError("this client has no secret to rotate")
        old = dataclasses.replace(client.secrets[-1], expires_at=ends)
        tx.clients.put(dataclasses.replace(client, secrets=(old, Secret(secret.digest(plain)))))

    in_store(work)
    _print({"client_id": arguments.client_id, "client_secret": plain})


def print_invitation(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.hours <= _MOST_HOURS:
        raise settings.SettingsError(f"--hours must be from 1 to {_MOST_HOURS}")
    if settings.load().registration == "off":
        raise settings.SettingsError("registration is off: set ISSUER_REGISTRATION=token to let invited clients in")
    sealing = in_store(lambda tx: tx.shared_secret(app.SEAL, secrets.token_bytes(32)), makes=True)
    print(invitation.write(sealing, expires_at=app.now() + arguments.hours * 3600, many=arguments.many))


def remove_client(arguments: argparse.Namespace) -> None:
    in_store(lambda tx: tx.clients.remove(_known(arguments.client_id, tx).id))
    print("removed; its tokens end within the life of an access token")


def _known(client_id: str, tx: Transaction) -> Client:
    client = tx.clients.get(client_id)
    if client is None:
        raise settings.SettingsError("no such client: `mcp-issuer client list` shows them")
    return client


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, indent=2, ensure_ascii=False))
