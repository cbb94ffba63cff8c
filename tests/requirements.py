"""The specifications as data: each requirement the code answers to, in one sentence, and where that lives.

A test bears the ids of what it proves: `@requirement("rfc7636-4.6")`. A test fails when a requirement has no test or
a test names none; README's spec map is made from this list.
"""

# ruff: noqa: E501 - a table

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import pytest
from tests.support.machine import ROOT


@dataclass(frozen=True)
class Requirement:
    """`id` is the specification and section, with a letter where one section says several things; sections of
    specifications without numbers have names, and what they say stands behind a slash.

    where: the file that does it, below issuer/src/issuer or resource/src/resource_server.
    """

    id: str
    sentence: str
    where: str
    divergence: str | None = None

    @property
    def spec(self) -> str:
        return self.id.partition("-")[0]

    @property
    def section(self) -> str:
        return re.sub(r"(?<=\d)[a-z]$|/.*", "", self.id.partition("-")[2])


SPECS = {  # key -> name, and where to read it
    "mcp": (
        "MCP authorization 2026-07-28",
        "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization",
    ),
    "oauth21": ("OAuth 2.1, draft 13", "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13"),
    "rfc6749": ("RFC 6749 OAuth 2.0", "https://www.rfc-editor.org/rfc/rfc6749"),
    "rfc6750": ("RFC 6750 Bearer tokens", "https://www.rfc-editor.org/rfc/rfc6750"),
    "rfc7009": ("RFC 7009 Revocation", "https://www.rfc-editor.org/rfc/rfc7009"),
    "rfc7517": ("RFC 7517 JSON Web Key", "https://www.rfc-editor.org/rfc/rfc7517"),
    "rfc7523": ("RFC 7523 JWT client authentication", "https://www.rfc-editor.org/rfc/rfc7523"),
    "rfc7591": ("RFC 7591 Dynamic client registration", "https://www.rfc-editor.org/rfc/rfc7591"),
    "rfc7592": ("RFC 7592 Client configuration", "https://www.rfc-editor.org/rfc/rfc7592"),
    "rfc7636": ("RFC 7636 PKCE", "https://www.rfc-editor.org/rfc/rfc7636"),
    "rfc7638": ("RFC 7638 JWK thumbprint", "https://www.rfc-editor.org/rfc/rfc7638"),
    "rfc7662": ("RFC 7662 Introspection", "https://www.rfc-editor.org/rfc/rfc7662"),
    "rfc8252": ("RFC 8252 Native apps", "https://www.rfc-editor.org/rfc/rfc8252"),
    "rfc8414": ("RFC 8414 Server metadata", "https://www.rfc-editor.org/rfc/rfc8414"),
    "rfc8707": ("RFC 8707 Resource indicators", "https://www.rfc-editor.org/rfc/rfc8707"),
    "rfc8725": ("RFC 8725 JWT best practices", "https://www.rfc-editor.org/rfc/rfc8725"),
    "rfc9068": ("RFC 9068 JWT access tokens", "https://www.rfc-editor.org/rfc/rfc9068"),
    "rfc9110": ("RFC 9110 HTTP semantics", "https://www.rfc-editor.org/rfc/rfc9110"),
    "rfc9112": ("RFC 9112 HTTP/1.1", "https://www.rfc-editor.org/rfc/rfc9112"),
    "rfc9207": ("RFC 9207 Issuer identification", "https://www.rfc-editor.org/rfc/rfc9207"),
    "rfc9700": ("RFC 9700 OAuth security", "https://www.rfc-editor.org/rfc/rfc9700"),
    "rfc9728": ("RFC 9728 Protected resource metadata", "https://www.rfc-editor.org/rfc/rfc9728"),
    "cimd": (
        "OAuth client ID metadata documents, draft 00",
        "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00",
    ),
    "oidc": ("OpenID Connect Core 1.0", "https://openid.net/specs/openid-connect-core-1_0.html"),
    "oidcd": ("OpenID Connect Discovery 1.0", "https://openid.net/specs/openid-connect-discovery-1_0.html"),
    "logout": (
        "OpenID Connect RP-Initiated Logout 1.0",
        "https://openid.net/specs/openid-connect-rpinitiated-1_0.html",
    ),
}

