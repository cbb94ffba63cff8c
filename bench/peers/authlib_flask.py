"""Authlib's authorization server on Flask, for gunicorn: client_credentials, RFC 9068 tokens, everything in memory."""

from __future__ import annotations

from os import environ
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response
from joserfc.jwk import ECKey, RSAKey

ALG = environ.get("ALG", "RS256")
SECRET = "bench-secret-bench-secret-bench-secret"
PARAMETERS: Any = {"kid": "bench", "alg": ALG, "use": "sig"}
KEY: Any = RSAKey.generate_key(2048, PARAMETERS) if ALG == "RS256" else ECKey.generate_key("P-256", PARAMETERS)


class Client(ClientMixin):
    """The one client there is."""

    client_id = "machine"

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        return "mcp:tools"

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class Generator(JWTBearerTokenGenerator):
    def get_jwks(self) -> Any:
        return KEY

    def get_audiences(self, client: Any, user: Any, scope: Any) -> str:
        return environ["RESOURCE"]


app = Flask(__name__)
server = AuthorizationServer(
    app, query_client=lambda id: Client() if id == "machine" else None, save_token=lambda *_: None
)
server.register_token_generator("default", Generator(issuer=f"http://127.0.0.1:{environ['PORT']}", alg=ALG))
server.register_grant(grants.ClientCredentialsGrant)


@app.post("/token")
def token() -> Response:
    found: Response = server.create_token_response()
    return found


@app.get("/ready")
def ready() -> str:
    return "ok"
