"""What a person's browser brings to a page and cannot be used is answered by a page."""

from __future__ import annotations

import dataclasses

import pytest
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, answer_of, form_of

from issuer.web.sealed import seal, unseal


@pytest.mark.parametrize("path", ["/authorize", "/consent", "/logout"])
@pytest.mark.parametrize("query", ["state=%zz", "state=%ff", "state=%00", "a&" * 200])
def test_a_query_that_cannot_be_read_is_refused_by_a_page(issuer: Issuer, path: str, query: str):
    response = issuer.http.get(f"{path}?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")
    assert "The request cannot be read" in response.text


@pytest.mark.parametrize("path", ["/authorize", "/consent", "/login", "/logout", "/account"])
@pytest.mark.parametrize("body", [b"state=%zz", b"state=%ff", b"state=%00", b"a&" * 1200, b"a=b"])
def test_so_is_a_form_of_another_site_or_kind(issuer: Issuer, path: str, body: bytes):
    kind = "text/plain" if body == b"a=b" else "application/x-www-form-urlencoded"
    response = issuer.http.post(path, content=body, headers={"content-type": kind})
    assert response.status_code == (415 if body == b"a=b" else 400)
    assert response.headers["content-type"].startswith("text/html")
    assert "The request cannot be read" in response.text


def test_a_posted_request_is_answered_like_one_by_address(client: Client, person: Person):
    moved = person.http.post("/authorize", data=client.parameters())
    assert moved.status_code == 303
    assert 'name="password"' in person.http.get(moved.headers["location"]).text
    twice = {**client.parameters(), "scope": ["a", "b"]}
    assert answer_of(person.http.post("/authorize", data=twice))["error"] == "invalid_request"
    page = person.http.post("/authorize", data={**client.parameters(), "client_id": [client.id] * 2})
    assert page.status_code == 400
    assert "The request names the program or its address twice." in page.text


def test_a_posted_request_that_no_address_can_hold_is_refused_at_once(client: Client, person: Person):
    for path in ("/authorize", "/logout"):
        page = person.http.post(path, data={**client.parameters(), "more": "m" * 20_000})
        assert page.status_code == 400
        assert "All parameters together may have 15000 bytes." in page.text


@pytest.mark.parametrize("change", [{"since": 2}, {"fresh": ...}], ids=["a field more", "a field less"])
def test_a_page_of_another_version_starts_again(
    issuer: Issuer, client: Client, person: Person, change: dict[str, object]
):
    """Replicas of two versions run side by side while they are replaced."""
    form = form_of(person.consent_page(client))
    content = unseal(issuer.server.secret, form.fields["transaction"])
    assert content is not None
    other = {name: value for name, value in (content | change).items() if value is not ...}
    form = dataclasses.replace(form, fields=form.fields | {"transaction": seal(issuer.server.secret, other)})
    response = person.post(form, decision="approve")
    assert response.status_code == 403
    assert "This page can no longer be used" in response.text
