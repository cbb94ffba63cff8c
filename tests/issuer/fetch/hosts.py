"""Hosts of the internet on this machine: a certificate authority, TLS servers that count, and names that lead anywhere.

Addresses that are not this machine's are routed to it by `Internet`, below everything that the issuer decides.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "93.184.215.14"
REAL_CONNECT = httpcore.AnyIOBackend.connect_tcp
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Authority:
    """A certificate authority of this test; its files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.certificate = self._sign(self._name, self._key, [], ca=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def trusting(self) -> ssl.SSLContext:
        """What a client uses that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.path))

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server uses that is called by these names; with `days` below 0 the certificate has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._sign(subject, key, list(names), days=days)
        path = self.folder / f"{x509.random_serial_number():x}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(self, subject: x509.Name, key: Any, names: list[str], *, ca: bool = False, days: int = 1) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # RFC 5280 wants these of an authority, and Python since 3.13 does too.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(signs_certificates=ca), critical=True)
        )
        if names:
            alternative = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Host:
    """A server that counts connections and keeps what it was asked; `answer` may be changed while it runs."""

    def __init__(self, answer: bytes | Handler) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            if isinstance(self.answer, bytes):
                writer.write(self.answer)
                await writer.drain()
            else:
                await self.answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(
        self, context: ssl.SSLContext | None, address: str = "127.0.0.1", port: int = 0
    ) -> AsyncIterator[Host]:
        plain = await asyncio.get_running_loop().create_server(lambda: Counting(self, context), address, port)
        self.port = plain.sockets[0].getsockname()[1]
        async with plain:
            yield self


class Counting(asyncio.StreamReaderProtocol):
    """Counts a TCP connection before any TLS, then serves it."""

    def __init__(self, host: Host, context: ssl.SSLContext | None) -> None:
        self._host, self._context = host, context
        super().__init__(asyncio.StreamReader(), host._serve if context is None else self._upgrade)

    def connection_made(self, transport: Any) -> None:
        self._host.connections += 1
        super().connection_made(transport)

    async def _upgrade(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(self._context)  # type: ignore[arg-type]
        except (OSError, ssl.SSLError):
            writer.close()
            return
        await self._host._serve(reader, writer)


def response(
    body: bytes | Mapping[str, Any] = b"{}",
    *,
    status: str = "200 OK",
    kind: str | None = "application/json",
    headers: Mapping[str, str] | list[tuple[str, str]] = (),  # type: ignore[assignment]
) -> bytes:
    """A whole response with Content-Length."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Connection: close"]
    lines += [f"Content-Type: {kind}"] * (kind is not None) + [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


class Internet:
    """Names and routes. `connects` are all addresses that anyone tried to connect to, in order."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.routes: dict[str, Host] = {}
        self.connects: list[tuple[str, int]] = []
        self.lookups: Counter[str] = Counter()
        self.slow = 0.0

    async def resolve(self, name: str, port: int) -> list[str]:
        """The addresses of a name: of each lookup the next answer, and the last one for ever."""
        self.lookups[name] += 1
        if self.slow:
            await asyncio.sleep(self.slow)
        answers = self.names.get(name)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, backend: Any, host: str, port: int, *rest: Any, **named: Any) -> Any:
        """In place of the last call before the socket."""
        self.connects.append((host, port))
        if host not in self.routes:
            raise httpcore.ConnectError("nobody lives there")
        return await REAL_CONNECT(backend, "127.0.0.1", self.routes[host].port, *rest, **named)
