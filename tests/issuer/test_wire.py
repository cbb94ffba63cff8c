"""The listening socket."""

import socket

from issuer import wire


def test_connections_are_answered_without_delay() -> None:
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every answer on a kept connection
    # waits 40 ms for the client's acknowledgement.
    (listening,) = wire.listen("127.0.0.1", 0)
    with listening:
        assert listening.proto == socket.IPPROTO_TCP