_LIST = (
    # the authorization server, as MCP wants it
    Requirement("mcp-overview/metadata", "The server publishes authorization server metadata.", "issuer/endpoints/discovery.py"),
    Requirement("mcp-server-discovery/issuer", "`issuer` is the identifier that the metadata's address was built from.", "issuer/endpoints/discovery.py"),
    Requirement("mcp-security/pkce-advertised", "Both documents say `code_challenge_methods_supported`.", "issuer/endpoints/authorize.py"),
    Requirement("mcp-client-registration/dynamic", "Clients may register themselves.", "issuer/endpoints/register.py", "Deprecated in this revision; open in development, off elsewhere unless set."),
    Requirement("mcp-response-validation/iss", "`iss` is in every authorization response, errors included.", "issuer/web/redirect.py"),
    Requirement("mcp-security/short-lived", "Access tokens are short-lived.", "issuer/settings.py"),
    Requirement("mcp-security/rotation", "Refresh tokens are rotated.", "issuer/grants/refresh_token.py", "For 60 seconds an honest retry gets the same successor."),
    Requirement("mcp-security/redirect-exact", "A redirect URI is compared exactly with the registered ones.", "issuer/protocol/redirect_uri.py"),
    Requirement("mcp-security/redirect-untrusted", "Nobody is sent to an address that was not verified.", "issuer/web/redirect.py"),
    Requirement("mcp-client-registration/consent", "Consent shows the host the person is sent to, and warns of loopback.", "issuer/web/interaction.py"),
    Requirement("mcp-refresh-tokens/offline-access", "`offline_access` is in no document of the resource.", "resource/metadata.py"),
    Requirement("mcp-resource-parameter/audience", "The token's audience is the requested resource.", "issuer/protocol/resource.py"),
    # the MCP server
    Requirement("mcp-overview/protected-resource", "The resource publishes metadata that names its authorization server.", "resource/metadata.py"),
    Requirement("mcp-server-discovery/challenge", "The 401 challenge says where that metadata is.", "resource/answers.py"),
    Requirement("mcp-scope-selection/challenge", "The challenge names the scope that is needed.", "resource/answers.py"),
    Requirement("mcp-token-handling/audience", "A token for another audience is refused.", "resource/verifier.py"),
    Requirement("mcp-error-handling/401", "An invalid or expired token is 401.", "resource/bearer.py"),
    Requirement("mcp-token-requirements/query", "A token in the query string is no token.", "resource/bearer.py"),
    Requirement("mcp-transport-security/origin", "A foreign Origin is 403.", "resource/browser.py"),
    Requirement("mcp-scope-challenge/403", "Too little scope is 403 and names all that the operation needs.", "resource/enforcement.py"),
    Requirement("mcp-step-up/hierarchy", "A wider scope suffices where a narrower one is asked for.", "resource/scopes.py"),
    Requirement("mcp-token-handling/passthrough", "No token is passed on to an upstream.", "resource/upstream_web.py"),
    # OAuth
    Requirement("rfc6749-3.1", "A parameter that is not known is ignored, a repeated one refused.", "issuer/web/form.py"),
    Requirement("rfc6749-3.2", "Token requests are POSTs of forms.", "issuer/web/form.py"),
    Requirement("rfc6749-4.1.2a", "A code lives at most ten minutes and is used once.", "issuer/grants/authorization_code.py"),
    Requirement("rfc6749-4.1.2b", "A replayed code ends everything that was issued for it.", "issuer/grants/authorization_code.py", "Only when the replay is right in everything else: a leaked code is no kill switch."),
    Requirement("rfc6749-4.1.2.1", "Without a verified redirect URI the person is informed and not redirected.", "issuer/web/page_error.py"),
    Requirement("rfc6749-4.1.3", "A code is redeemed with the redirect URI and by the client it was issued for.", "issuer/grants/authorization_code.py"),
    Requirement("rfc6749-4.4.3", "The client credentials grant issues no refresh token.", "issuer/grants/client_credentials.py"),
    Requirement("rfc6749-5.1", "Token responses are JSON with `no-store`, and say the granted scope.", "issuer/endpoints/token.py"),
    Requirement("rfc6749-5.2a", "Errors are JSON: a registered code, and text without quotes or backslashes.", "issuer/errors.py"),
    Requirement("rfc6749-5.2b", "Failed client authentication by header is 401 with a challenge.", "issuer/web/client_auth.py"),
    Requirement("rfc6749-6", "A refresh never widens scope.", "issuer/grants/refresh_token.py"),
    Requirement("oauth21-4.3.1", "Reuse of a rotated refresh token ends its family.", "issuer/grants/refresh_token.py"),
    Requirement("oauth21-7.5.2", "PKCE is required of every client.", "issuer/protocol/pkce.py"),
    Requirement("rfc7636-4.2", "A challenge is the base64url of a SHA-256.", "issuer/protocol/pkce.py", "`plain` is not offered."),
    Requirement("rfc7636-4.6", "The verifier must match the challenge.", "issuer/protocol/pkce.py"),
    Requirement("rfc8252-7.3", "A loopback redirect URI may use any port.", "issuer/protocol/redirect_uri.py", "Also for `localhost`, as many clients register it."),
    Requirement("rfc8707-2.1", "An unknown resource is `invalid_target` at the authorization endpoint.", "issuer/protocol/resource.py"),
    Requirement("rfc8707-2.2", "A token request may narrow the resources and not widen them.", "issuer/protocol/resource.py"),
    Requirement("rfc9207-2", "`iss` is in responses and errors, and equals the metadata's `issuer`.", "issuer/web/redirect.py"),
    Requirement("rfc9207-3", "The metadata says that `iss` is sent.", "issuer/endpoints/authorize.py"),
    Requirement("rfc9700-4.12", "After a form is posted the browser is redirected by 303.", "issuer/web/redirect.py"),
    # metadata and keys
    Requirement("rfc8414-2", "What the metadata promises exists.", "issuer/endpoints/discovery.py"),
    Requirement("rfc8414-3.1", "For an issuer with a path, the path follows the well-known part.", "issuer/endpoints/discovery.py"),
    Requirement("oidcd-4.1", "For OpenID the well-known part follows the path.", "issuer/endpoints/discovery.py"),
    Requirement("rfc7517-5", "The keys are a JWK Set without private members.", "issuer/endpoints/jwks.py"),
    Requirement("rfc9068-2.1", "Access tokens say `typ: at+jwt`, and are signed.", "issuer/tokens.py"),
    Requirement("rfc9068-2.2", "Access tokens have iss, exp, aud, sub, client_id, iat, jti.", "issuer/tokens.py"),
    Requirement("rfc9068-4", "The resource checks type, signature, issuer, audience and expiry.", "resource/verifier.py"),
    # registration
    Requirement("rfc7591-2", "What is absent gets the defaults of the specification.", "issuer/protocol/client_metadata.py"),
    Requirement("rfc7591-3.2.1", "The answer is 201 with all registered metadata.", "issuer/endpoints/register.py"),
    Requirement("rfc7591-3.2.2", "A bad redirect URI is `invalid_redirect_uri`.", "issuer/protocol/redirect_uri.py"),
    Requirement("rfc7592-2.1", "A client reads its registration with its registration access token.", "issuer/endpoints/client_configuration.py"),
    Requirement("rfc7592-2.2", "An update replaces the whole registration.", "issuer/endpoints/client_configuration.py"),
    Requirement("rfc7592-2.3", "A deleted client is gone, with all that was granted to it.", "issuer/endpoints/client_configuration.py"),
    Requirement("cimd-client-identifier", "A client_id that is an https URL with a path names a document.", "issuer/protocol/client_document.py"),
    Requirement("cimd-document/client-id", "The document's client_id is that URL, character by character.", "issuer/protocol/client_document.py"),
    Requirement("cimd-document/no-secret", "A document holds no shared secret.", "issuer/protocol/client_document.py"),
    Requirement("cimd-redirect-uris", "A redirect URI is one that the document lists.", "issuer/protocol/client_document.py"),
    Requirement("cimd-caching", "A document is kept as long as its headers allow, within bounds.", "issuer/documents.py"),
    Requirement("cimd-special-use-addresses", "Addresses of special use are never fetched from.", "issuer/resolver.py"),
    Requirement("rfc7523-3", "A client assertion names its client, this server, and an end; it is used once.", "issuer/protocol/assertion.py"),
    Requirement("rfc7638-3", "A `kid` is the SHA-256 thumbprint of its key.", "issuer/signing_key.py"),
    Requirement("rfc8725-3.1", "The algorithm is chosen by configuration and key, never by the token alone.", "resource/verifier.py"),
    Requirement("rfc8725-3.11", "A token of another type is refused.", "resource/verifier.py"),
    # tokens afterwards
    Requirement("rfc7009-2.1", "Revoking a refresh token ends its grant.", "issuer/endpoints/revoke.py"),
    Requirement("rfc7009-2.2", "An unknown token is 200 too.", "issuer/endpoints/revoke.py"),
    Requirement("rfc7662-2.1", "Introspection needs an authenticated client.", "issuer/endpoints/introspect.py"),
    Requirement("rfc7662-2.2", "A token that does not stand is `{\"active\": false}` and nothing else.", "issuer/endpoints/introspect.py"),
    # the resource
    Requirement("rfc6750-3", "A refusal carries a Bearer challenge.", "resource/answers.py"),
    Requirement("rfc6750-3.1", "Without a token the challenge has no error code; with a bad one it is `invalid_token`.", "resource/bearer.py"),
    Requirement("rfc9728-2", "The metadata names resource, authorization servers, scopes and the header method.", "resource/metadata.py"),
    Requirement("rfc9728-3.1", "The resource's path follows the well-known part.", "resource/metadata.py"),
    # OpenID Connect
    Requirement("oidc-2", "An ID token has iss, sub, aud, exp, iat, and the `nonce` that was sent.", "issuer/tokens.py"),
    Requirement("oidc-3.1.2.1", "`prompt`, `max_age` and `id_token_hint` are honoured; `none` shows no page.", "issuer/protocol/authorization.py"),
    Requirement("oidc-3.1.3.6", "`at_hash` binds the ID token to the access token.", "issuer/tokens.py"),
    Requirement("oidc-5.3", "UserInfo answers for a token that was granted `openid`, and for no other.", "issuer/endpoints/userinfo.py"),
    Requirement("logout-3", "A person returns only to a registered address, after being asked.", "issuer/endpoints/logout.py"),
    # HTTP, both services
    Requirement("rfc9110-7.4", "A request for another host is 421.", "issuer/guard.py"),
    Requirement("rfc9110-7.8", "An Upgrade that is not understood is ignored, its body kept.", "issuer/connection.py"),
    Requirement("rfc9112-3.2", "No Host, or two, is 400.", "issuer/connection.py"),
    Requirement("rfc9112-5.1", "Blanks around a header's value are no part of it.", "issuer/connection.py"),
    Requirement("rfc9112-6.3", "Ambiguous framing is 400 and ends the connection.", "issuer/connection.py"),
    Requirement("rfc9112-9.3.2", "Answers go out in the order of their requests.", "issuer/connection.py"),
    Requirement("rfc9112-9.6", "A refused client can read the answer before the connection ends.", "issuer/connection.py"),
)  # fmt: skip

