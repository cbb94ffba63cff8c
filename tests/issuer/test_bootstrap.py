"""What a start makes sure of: the client of the settings as they are now, and in development alice and bob."""

from __future__ import annotations

from pathlib import Path

from tests.issuer.started import Issuer, started

ONE, TWO = "http://127.0.0.1:8000/mcp", "http://127.0.0.1:8001/mcp"


def known(issuer: Issuer, plain: str, **form: str) -> bool:
    asked = {"grant_type": "client_credentials", **form}
    return issuer.http.post("/token", data=asked, auth=("mcp-client", plain)).status_code == 200


def test_its_secret_is_the_one_of_the_file_and_works(tmp_path: Path):
    with started(tmp_path) as issuer:
        plain = (tmp_path / "keys" / "mcp-client.secret").read_text().strip()
        assert known(issuer, plain)
        assert not known(issuer, "")
        assert not known(issuer, plain + "x")
    with started(tmp_path) as issuer:
        assert known(issuer, plain)


def test_a_new_secret_in_the_settings_counts_from_the_next_start(tmp_path: Path):
    with started(tmp_path, CLIENT_SECRET="first-secret-0123") as issuer:
        assert known(issuer, "first-secret-0123")
    with started(tmp_path, CLIENT_SECRET="second-secret-0123") as issuer:
        assert known(issuer, "second-secret-0123")
        assert not known(issuer, "first-secret-0123")


def test_it_follows_the_resources_and_scopes_of_the_settings(tmp_path: Path):
    plain = "0123456789abcdef"
    with started(tmp_path, CLIENT_SECRET=plain) as issuer:
        assert known(issuer, plain, resource=ONE, scope="mcp:tools")
    with started(tmp_path, CLIENT_SECRET=plain, ISSUER_RESOURCES=TWO, ISSUER_SCOPES="notes:read") as issuer:
        assert known(issuer, plain)
        assert known(issuer, plain, resource=TWO, scope="notes:read")
        assert not known(issuer, plain, resource=ONE)
        assert not known(issuer, plain, scope="mcp:tools")


def test_its_history_stays_and_nothing_is_written_when_nothing_changed(tmp_path: Path):
    with started(tmp_path, now=1_800_000_000) as issuer:
        before = issuer.run(lambda tx: tx.clients.get("mcp-client"))
    with started(tmp_path, now=1_800_000_500) as issuer:
        assert issuer.run(lambda tx: tx.clients.get("mcp-client")) == before


def test_alice_and_bob_are_for_development(tmp_path: Path):
    with started(tmp_path / "development") as issuer:
        people = issuer.run(lambda tx: tx.users.all())
        assert {(user.username, user.name, user.password_hash) for user in people} == {
            ("alice", "Alice", None),
            ("bob", "Bob", None),
        }
    with started(tmp_path / "public", ISSUER="https://id.test") as issuer:
        assert issuer.run(lambda tx: tx.users.all()) == []
