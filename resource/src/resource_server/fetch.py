"""What the issuer is asked over HTTP: its keys, its metadata that says where they are (RFC 8414 §3, OIDC Discovery §4),
and whether a token lives.

Bounded in time and size; no redirects, no proxies from the environment, no compression.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from resource_server import log, strict_json, tracing

if TYPE_CHECKING:
    import httpx

DEADLINE = 5.0  # seconds, for everything that one fetch does
MAX_BODY = 64 * 1024


class FetchFailed(Exception):
    """Nothing usable was fetched. The text is for the log: what was asked and what went wrong."""


class Fetcher:
    """One connection pool. The library is imported at first use: starting does not wait for it."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def json(self, url: str) -> bytes:
        """The body of a JSON document. Raises FetchFailed."""
        return await self._ask("GET", url)

    async def post(self, url: str, form: dict[str, str], client: tuple[str, str]) -> bytes:
        """The JSON answer to a form that an OAuth client sends (RFC 6749 §2.3.1). Raises FetchFailed."""
        secret = ":".join(quote(part, safe="") for part in client)
        basic = base64.b64encode(secret.encode()).decode()
        return await self._ask("POST", url, data=form, headers={"Authorization": f"Basic {basic}"})

    async def _ask(
        self, method: str, url: str, *, data: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        import httpx

        if self._client is None:
            limits = httpx.Limits(max_connections=8, keepalive_expiry=30)
            trust = httpx.create_ssl_context()  # SSL_CERT_FILE or SSL_CERT_DIR, else the certificates of `certifi`
            self._client = httpx.AsyncClient(
                verify=trust, trust_env=False, follow_redirects=False, timeout=DEADLINE, limits=limits
            )
        fixed = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers = {**fixed, **tracing.outgoing.get(), **(headers or {})}
        if request_id := log.request_id.get():
            headers["X-Request-Id"] = request_id
        request = self._client.stream(method, url, data=data, headers=headers)
        try:
            async with asyncio.timeout(DEADLINE), request as response:
                return await _body(url, response)
        except TimeoutError:
            raise FetchFailed(f"{url} did not answer within {DEADLINE:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            cause = str(error) if isinstance(error, httpx.ConnectError) else ""  # what the system or TLS says
            said = f"{type(error).__name__}: {cause}" if cause else type(error).__name__
            raise FetchFailed(f"{url} could not be fetched: {said}") from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _body(url: str, response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise FetchFailed(f"{url} answered {response.status_code}")
    if "json" not in response.headers.get("content-type", "").partition(";")[0].lower():
        raise FetchFailed(f"{url} answered with something that is not JSON")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchFailed(f"{url} answered with a compression that was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BODY:
            raise FetchFailed(f"{url} answered with more than {MAX_BODY} bytes")
    return bytes(body)


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: RFC 8414 §3.1 and §5 (path inserted), OIDC Discovery §4 (path appended).

    A slash at the issuer's end is part of its name and of no address (both sections).
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.removesuffix("/")
    found = (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
    return list(dict.fromkeys(found))


def addresses_beside(jwks_url: str, issuer: str) -> list[str]:
    """Where the metadata may lie of an issuer whose keys are fetched by another address than its name: beside the keys,
    when these lie where our own issuer has them, and where the name says.
    """
    keys, name = urlsplit(jwks_url), urlsplit(issuer)
    beside = f"{keys.scheme}://{keys.netloc}{name.path}"
    ours = keys.path == f"{name.path.removesuffix('/')}/.well-known/jwks.json"
    return list(dict.fromkeys([beside, issuer] if ours else [issuer]))


async def issuer_metadata(fetcher: Fetcher, issuer: str, address: str | None = None) -> dict[str, Any]:
    """The issuer's metadata, which must name the very issuer (RFC 8414 §3.3). Raises FetchFailed.

    address: looked for there, instead of where its name says.
    """
    why = ""
    for url in metadata_urls(address or issuer):
        try:
            found = strict_json.loads(await fetcher.json(url))
        except (FetchFailed, strict_json.NotStrict) as error:
            why = why or (str(error) if isinstance(error, FetchFailed) else f"{url}: {error}")
            continue
        if isinstance(found, dict) and found.get("issuer") == issuer:
            return found
        named = found.get("issuer") if isinstance(found, dict) else None
        why = f"{url} names the issuer {named!r}, ISSUER is {issuer!r}: both must be the same, byte for byte"
    raise FetchFailed(why)


def jwks_url(metadata: dict[str, Any], issuer: str) -> str:
    """The metadata's `jwks_uri`. Raises FetchFailed when there is none that may be asked."""
    return address(metadata, "jwks_uri", issuer)


def address(metadata: dict[str, Any], member: str, issuer: str) -> str:
    """An address in the metadata, with TLS where the issuer has it. Raises FetchFailed when none may be asked."""
    found = metadata.get(member)
    secure = ("https", "http") if issuer.startswith("http://") else ("https",)
    try:
        parts = urlsplit(found) if isinstance(found, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in secure or not parts.hostname:
        raise FetchFailed(f"the issuer's metadata has no usable {member}")
    return str(found)
