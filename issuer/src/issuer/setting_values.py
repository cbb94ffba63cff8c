"""How the text of an environment variable becomes a value, or why it cannot; no message repeats the text."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be a well-formed URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https or http URL")
    if "#" in url or "@" in parts.netloc or "\\" in url or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValueError("must have no fragment, user information or blanks")
    # What urlsplit has put in lower case was perhaps not.
    lower = url.startswith(parts.scheme) and parts.netloc == parts.netloc.lower()
    if not lower or (parts.scheme, port) in (("http", 80), ("https", 443)):
        raise ValueError("must be written in lower case and without the default port")
    return parts


def identifier(url: str) -> str:
    parts = _url(url)
    if url.endswith("/"):
        raise ValueError("must not end with a slash: clients compare it byte for byte")
    if "?" in url:
        raise ValueError("must have no query")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must be https: http is for 127.0.0.1, [::1] and localhost alone")
    return url


def client_id(id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id):
        raise ValueError("must be 1 to 64 characters of A-Z a-z 0-9 _ -")
    return id


def client_secret(secret: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{16,256}", secret):
        raise ValueError("must be 16 to 256 printable ASCII characters")
    return secret


def proxies(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise ValueError("must be IP addresses or CIDR blocks") from None
    return words


def hosts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not re.fullmatch(r"\*|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", word):
            raise ValueError("must be names as in the Host header, with or without a port: no scheme, no path")
    return words


def domains(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not re.fullmatch(r"\*(\.[a-z0-9-]+)+|[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?", word):
            raise ValueError("must be domain names in lower case, *.example.com for all below one")
    return words


def pairs(value: object) -> object:
    """`a=b; c=d` as a mapping, `a` alone as a=a."""
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in re.split(r"[;\n]", value) if entry.strip()]
    return {name.strip(): (text.strip() or name.strip()) for name, _, text in (e.partition("=") for e in entries)}


def resources(value: object) -> object:
    return pairs(value.replace(",", ";")) if isinstance(value, str) else value


def check_resources(resources: dict[str, str]) -> dict[str, str]:
    if not resources:
        raise ValueError("must name at least one resource")
    for url in resources:
        if "?" in url:  # where its sign of equality would be taken for the one before an audience
            raise ValueError("must name resources by URLs without a query, as url or as url=audience")
        _url(url)
    return resources


def words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def is_postgres(database: str) -> bool:
    """Whether a database is a PostgreSQL; else it is the path of an SQLite file."""
    return database.startswith(("postgresql://", "postgres://"))


def database(place: str) -> str:
    if is_postgres(place):
        from psycopg import ProgrammingError, conninfo  # here: it takes a tenth of a second to import

        try:
            conninfo.conninfo_to_dict(place)
        except ProgrammingError:
            # Its own text would repeat the URL, and the password with it.
            raise ValueError("must be a URL as PostgreSQL reads it, with signs such as % in it encoded") from None
    elif "://" in place:
        raise ValueError("must be the path of an SQLite file, or postgresql://user:password@host/database")
    return place
