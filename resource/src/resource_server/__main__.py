"""The command line: `mcp-resource serve`."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import metadata

from resource_server import settings


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcp-resource", description="MCP server behind OAuth access tokens")
    parser.add_argument("--version", action="version", version=metadata.version("mcp-resource"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the MCP server")
    serve.add_argument(
        "server", nargs="?", metavar="path/to/server.py:mcp", help="the FastMCP server to protect (default: examples)"
    )
    serve.add_argument("--upstream", help="another MCP server to protect: URL or command (RESOURCE_UPSTREAM)")
    serve.add_argument("--transport", choices=("http", "sse", "both"), help="what is served (RESOURCE_TRANSPORT)")
    serve.add_argument("--host", help="address to listen on (RESOURCE_HOST)")
    serve.add_argument("--port", help="port to listen on (RESOURCE_PORT)")
    serve.add_argument("--log-level", type=str.lower, help="trace, debug, info, warning or error (RESOURCE_LOG_LEVEL)")
    serve.set_defaults(run=run_serve)
    return parser


def run_serve(arguments: argparse.Namespace) -> None:
    """Listen and answer until SIGTERM or Ctrl-C."""
    loaded = settings.load(
        RESOURCE_TRANSPORT=arguments.transport,
        RESOURCE_HOST=arguments.host,
        RESOURCE_PORT=arguments.port,
        RESOURCE_LOG_LEVEL=arguments.log_level,
        RESOURCE_UPSTREAM=arguments.upstream,
    )
    if arguments.server and loaded.RESOURCE_UPSTREAM:
        raise settings.SettingsError("Name one server: either a file or RESOURCE_UPSTREAM (--upstream)")
    gc.disable()  # until `wire.settle`: the garbage collector took an eighth of the start, and found nothing
    # FastMCP takes 2 s to import: bad settings are told before.
    from resource_server import log, tracing, wire
    from resource_server.app import create_app

    app = tracing.traced(create_app(loaded, arguments.server), "mcp-resource")
    log.configure(loaded.RESOURCE_LOG_LEVEL, loaded.RESOURCE_LOG_FORMAT)
    sockets = wire.listen(loaded.RESOURCE_HOST, loaded.RESOURCE_PORT)
    wire.serve(app, sockets, drain=loaded.RESOURCE_DRAIN_SECONDS)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. What the user can mend ends with one line for each thing to mend and exit code 1."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except settings.SettingsError as error:
        sys.exit("\n".join(f"mcp-resource: {line}" for line in str(error).splitlines()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
