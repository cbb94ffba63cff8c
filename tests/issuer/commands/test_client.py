"""`mcp-issuer client`: add, show, list, rotate, invite and remove, in a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.issuer.commands.conftest import Shell
from tests.issuer.started import started

from issuer.commands.database import in_store
from issuer.model import User
from issuer.protocol import secret

WEB = ("--redirect-uri", "https://app.test/cb")


def add(shell: Shell, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(shell.ok("client", "add", "An app", *options))
    return made


def shown(shell: Shell, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shell.ok("client", "show", id))
    return found


def test_a_public_client_of_people(shell: Shell):
    made = add(shell, *WEB)
    assert "client_secret" not in made
    assert {name: made[name] for name in ("client_name", "redirect_uris", "grant_types", "scope")} == {
        "client_name": "An app",
        "redirect_uris": ["https://app.test/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "mcp:tools notes:read notes:write",
    }
    assert made["token_endpoint_auth_method"] == "none"
    assert shown(shell, made["client_id"]) == {"origin": "operator", **made}


def test_a_secret_is_printed_once_and_kept_as_a_hash(shell: Shell):
    made = add(shell, "--confidential", "--id", "web-app", *WEB)
    assert made["client_id"] == "web-app"
    assert made["client_secret"].startswith(secret.CLIENT_SECRET)
    assert "client_secret" not in shown(shell, "web-app")
    assert made["client_secret"] not in shell.ok("client", "list")
    stored = b"".join(path.read_bytes() for path in (shell.folder / ".data").iterdir())
    assert made["client_secret"].encode() not in stored
    assert secret.digest(made["client_secret"]).encode() in stored


def test_scopes_outside_the_settings(shell: Shell):
    """In development all are granted; elsewhere a request for them would drop them without a word."""
    known = shell.process("client", "add", "x", "--scope", "mcp:tools")
    assert "--scope" not in known.stderr
    strange = shell.process("client", "add", "x", "--scope", "mcp:tols")
    assert strange.returncode == 0
    assert "--scope names more than ISSUER_SCOPES" in strange.stderr
    shell.setenv("ISSUER", "https://id.example.com")
    assert shell.fails("client", "add", "x", "--scope", "mcp:tols") == "--scope names scopes of ISSUER_SCOPES"
    add(shell, "--scope", "notes:read")


def test_without_redirect_uris_it_is_a_machine(shell: Shell):
    made = add(shell, "--scope", "a b", "--resource", "http://127.0.0.1:8000/mcp")
    assert made["grant_types"] == ["client_credentials"]
    assert (made["token_endpoint_auth_method"], made["scope"]) == ("client_secret_basic", "a b")
    assert made["redirect_uris"] == []


def test_a_client_that_signs(shell: Shell):
    key = ECKey.generate_key("P-256")
    (shell.folder / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    made = add(shell, "--jwks", "jwks.json")
    assert (made["token_endpoint_auth_method"], "client_secret" in made) == ("private_key_jwt", False)
    (shell.folder / "private.json").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    assert "private" in shell.fails("client", "add", "x", "--jwks", "private.json")
    (shell.folder / "junk.json").write_text("{")
    for name in ("junk.json", "absent.json"):
        assert "--jwks" in shell.fails("client", "add", "x", "--jwks", name)


@pytest.mark.parametrize(
    "options",
    [
        ("--redirect-uri", "http://evil.test/cb"),
        ("--redirect-uri", "https://[x]/cb"),
        ("--grant", "authorization_code"),
        ("--public", "--grant", "refresh_token", *WEB),
        ("--resource", "https://other.test"),
        ("--resource-server", "https://other.test"),
        ("--scope", 'a"b', *WEB),
        ("--id", "", *WEB),
        ("--id", "a\nb", *WEB),
        ("--id", "a\x1b[1mb", *WEB),
        ("--id", "\udc80", *WEB),
        ("--id", "x" * 201, *WEB),
        ("--id", "usr_0123456789", *WEB),
        ("--id", "alice", *WEB),
    ],
)
def test_what_cannot_be_added_is_one_line_and_adds_nothing(shell: Shell, options: tuple[str, ...]):
    shell.ok("db", "upgrade")
    shell.fails("client", "add", "An app", *options)
    assert shell.ok("client", "list") == ""


def test_public_is_never_made_confidential(shell: Shell):
    shell.ok("db", "upgrade")
    assert "--redirect-uri" in shell.fails("client", "add", "An app", "--public")
    for where in ((), WEB):
        said = shell.fails("client", "add", "An app", "--public", "--grant", "client_credentials", *where)
        assert "leave out --public" in said
    assert shell.ok("client", "list") == ""


def test_the_client_of_each_start_is_not_added_by_hand(shell: Shell):
    """Its secret would be replaced by the next start."""
    assert "CLIENT_ID" in shell.fails("client", "add", "An app", "--id", "mcp-client", *WEB)
    shell.setenv("CLIENT_ID", "another")
    assert "CLIENT_ID" in shell.fails("client", "add", "An app", "--id", "another", *WEB)
    assert add(shell, "--id", "mcp-client", *WEB)["client_id"] == "mcp-client"


def test_the_subject_of_a_person_is_nobody_elses(shell: Shell):
    """A client's own tokens bear its id as their subject. Alice may have stayed from when this was for development."""
    shell.setenv("ISSUER", "https://issuer.test")
    add(shell, "--id", "bob", *WEB)
    in_store(lambda tx: tx.users.add(User(subject="alice", username="alice", created_at=1)))
    assert "subject" in shell.fails("client", "add", "An app", "--id", "alice", *WEB)


