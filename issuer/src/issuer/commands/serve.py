"""`mcp-issuer serve`: listen and answer until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
from typing import Any

from issuer import log, settings, tracing, wire
from issuer.app import create_app
from issuer.storage import schema


def add_to(commands: Any) -> None:
    parser = commands.add_parser("serve", help="run the authorization server")
    parser.add_argument("--host", help="address to listen on (ISSUER_HOST)")
    parser.add_argument("--port", help="port to listen on (ISSUER_PORT)")
    parser.add_argument("--log-level", type=str.lower, help="trace, debug, info, warning or error (ISSUER_LOG_LEVEL)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    loaded = settings.load(ISSUER_HOST=arguments.host, ISSUER_PORT=arguments.port, ISSUER_LOG_LEVEL=arguments.log_level)
    log.configure(loaded.ISSUER_LOG_LEVEL, loaded.ISSUER_LOG_FORMAT)
    schema.upgrade(loaded.ISSUER_DATABASE)
    app = tracing.traced(create_app(loaded), "mcp-issuer")
    wire.serve(app, host=loaded.ISSUER_HOST, port=loaded.ISSUER_PORT, drain=loaded.ISSUER_DRAIN_SECONDS)
