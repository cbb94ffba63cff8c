"""The command line: `mcp-issuer serve | token | client | user | key | db`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from issuer import __version__, log
from issuer.commands import client, db, key, serve, token, user
from issuer.errors import OAuthError
from issuer.key_files import BadKey
from issuer.people import PersonError
from issuer.settings import SettingsError
from issuer.storage.schema import SchemaError
from issuer.store import StoreUnavailable

_KID = re.compile(r"-[A-Za-z0-9_-]{42}")  # RFC 7638: a SHA-256 in base64url
COMMANDS = (serve, token, client, user, key, db)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcp-issuer", description="OAuth 2.1 authorization server for MCP")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. What the user can mend ends with one line for each thing to mend and exit code 1."""
    words = sys.argv[1:] if argv is None else argv
    # One `kid` in 64 begins as an option does: a blank before it, and argparse takes it for what it is.
    arguments = parser().parse_args([f" {word}" if _KID.fullmatch(word) else word for word in words])
    log.configure()  # `serve` does so again, with its settings
    try:
        sys.exit(arguments.run(arguments) or 0)
    except (SettingsError, BadKey, PersonError, SchemaError, StoreUnavailable) as error:
        sys.exit("\n".join(f"mcp-issuer: {line}" for line in str(error).splitlines()))
    except OAuthError as error:
        sys.exit(f"mcp-issuer: {error.description}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
