"""What a person's browser brings to a page and cannot be used is answered by a page."""

from __future__ import annotations

import dataclasses

import pytest
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, form_of

from issuer.web.sealed import seal, unseal


@pytest.mark.parametrize("path", ["/authorize", "/consent", "/logout"])
@pytest.mark.parametrize("query", ["state=%zz", "state=%ff", "state=%00", "a&" * 200])
def test_a_query_that_cannot_be_read_is_refused_by_a_page(issuer: Issuer, path: str, query: str):
    response = issuer.http.get(f"{path}?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")
    assert "The request cannot be read" in response.text


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
