"""`mcp-issuer serve`: listen and answer until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any

from loguru import logger

from issuer import first_files, log, settings, tracing, wire, workers
from issuer.app import create_app, now
from issuer.siblings import Siblings, inboxes
from issuer.storage import schema


def add_to(commands: Any) -> None:
    parser = commands.add_parser("serve", help="run the authorization server")
    parser.add_argument("--host", help="address to listen on (ISSUER_HOST)")
    parser.add_argument("--port", help="port to listen on (ISSUER_PORT)")
    parser.add_argument("--log-level", type=str.lower, help="trace, debug, info, warning or error (ISSUER_LOG_LEVEL)")
    parser.add_argument("--workers", help="how many processes serve (ISSUER_WORKERS)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    loaded = settings.load(
        ISSUER_HOST=arguments.host,
        ISSUER_PORT=arguments.port,
        ISSUER_LOG_LEVEL=arguments.log_level,
        ISSUER_WORKERS=arguments.workers,
    )
    log.configure(loaded.ISSUER_LOG_LEVEL, loaded.ISSUER_LOG_FORMAT)
    if schema.upgrade(loaded.ISSUER_DATABASE):
        # Begin again, as the same process: what migrations need would keep 25 MB for as long as it lives.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the very command that ran this
    if loaded.ISSUER_AUTO_APPROVE:
        person = loaded.ISSUER_AUTO_APPROVE
        logger.warning("ISSUER_AUTO_APPROVE: whoever asks is {} and consents, without a page", person)
    sockets = wire.listen(loaded.ISSUER_HOST, loaded.ISSUER_PORT)

    def serve(sockets: list[socket.socket], siblings: Siblings | None = None) -> None:
        app = tracing.traced(create_app(loaded, siblings=siblings), "mcp-issuer")
        wire.serve(app, sockets, drain=loaded.ISSUER_DRAIN_SECONDS)

    if loaded.ISSUER_WORKERS == 1:
        serve(sockets)
    else:
        first_files.prepare(loaded, now())  # the first key and secret are made once, and not by each
        pairs = inboxes(loaded.ISSUER_WORKERS)
        workers.run(_shared(sockets, loaded), lambda number, own: serve(own, Siblings(pairs, number)))


def _shared(sockets: list[socket.socket], loaded: settings.Settings) -> list[list[socket.socket]]:
    """As many sets of sockets as there are to be workers, in place of one that has shown that the port is free."""
    port = sockets[0].getsockname()[1]
    for bound in sockets:
        bound.close()
    return [wire.listen(loaded.ISSUER_HOST, port, shared=True) for _ in range(loaded.ISSUER_WORKERS)]
