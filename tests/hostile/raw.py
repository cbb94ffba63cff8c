"""HTTP as bytes on a socket: for requests that no client library would send."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back. status: 0 when nothing did. closed: the server ended the connection. seconds: until then."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool
    seconds: float
    wire: bytes


def connect(origin: str) -> socket.socket:
    url = urlsplit(origin)
    return socket.create_connection((url.hostname or "127.0.0.1", url.port or 80), timeout=5)


def exchange(origin: str, sent: bytes, patience: float = 1.0, answers: int = 1) -> Answer:
    """Send bytes as they are, then read until the server closes, or has given all answers and then falls silent."""
    with connect(origin) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        return read(connection, patience, answers)


def read(connection: socket.socket, patience: float, answers: int = 1) -> Answer:
    """Read an answer; `patience` is how many seconds of silence end the reading."""
    started = time.monotonic()
    received, closed = b"", False
    while True:
        connection.settimeout(patience if not complete(received, answers) else 0.02)
        try:
            part = connection.recv(65536)
        except TimeoutError:
            break
        except ConnectionResetError:
            closed = True
            break
        if not part:
            closed = True
            break
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/") else 0
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    return Answer(status, headers, body, closed, time.monotonic() - started, received)


def complete(received: bytes, answers: int = 1) -> bool:
    """Whether so many answers, one after the other, have come to their end."""
    for _ in range(answers):
        head, end, received = received.partition(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
        if not end or length is None:
            return bool(end) and received.endswith(b"0\r\n\r\n")
        size = int(length.partition(b":")[2])
        if len(received) < size:
            return False
        received = received[size:]
    return True


def until_closed(connection: socket.socket, patience: float) -> float:
    """Read and forget until the server closes; how many seconds that took. Raises TimeoutError after `patience`."""
    started = time.monotonic()
    connection.settimeout(patience)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return time.monotonic() - started


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address that nobody should ever fetch, and what was sent to it nevertheless."""
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = server.accept()
                    with connection:
                        hits.append(connection.recv(1024))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", hits
        stop.set()
        thread.join()
