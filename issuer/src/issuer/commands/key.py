"""`mcp-issuer key`: list the key ring, make the next key, revoke one, make the first files."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Any

from issuer import first_files, key_files, keys, settings
from issuer.app import now


def add_to(commands: Any) -> None:
    actions = commands.add_parser("key", help="signing keys").add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="show the keys and what each does now").set_defaults(run=list_keys)
    new = actions.add_parser("new", help="make the next signing key")
    new.add_argument("--now", action="store_true", help="sign with it in 15 s instead of 70 min (emergencies)")
    new.set_defaults(run=new_key)
    revoke = actions.add_parser("revoke", help="take a key that leaked out at once: what it signed ends")
    revoke.add_argument("kid", type=str.strip, help="as `key list` shows it")
    revoke.set_defaults(run=revoke_key)
    export = actions.add_parser("export", help="print the private keys as ISSUER_KEYS takes them: for a secret store")
    export.set_defaults(run=export_keys)
    init = actions.add_parser("init", help="make the first key and the client secret where there are none")
    init.add_argument("--group", type=int, metavar="GID", help="let this group read the files too (containers)")
    init.set_defaults(run=init_files)


def list_keys(_: argparse.Namespace) -> None:
    loaded = settings.load()
    found, moment = first_files.signing_keys(loaded), now()
    if loaded.ISSUER_KEYS:
        print("from ISSUER_KEYS:")
    if not found:
        print("no keys yet: `mcp-issuer key init` makes the first one")
        return
    signs = keys.signing(found, moment)
    published = keys.published(found, moment, loaded.longest_token_seconds)
    for key in found:
        if key is signs:
            state = "signs"
        elif key.starts_at > moment:
            state = "next"
        else:
            state = "published" if key in published else "retired"
        print(f"{datetime.fromtimestamp(key.starts_at, UTC):%Y-%m-%d %H:%M:%SZ}  {key.alg}  {state:9}  {key.kid}")


def _with_folder() -> settings.Settings:
    """The settings, for a command that changes files: with ISSUER_KEYS they would change nothing that signs."""
    loaded = settings.load()
    if loaded.ISSUER_KEYS:
        raise key_files.BadKey(
            "the keys come from ISSUER_KEYS, which no command can change: unset it, change the keys of a folder, "
            "put what `mcp-issuer key export` prints into the secret store, and start every replica again"
        )
    return loaded


def export_keys(_: argparse.Namespace) -> None:
    print(key_files.write_document(_with_folder().ISSUER_KEYS_DIR))


def new_key(arguments: argparse.Namespace) -> None:
    loaded = _with_folder()
    starts_at = now() + (keys.URGENT_AHEAD if arguments.now else keys.PUBLISHED_AHEAD)
    path = key_files.make_key(loaded.ISSUER_KEYS_DIR, loaded.ISSUER_SIGNING_ALG, starts_at)
    print(f"{path.name} is published now and signs from {datetime.fromtimestamp(starts_at, UTC):%H:%M:%SZ} on")


def revoke_key(arguments: argparse.Namespace) -> None:
    """Another key signs before this one goes, so that there is never none."""
    loaded = _with_folder()
    folder, moment = loaded.ISSUER_KEYS_DIR, now()
    left = [key for key in key_files.read_keys(folder) if key.kid != arguments.kid]
    if not any(key.starts_at <= moment for key in left):
        made = key_files.make_key(folder, loaded.ISSUER_SIGNING_ALG, moment)
        print(f"{made.name} signs from now on")
    path = key_files.revoke_key(folder, arguments.kid)
    print(f"{path.name}: what it signed is refused as soon as a resource looks at the keys again, in 5 minutes at most")


def init_files(arguments: argparse.Namespace) -> None:
    loaded = settings.load()
    folder = loaded.ISSUER_KEYS_DIR
    if loaded.ISSUER_KEYS:
        print("the keys come from ISSUER_KEYS: there is nothing to make")
        return
    first_files.prepare(loaded, now())
    if arguments.group is None:
        return
    # Whoever owns the folder keeps owning its files; the group is the one that the service runs as, and later files
    # get it too (2750).
    try:
        owner = folder.stat().st_uid
        for path in (folder, *folder.glob("*.pem"), *folder.glob("*.secret")):
            os.chown(path, owner, arguments.group)
            path.chmod(0o2750 if path is folder else 0o640)
    except OSError as error:
        raise key_files.BadKey(f"the files cannot be given to that group: {error.strerror}") from error
