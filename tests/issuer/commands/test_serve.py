"""`mcp-issuer serve`: what it says when it starts, and why it does not."""

from __future__ import annotations

from pathlib import Path

from tests.support.servers import free_port, running


def test_who_is_signed_in_without_a_page_is_said_at_start(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"ISSUER": f"http://127.0.0.1:{port}", "ISSUER_PORT": port}
    with running("issuer", tmp_path, **settings, ISSUER_AUTO_APPROVE="alice") as service:
        [told] = [line for line in service.log().splitlines() if "ISSUER_AUTO_APPROVE" in line]
    assert "WARNING" in told
    assert "alice" in told
    with running("issuer", tmp_path / "other", **settings) as service:
        assert "ISSUER_AUTO_APPROVE" not in service.log()
