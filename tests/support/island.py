"""Run inside a network namespace of its own: a name server, a public address, TLS, and traps where nobody may knock.

Prints, as JSON, what fetching each URL of the arguments came to, and how often each trap was touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from tests.issuer.fetch.hosts import PUBLIC, Authority, Host, response

from issuer.fetch import Fetcher, FetchFailed

PRIVATE = ("127.0.0.1", "10.0.0.1", "169.254.169.254")
NAMES = {"client.test": [PUBLIC], "rebinding.test": [PUBLIC, "127.0.0.1"]} | {
    f"to-{address.replace('.', '-')}.test": [address] for address in PRIVATE
}
asked: Counter[str] = Counter()


def prepare() -> None:
    """Addresses on the loopback device of this namespace, and a resolv.conf that only it sees."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (PUBLIC, *PRIVATE[1:]):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)


def serve_names() -> None:
    """DNS over UDP: of each name's A questions the next answer, with a life of 0 s; nothing for other questions."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def loop() -> None:
        while True:
            query, whom = server.recvfrom(512)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode())
                at += 1 + query[at]
            question, name = query[12 : at + 5], ".".join(labels).lower()
            answer = b""
            if name in NAMES and query[at + 1 : at + 3] == b"\x00\x01":
                addresses = NAMES[name]
                address = addresses[min(asked[name], len(addresses) - 1)]
                asked[name] += 1
                answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(address)
            code = b"\x81\x80" if name in NAMES else b"\x81\x83"
            counts = b"\x00\x01" + (b"\x00\x01" if answer else b"\x00\x00") + b"\x00" * 4
            server.sendto(query[:2] + code + counts + question + answer, whom)

    threading.Thread(target=loop, daemon=True).start()


async def main(urls: list[str], folder: Path) -> dict[str, object]:
    authority = Authority(folder)
    os.environ["SSL_CERT_FILE"] = str(authority.path)
    fetcher = Fetcher()
    outcomes: list[str] = []
    traps = {address: Host(response()) for address in PRIVATE}
    tls = authority.server("client.test", "rebinding.test")
    async with contextlib.AsyncExitStack() as stack:
        public = await stack.enter_async_context(Host(response({"a": 1})).running(tls, PUBLIC, 443))
        for address, trap in traps.items():
            await stack.enter_async_context(trap.running(None, address, 443))
        for url in urls:
            try:
                outcomes.append(json.dumps((await fetcher.json(url, 5120)).document))
            except FetchFailed as failed:
                outcomes.append(str(failed))
    return {
        "outcomes": outcomes,
        "public": public.connections,
        "traps": {address: trap.connections for address, trap in traps.items()},
        "asked": dict(asked),
    }


if __name__ == "__main__":
    prepare()
    serve_names()
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(asyncio.run(main(sys.argv[1:], Path(made)))))
