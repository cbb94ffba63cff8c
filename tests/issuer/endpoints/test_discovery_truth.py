"""Row KEY-11: each value that discovery advertises works, and what it does not advertise fails."""

from __future__ import annotations

import dataclasses
import hmac
import http.server
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import jwt
import pytest
from joserfc import jwt as signing
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.hostile.forge import b64
from tests.issuer.endpoints.conftest import MACHINE_SECRET, operator_client
from tests.issuer.started import Issuer, started
from tests.support.oauth import Client, Person, answer_of, claims, form_of

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MACHINE = ("client_credentials",)
KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}
Test = TypeVar("Test", bound=Callable[..., Any])
held: set[str] = set()


def holds(*members: str) -> Callable[[Test], Test]:
    """Marks the test that holds these members of the metadata against requests."""
    held.update(members)
    return lambda test: test


@pytest.fixture(scope="session")
def said(issuer: Issuer) -> dict[str, Any]:
    """The metadata."""
    found: dict[str, Any] = issuer.http.get("/.well-known/oauth-authorization-server").json()
    return found


def granted(client: Client, person: Person, **changes: Any) -> dict[str, Any]:
    """A whole grant by somebody who reads the pages: the token response."""
    page = person.consent_page(client, **changes)
    answer = client.redeem(answer_of(person.approve(page))["code"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def error_of(client: Client, **changes: Any) -> str:
    """What /authorize sends back to the client."""
    return answer_of(client.authorize(**changes))["error"]


# -- the authorization endpoint ----------------------------------------------------------------------------


@holds("issuer", "authorization_endpoint", "authorization_response_iss_parameter_supported")
def test_every_answer_says_who_sent_it(said: dict[str, Any], client: Client, person: Person):
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["authorization_endpoint"] == f"{said['issuer']}/authorize"
    good = answer_of(person.approve(person.consent_page(client)))
    bad = answer_of(client.authorize(response_type="token"))
    assert good["iss"] == bad["iss"] == said["issuer"]


@holds("response_types_supported")
def test_response_types(said: dict[str, Any], client: Client, person: Person):
    for kind in said["response_types_supported"]:
        assert "code" in answer_of(person.approve(person.consent_page(client, response_type=kind)))
    for other in ("token", "id_token", "code id_token", "code token", "id_token token", "none", "CODE"):
        assert other not in said["response_types_supported"]
        assert error_of(client, response_type=other) == "unsupported_response_type"


@holds("response_modes_supported")
def test_response_modes(said: dict[str, Any], client: Client, person: Person):
    assert set(said["response_modes_supported"]) == {"query", "form_post"}
    answer = person.approve(person.consent_page(client, response_mode="query"))
    assert "code" in answer_of(answer)
    posted = person.approve(person.consent_page(client, response_mode="form_post"))
    form = form_of(posted)
    assert (posted.status_code, form.action) == (200, client.redirect_uri)
    assert client.redeem(form.fields["code"]).status_code == 200
    for other in ("fragment", "web_message", "jwt", "query.jwt"):
        assert error_of(client, response_mode=other) == "invalid_request"


@holds("code_challenge_methods_supported")
def test_challenge_methods(said: dict[str, Any], client: Client, person: Person):
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert granted(client, person, code_challenge_method="S256")["access_token"]
    for other in ("plain", "s256", "S512", None):
        assert error_of(client, code_challenge_method=other) == "invalid_request"
    assert error_of(client, code_challenge=None, code_challenge_method=None) == "invalid_request"


@holds("prompt_values_supported")
def test_prompts(said: dict[str, Any], issuer: Issuer, client: Client, person: Person):
    """Each does what it is for; one that nobody advertises changes nothing (OpenID Connect Core §3.1.2.1)."""
    assert set(said["prompt_values_supported"]) == {"none", "login", "consent", "select_account"}
    assert error_of(client, prompt="none") == "login_required"
    trusted = operator_client(issuer, "prompted")
    assert granted(trusted, person)["access_token"]
    own = {"sec-fetch-site": "none"}

    def asked(**changes: Any) -> httpx.Response:
        return person.http.get("/authorize", params=trusted.parameters(**changes), headers=own)

    for quiet in (None, "none", "create"):
        assert "code" in answer_of(asked(prompt=quiet))
    assert "decision" in asked(prompt="consent").text
    for prompt in ("login", "select_account"):
        assert 'name="person"' in asked(prompt=prompt).text


@holds("scopes_supported")
def test_scopes(said: dict[str, Any], public: Issuer, client: Client, person: Person):
    scopes = said["scopes_supported"]
    assert "openid" in scopes
    assert len(set(scopes)) == len(scopes)
    for scope in scopes:
        assert granted(client, person, scope=scope)["scope"] == scope
    # Development takes any scope; what counts there is what the public issuer does.
    known = public.http.get("/.well-known/oauth-authorization-server").json()["scopes_supported"]
    machine = operator_client(public, "scoped", redirect_uris=("https://app.test/cb",))
    machine.redirect_uri = "https://app.test/cb"
    for scope in known:
        assert error_of(machine, scope=scope, prompt="none", resource=None) == "login_required", scope
    for other in ("admin", "mcp:tools2", "phone", "address", "OPENID"):
        assert other not in known
        assert error_of(machine, scope=other, prompt="none") == "invalid_scope"


@holds("request_parameter_supported", "request_uri_parameter_supported")
def test_request_objects(said: dict[str, Any], client: Client):
    assert said["request_parameter_supported"] is said["request_uri_parameter_supported"] is False
    assert error_of(client, request="e30.e30.") == "request_not_supported"
    assert error_of(client, request_uri="https://app.test/request") == "request_uri_not_supported"


@holds("client_id_metadata_document_supported")
def test_metadata_documents(said: dict[str, Any], tmp_path: Path, document: Callable[[], str]):
    assert said["client_id_metadata_document_supported"] is True
    for switch, works in (("1", True), ("0", False)):
        with started(tmp_path / switch, ISSUER_CIMD=switch, ISSUER_CIMD_LOOPBACK="1") as issuer:
            found = issuer.http.get("/.well-known/oauth-authorization-server").json()
            assert found.get("client_id_metadata_document_supported", False) is works
            page = Person(issuer.origin).consent_page(Client(issuer.http, document()))
            assert page.status_code == (200 if works else 400)
            assert ("By document" in page.text) is works


@pytest.fixture
def document() -> Iterator[Callable[[], str]]:
    """The address of a client's metadata document, published on loopback."""

    class Published(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://127.0.0.1:{server.server_port}/client.json"
            content = {"client_id": url, "client_name": "By document", "redirect_uris": ["http://127.0.0.1/callback"]}
            body = json.dumps({**content, "token_endpoint_auth_method": "none"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Published) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield lambda: f"http://127.0.0.1:{server.server_port}/client.json"
        server.shutdown()


# -- tokens ------------------------------------------------------------------------------------------------


@holds("token_endpoint", "grant_types_supported")
def test_grants(said: dict[str, Any], issuer: Issuer, client: Client, person: Person):
    machine = operator_client(issuer, "granted", grant_types=MACHINE, scope=("mcp:tools",))
    works: dict[str, Callable[[], Any]] = {
        "authorization_code": lambda: granted(client, person),
        "refresh_token": lambda: client.refresh(granted(client, person)["refresh_token"]).json(),
        "client_credentials": lambda: issuer.http.post(
            said["token_endpoint"], data=machine.form(grant_type="client_credentials")
        ).json(),
    }
    assert set(said["grant_types_supported"]) == works.keys()
    for grant in said["grant_types_supported"]:
        assert works[grant]()["access_token"], grant
    names = "device_code jwt-bearer token-exchange saml2-bearer".split()
    for other in ("password", "implicit", *(f"urn:ietf:params:oauth:grant-type:{name}" for name in names)):
        answer = issuer.http.post("/token", data=machine.form(grant_type=other))
        assert answer.json()["error"] == "unsupported_grant_type"


@holds("id_token_signing_alg_values_supported", "jwks_uri")
@pytest.mark.parametrize("alg", KEYS)
def test_signatures(tmp_path: Path, alg: str):
    """The one that is set is advertised, published, and verified by a library."""
    with started(tmp_path, ISSUER_SIGNING_ALG=alg, ISSUER_AUTO_APPROVE="alice") as issuer:
        said = issuer.http.get("/.well-known/oauth-authorization-server").json()
        assert said["id_token_signing_alg_values_supported"] == [alg]
        client = Client.register(issuer.http)
        tokens = client.tokens(scope="openid")
        keys = jwt.PyJWKSet.from_dict(issuer.http.get(said["jwks_uri"]).json())
        for token, audience in ((tokens["id_token"], client.id), (tokens["access_token"], None)):
            header = jwt.get_unverified_header(token)
            assert header["alg"] == alg
            checks = {"verify_aud": audience is not None, "verify_iat": False, "verify_exp": False}
            jwt.decode(token, keys[header["kid"]], [alg], audience=audience, issuer=issuer.origin, options=checks)  # type: ignore[arg-type]


@holds("claims_supported", "userinfo_endpoint")
def test_claims(said: dict[str, Any], issuer: Issuer, client: Client, person: Person):
    alice = issuer.run(lambda tx: tx.users.named("alice"))
    assert alice is not None
    issuer.run(lambda tx: tx.users.put(dataclasses.replace(alice, email="alice@a.test", name="Alice")))
    tokens = granted(client, person, scope="openid profile email", nonce="n")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    told = issuer.http.get(said["userinfo_endpoint"], headers=headers).json()
    assert set(said["claims_supported"]) == (claims(tokens["id_token"]) | told).keys() - {"iss", "aud", "iat", "exp"}


@holds("subject_types_supported")
def test_subjects_are_the_same_for_every_client(said: dict[str, Any], issuer: Issuer, client: Client, person: Person):
    assert said["subject_types_supported"] == ["public"]
    other = Client.register(issuer.http)
    assert len({claims(granted(each, person, scope="openid")["id_token"])["sub"] for each in (client, other)}) == 1


@holds("end_session_endpoint")
def test_signing_out(said: dict[str, Any], issuer: Issuer, client: Client, person: Person):
    token = granted(client, person, scope="openid")["id_token"]
    page = person.http.get(said["end_session_endpoint"], params={"id_token_hint": token, "client_id": client.id})
    assert page.status_code == 200
    done = person.post(form_of(page), decision="sign_out")
    assert done.status_code < 400
    assert 'name="person"' in person.open(client).text


# -- client authentication ---------------------------------------------------------------------------------


def proof(issuer: Issuer, method: str, alg: str = "ES256") -> dict[str, Any]:
    """A client of its own for this method, as keyword arguments of a POST that it proves itself by."""
    id = f"proves-{secrets.token_hex(4)}"
    jwks = {"jwks": {"keys": [key.as_dict(private=False) for key in KEYS.values()]}}
    confidential = {"grant_types": MACHINE, "scope": ("mcp:tools",), "auth_method": method}
    if method == "none":
        operator_client(issuer, id, auth_method="none", secrets=())
        return {"data": {"client_id": id}}
    if method == "private_key_jwt":
        operator_client(issuer, id, **confidential, secrets=(), metadata=jwks)
        return {"data": {"client_assertion_type": ASSERTION, "client_assertion": assertion(issuer, id, alg)}}
    operator_client(issuer, id, **confidential)
    if method == "client_secret_basic":
        return {"data": {}, "auth": (id, MACHINE_SECRET)}
    return {"data": {"client_id": id, "client_secret": MACHINE_SECRET}}


def assertion(issuer: Issuer, id: str, alg: str) -> str:
    now = issuer.clock.now
    content = {"iss": id, "sub": id, "aud": issuer.origin, "jti": secrets.token_hex(8), "iat": now, "exp": now + 60}
    if alg.startswith("HS"):
        signed = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(content).encode())}"
        return f"{signed}.{b64(hmac.digest(MACHINE_SECRET.encode(), signed.encode(), 'sha256'))}"
    kind = {"PS": "RS256", "RS": "RS256", "ES": "ES256"}.get(alg[:2], alg)
    return signing.encode({"alg": alg}, content, KEYS[kind], algorithms=[alg])


ENDPOINTS: dict[str, dict[str, str]] = {
    "token": {"grant_type": "client_credentials"},
    "revocation": {"token": "x"},
    "introspection": {"token": "x"},
}


def asked(issuer: Issuer, said: dict[str, Any], endpoint: str, **sent: Any) -> int:
    data = {**ENDPOINTS[endpoint], **sent.pop("data")}
    answer = issuer.http.post(said[f"{endpoint}_endpoint"], data=data, **sent)
    # A public client is no machine: that it is told so shows that it was known.
    known = answer.status_code == 200 or answer.json()["error"] == "unauthorized_client"
    assert known or answer.json()["error"] == "invalid_client", answer.text
    return 200 if known else 401


@holds(*(f"{endpoint}_endpoint_auth_methods_supported" for endpoint in ENDPOINTS))
@holds("revocation_endpoint", "introspection_endpoint")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_authentication_methods(issuer: Issuer, said: dict[str, Any], endpoint: str):
    methods = said[f"{endpoint}_endpoint_auth_methods_supported"]
    for method in ("none", "client_secret_basic", "client_secret_post", "private_key_jwt"):
        status = asked(issuer, said, endpoint, **proof(issuer, method))
        assert status == (200 if method in methods else 401), method
    assert not {"client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth"} & set(methods)
    id = proof(issuer, "client_secret_post")["data"]["client_id"]
    by_secret = {"client_assertion_type": ASSERTION, "client_assertion": assertion(issuer, id, "HS256")}
    assert asked(issuer, said, endpoint, data=by_secret) == 401


@holds(*(f"{endpoint}_endpoint_auth_signing_alg_values_supported" for endpoint in ENDPOINTS))
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_algorithms_of_assertions(issuer: Issuer, said: dict[str, Any], endpoint: str):
    algorithms = said[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
    assert set(algorithms) == KEYS.keys()
    for alg in (*KEYS, "PS256", "RS512", "HS256"):
        status = asked(issuer, said, endpoint, **proof(issuer, "private_key_jwt", alg))
        assert status == (200 if alg in algorithms else 401), alg


@holds("registration_endpoint")
def test_registration(issuer: Issuer, said: dict[str, Any]):
    document: dict[str, Any] = {"redirect_uris": ["http://127.0.0.1/callback"]}
    document["jwks"] = {"keys": [KEYS["ES256"].as_dict(private=False)]}
    for method in (*said["token_endpoint_auth_methods_supported"], "client_secret_jwt", "tls_client_auth"):
        sent = {**document, "token_endpoint_auth_method": method}
        status = issuer.http.post(said["registration_endpoint"], json=sent).status_code
        assert status == (201 if method in said["token_endpoint_auth_methods_supported"] else 400), method


def test_nothing_is_said_that_no_test_holds(said: dict[str, Any]):
    assert said.keys() == held