def test_an_id_is_given_once(shell: Shell):
    add(shell, "--id", "web-app", *WEB)
    assert "--id" in shell.fails("client", "add", "Another", "--id", "web-app", *WEB)
    assert shown(shell, "web-app")["client_name"] == "An app"


def test_list_and_remove(shell: Shell):
    add(shell, "--id", "one", *WEB)
    add(shell, "--id", "two", "--confidential", *WEB)
    assert shell.ok("client", "list").splitlines() == [
        "one  operator  none  An app",
        "two  operator  client_secret_basic  An app",
    ]
    shell.ok("client", "remove", "one")
    assert shell.ok("client", "list").splitlines() == ["two  operator  client_secret_basic  An app"]
    for action in ("show", "remove", "rotate"):
        assert "client list" in shell.fails("client", action, "one")


def test_rotation_lets_the_old_secret_go_on_for_a_while(shell: Shell):
    old = add(shell, "--id", "web-app", "--confidential", *WEB)["client_secret"]
    new = json.loads(shell.ok("client", "rotate", "web-app", "--overlap", "100"))["client_secret"]
    assert new != old
    with _issuer(shell) as issuer:
        assert _known(issuer, old)
        assert _known(issuer, new)
        issuer.clock.now += 101
        assert not _known(issuer, old)
        assert _known(issuer, new)
    add(shell, "--id", "public", *WEB)
    assert "no secret" in shell.fails("client", "rotate", "public")


def _issuer(shell: Shell) -> Any:
    database = str(shell.folder / ".data" / "issuer.db")
    return started(shell.folder, ISSUER_DATABASE=database, ISSUER_REGISTRATION="token")


def _known(issuer: Any, plain: str) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    answer = issuer.http.post("/token", data=form, auth=("web-app", plain))
    return bool(answer.json()["error"] == "invalid_grant")


def test_an_invitation_is_good_for_the_running_issuer(shell: Shell):
    shell.setenv("ISSUER_REGISTRATION", "token")
    once = shell.ok("client", "invite").strip()
    many = shell.ok("client", "invite", "--many", "--hours", "1").strip()
    with _issuer(shell) as issuer:

        def register(token: str) -> int:
            document = {"redirect_uris": ["https://app.test/cb"]}
            headers = {"Authorization": f"Bearer {token}"}
            return int(issuer.http.post("/register", json=document, headers=headers).status_code)

        assert [register(once), register(once)] == [201, 401]
        assert [register(many), register(many)] == [201, 201]
        issuer.clock.now += 3601
        assert register(many) == 401


def test_nobody_is_invited_where_registration_is_off(shell: Shell):
    shell.setenv("ISSUER", "https://id.example.com")
    assert "ISSUER_REGISTRATION=token" in shell.fails("client", "invite")
    assert shell.left() == set()


@pytest.mark.parametrize("hours", ["0", "-1", "1000000000000"])
def test_an_invitation_is_for_some_hours(shell: Shell, hours: str):
    assert "--hours" in shell.fails("client", "invite", "--hours", hours)


def test_a_database_that_cannot_be_used_is_one_line(shell: Shell):
    (shell.folder / ".data").write_text("a file")
    shell.fails("client", "list")
    shell.setenv("ISSUER_DATABASE", "/proc/no/such/issuer.db")
    shell.fails("client", "list")
    (shell.folder / "junk.db").write_bytes(b"this is no database" * 100)
    shell.setenv("ISSUER_DATABASE", "junk.db")
    shell.fails("client", "list")
    assert (shell.folder / "junk.db").read_bytes() == b"this is no database" * 100


def test_the_secret_of_the_settings_is_rotated_in_the_settings(shell: Shell):
    assert "CLIENT_SECRET" in shell.fails("client", "rotate", "mcp-client")
