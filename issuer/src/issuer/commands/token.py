"""`mcp-issuer token`: the same development token as `POST /dev/token`, without a running issuer."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from issuer import app, first_files, settings
from issuer.endpoints import dev_token


def add_to(commands: Any) -> None:
    parser = commands.add_parser("token", help="mint a development token")
    parser.add_argument("--sub", help="who the token speaks for (default: dev)")
    parser.add_argument("--scope", help="scopes parted by spaces (default: ISSUER_DEFAULT_SCOPE or the first scope)")
    parser.add_argument("--resource", action="append", default=[], help="the resource it is for; may be repeated")
    parser.add_argument("--expires-in", metavar="SECONDS", help="its life, an hour at most")
    parser.add_argument("--client-id", help="the client it claims to come from (default: dev)")
    parser.add_argument("--json", action="store_true", help="print the whole token response")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    loaded = settings.load()
    if not loaded.development:
        raise settings.SettingsError("development tokens exist only where ISSUER is an http loopback origin")
    prepared = first_files.prepare(loaded, app.now())
    if prepared.made is not None:
        print(f"mcp-issuer: made a new key, {prepared.made}, which no issuer elsewhere knows", file=sys.stderr)
    server = app.build_server(loaded, prepared.keys)
    authorization = dev_token.decide(
        server,
        sub=arguments.sub,
        asked_scope=arguments.scope,
        resources=tuple(arguments.resource),
        expires_in=arguments.expires_in,
        client_id=arguments.client_id,
    )
    response = server.mint.issue(authorization, server.now())
    print(json.dumps(response, indent=2) if arguments.json else response["access_token"])
