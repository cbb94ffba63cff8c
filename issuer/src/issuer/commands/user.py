"""`mcp-issuer user`: the people who sign in. A password comes from a prompt or standard input, never an argument."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import replace
from typing import Any

from issuer import app, people
from issuer.commands.database import in_store
from issuer.model import User
from issuer.store import Transaction


def add_to(commands: Any) -> None:
    actions = commands.add_parser("user", help="people who sign in").add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a person")
    add.add_argument("username", help="what they type to sign in")
    add.add_argument("--name", help="what they are called on pages")
    add.add_argument("--email", help="their address, for programs that ask for it")
    _password_options(add)
    add.set_defaults(run=add_user)
    passwd = actions.add_parser("passwd", help="set a person's password and sign them out everywhere, of programs too")
    passwd.add_argument("username")
    _password_options(passwd)
    passwd.set_defaults(run=set_password)
    actions.add_parser("list", help="one line for each person").set_defaults(run=list_users)
    for action, run, text in (
        ("disable", disable_user, "end a person's sessions and all access, and let them in no more"),
        ("enable", enable_user, "let a disabled person sign in again"),
        ("remove", remove_user, "remove a person, their sessions and all access, for good"),
    ):
        one = actions.add_parser(action, help=text)
        one.add_argument("username")
        one.set_defaults(run=run)


def add_user(arguments: argparse.Namespace) -> None:
    user = people.new_user(arguments.username, now=app.now(), name=arguments.name, email=arguments.email)
    password = _password(arguments)
    user = replace(user, password_hash=people.hash_password(password, username=user.username))
    if not in_store(lambda tx: tx.users.add(user), makes=True):
        raise people.PersonError("this user name is taken: `mcp-issuer user list` shows all")
    print(f"added {user.username}")
    _print_once(arguments, password)


def set_password(arguments: argparse.Namespace) -> None:
    username = people.normal_username(arguments.username)
    in_store(lambda tx: _named(tx, username))  # before a prompt
    password = _password(arguments)
    hashed = people.hash_password(password, username=username)

    def work(tx: Transaction) -> None:
        user = _named(tx, username)
        tx.users.put(replace(user, password_hash=hashed))
        tx.sessions.remove_of(user.subject)
        tx.families.revoke_of(user.subject, app.now())

    in_store(work)
    print(f"changed; {username} has to sign in again, in programs too")
    _print_once(arguments, password)


def list_users(_: argparse.Namespace) -> None:
    for user in in_store(lambda tx: tx.users.all()):
        state = "disabled" if user.disabled else "active" if user.password_hash else "no password"
        print(f"{user.username}  {user.subject}  {state}  {user.name or '-'}")


def disable_user(arguments: argparse.Namespace) -> None:
    username = people.normal_username(arguments.username)

    def work(tx: Transaction) -> None:
        user = _named(tx, username)
        tx.users.put(replace(user, disabled=True))
        tx.sessions.remove_of(user.subject)
        tx.families.revoke_of(user.subject, app.now())

    in_store(work)
    print("disabled; access tokens already issued end within their life")


def enable_user(arguments: argparse.Namespace) -> None:
    username = people.normal_username(arguments.username)
    in_store(lambda tx: tx.users.put(replace(_named(tx, username), disabled=False)))
    print("enabled")


def remove_user(arguments: argparse.Namespace) -> None:
    username = people.normal_username(arguments.username)
    in_store(lambda tx: tx.users.remove(_named(tx, username).subject))
    print("removed; access tokens already issued end within their life")


def _named(tx: Transaction, username: str) -> User:
    user = tx.users.named(username)
    if user is None:
        raise people.PersonError("there is no such person: `mcp-issuer user list` shows all")
    return user


def _password_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    source.add_argument("--generate", action="store_true", help="make one up and print it once")


def _password(arguments: argparse.Namespace) -> str:
    if arguments.generate:
        return people.generate_password()
    if arguments.password_stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise people.PersonError("there is no terminal to ask on: use --password-stdin or --generate")
    try:
        password = getpass.getpass(f"Password ({people.ADVISED} characters or more are best): ")
        again = getpass.getpass("Once more: ")
    except EOFError:  # Ctrl-D
        raise people.PersonError("no password was given: nothing was changed") from None
    if again != password:
        raise people.PersonError("the two passwords differ: nothing was changed")
    return password


def _print_once(arguments: argparse.Namespace, password: str) -> None:
    if arguments.generate:
        print(f"password: {password}")