REQUIREMENTS = {found.id: found for found in _LIST}


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Marks a test as a proof of these requirements."""
    unknown = [identity for identity in ids if identity not in REQUIREMENTS]
    if unknown:
        raise ValueError(f"tests/requirements.py does not list {', '.join(unknown)}")
    return pytest.mark.requirement(*ids)


def proven() -> dict[str, set[str]]:
    """Requirement -> the test files that prove it, whether or not they are run now."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "node_modules" not in path.parts:
            for marks in re.findall(r"^@requirement\(([^)]*)\)", path.read_text(), re.MULTILINE):
                for identity in re.findall(r'"([^"]+)"', marks):
                    found[identity].add(str(path.relative_to(ROOT)))
    return found


def source(found: Requirement) -> str:
    """The path of the file that a requirement names."""
    service, _, path = found.where.partition("/")
    return f"{service}/src/{'issuer' if service == 'issuer' else 'resource_server'}/{path}"


def spec_map() -> str:
    """README's table: each specification, its sections, and the files that own them."""
    rows = ["| specification | sections | where |", "|---|---|---|"]
    for key, (name, address) in SPECS.items():
        those = [found for found in _LIST if found.spec == key]
        sections = ", ".join(dict.fromkeys(found.section for found in those))
        files = ", ".join(f"[`{path}`]({path})" for path in dict.fromkeys(map(source, those)))
        rows.append(f"| [{name}]({address}) | {sections} | {files} |")
    rows += ["", "Narrower or wider than the text, with intent:", ""]
    rows += [
        f"- {SPECS[found.spec][0]} {found.section}: {found.sentence} {found.divergence}"
        for found in _LIST
        if found.divergence
    ]
    return "\n".join(rows)
