"""Machines: the client_credentials and private_key_jwt providers of every SDK, and the life of their tokens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastmcp import Client as FastMCPClient
from fastmcp.client import auth as fastmcp_auth
from httpx2 import AsyncClient, Auth
from mcp import Client
from mcp.client.auth.extensions import client_credentials as mcp_auth
from mcp.client.streamable_http import streamable_http_client
from tests.pair.clients.mcp_client import Store
from tests.pair.foreign import PROCESSES, assert_worked, run
from tests.support import node
from tests.support.servers import Pair, clean_environment

pytestmark = PROCESSES


@dataclass(frozen=True)
class Machine:
    """A client with a secret, or with a private key."""

    client_id: str
    secret: str = ""
    key: str = ""


@pytest.fixture
def with_secret(pair: Pair) -> Machine:
    return Machine("mcp-client", secret=(pair.keys / "mcp-client.secret").read_text().strip())


@pytest.fixture
def with_key(pair: Pair, tmp_path: Path) -> Machine:
    private = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [jwk]}))
    added = subprocess.run(
        [sys.executable, "-m", "issuer", "client", "add", "machine", "--jwks", str(jwks)],
        cwd=pair.services["issuer"].folder,
        env=clean_environment(ISSUER=pair.issuer, ISSUER_RESOURCES=pair.mcp),
        capture_output=True,
        text=True,
        check=True,
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Machine(json.loads(added.stdout)["client_id"], key=pem)


async def whoami_by_mcp(pair: Pair, auth: Auth) -> dict[str, Any]:
    async with AsyncClient(auth=auth) as http, Client(streamable_http_client(pair.mcp, http_client=http)) as client:
        answer = (await client.call_tool("whoami", {})).structured_content
        assert answer is not None
        return dict(answer)


async def whoami_by_fastmcp(pair: Pair, auth: Auth) -> dict[str, Any]:
    async with FastMCPClient(pair.mcp, auth=auth) as client:
        answer = (await client.call_tool("whoami", {})).structured_content
        assert answer is not None
        return dict(answer)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_python_sdk_with_a_secret(pair: Pair, with_secret: Machine, tmp_path: Path, method: Any) -> None:
    auth = mcp_auth.ClientCredentialsOAuthProvider(
        pair.mcp,
        Store(tmp_path / "store"),
        with_secret.client_id,
        with_secret.secret,
        token_endpoint_auth_method=method,
        issuer=pair.issuer,
    )
    assert (await whoami_by_mcp(pair, auth))["subject"] == "mcp-client"


async def test_python_sdk_with_a_key(pair: Pair, with_key: Machine, tmp_path: Path) -> None:
    signed = mcp_auth.SignedJWTParameters(
        issuer=with_key.client_id, subject=with_key.client_id, signing_key=with_key.key
    )
    auth = mcp_auth.PrivateKeyJWTOAuthProvider(
        pair.mcp, Store(tmp_path / "store"), with_key.client_id, signed.create_assertion_provider(), issuer=pair.issuer
    )
    assert (await whoami_by_mcp(pair, auth))["client_id"] == with_key.client_id


async def test_fastmcp_with_a_secret(pair: Pair, with_secret: Machine) -> None:
    auth = fastmcp_auth.ClientCredentialsOAuthProvider(
        pair.mcp, client_id=with_secret.client_id, client_secret=with_secret.secret, issuer=pair.issuer
    )
    assert (await whoami_by_fastmcp(pair, auth))["subject"] == "mcp-client"


async def test_fastmcp_with_a_key(pair: Pair, with_key: Machine) -> None:
    signed = fastmcp_auth.SignedJWTParameters(
        issuer=with_key.client_id, subject=with_key.client_id, signing_key=with_key.key
    )
    auth = fastmcp_auth.PrivateKeyJWTOAuthProvider(
        pair.mcp,
        client_id=with_key.client_id,
        assertion_provider=signed.create_assertion_provider(),
        issuer=pair.issuer,
    )
    assert (await whoami_by_fastmcp(pair, auth))["client_id"] == with_key.client_id


@pytest.fixture
def typescript(pair: Pair) -> Callable[..., dict[str, Any]]:
    def drive(program: str, machine: Machine, **environment: str) -> dict[str, Any]:
        who = {"CLIENT_ID": machine.client_id, "CLIENT_SECRET": machine.secret, **environment}
        return run(node.script(program), EXPECTED_ISSUER=pair.issuer, MCP_URL=pair.mcp, **who).result

    return drive


@pytest.mark.node
@pytest.mark.parametrize("line", ["v1", "v2"])
def test_typescript_sdk_with_a_secret(typescript: Callable[..., Any], with_secret: Machine, line: str) -> None:
    assert_worked(typescript("machine.mjs", with_secret, LINE=line), "mcp-client")


@pytest.mark.node
@pytest.mark.parametrize("line", ["v1", "v2"])
def test_typescript_sdk_with_a_key(
    typescript: Callable[..., Any], with_key: Machine, line: str, tmp_path: Path
) -> None:
    pem = tmp_path / "private.pem"
    pem.write_text(with_key.key)
    assert_worked(typescript("machine.mjs", with_key, LINE=line, PRIVATE_KEY=str(pem)), with_key.client_id)


@pytest.mark.node
def test_the_life_of_a_registration_and_of_a_token(typescript: Callable[..., Any], with_secret: Machine) -> None:
    found = typescript("lifecycle.mjs", with_secret)
    assert found["read"]["status"] == 200
    assert found["read"]["body"]["client_name"] == "lifecycle"
    assert found["changed"]["status"] == 200
    assert found["changed"]["body"]["client_name"] == "renamed"
    assert found["removed"]["status"] == 204
    assert found["gone"]["status"] == 401
    assert found["before"]["active"] is True
    assert found["before"]["client_id"] == "mcp-client"
    assert found["after"] == {"active": False}
