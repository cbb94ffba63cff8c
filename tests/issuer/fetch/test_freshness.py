"""How long an answer holds by its headers, however strange they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.protocol import freshness

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
LATER = "Sun, 22 Nov 2026 11:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([("Cache-Control", "public")], None),
        ([("Cache-Control", "max-age=600")], 600),
        ([("Cache-Control", 'MAX-AGE="600"')], 600),
        ([("Cache-Control", "max-age=600, s-maxage=60")], 60),
        ([("Cache-Control", "max-age=600"), ("Age", "100")], 500),
        ([("Cache-Control", "max-age=600"), ("Age", "9999")], 0),
        ([("Cache-Control", "max-age=600"), ("Age", "soon")], 600),
        ([("Cache-Control", "max-age=600"), ("Cache-Control", "max-age=60")], 60),
        ([("Cache-Control", "max-age=60"), ("Cache-Control", "max-age=nonsense")], 0),
        ([("Cache-Control", "max-age=600"), ("Cache-Control", "no-store")], 0),
        ([("Cache-Control", "no-cache"), ("Expires", LATER)], 0),
        ([("Cache-Control", "private, max-age=600")], 0),
        ([("Cache-Control", "max-age=-1")], 0),
        ([("Cache-Control", "max-age=1000000000000")], 1000000000000),
        ([("Cache-Control", "max-age=" + "9" * 5000)], 0),
        ([("Cache-Control", "max-age=1e9")], 0),
        ([("Expires", LATER), ("Date", DATE)], 3600),
        ([("Expires", DATE), ("Date", LATER)], 0),
        ([("Expires", "0"), ("Date", DATE)], 0),
        ([("Expires", "garbage"), ("Date", DATE)], 0),
        ([("Expires", LATER)], 0),
        ([("Cache-Control", "max-age=5"), ("Expires", LATER), ("Date", DATE)], 5),
    ],
)
def test_seconds(headers: list[tuple[str, str]], seconds: int | None) -> None:
    assert freshness.seconds(headers) == seconds


names = st.sampled_from(["Cache-Control", "Expires", "Date", "Age"])
values = st.one_of(
    st.text(max_size=80), st.sampled_from([DATE, LATER, "max-age=1", 'max-age="', "max-age=٣", ",,,=,="])
)


@given(st.lists(st.tuples(names, values), max_size=6))
def test_no_headers_raise(headers: list[tuple[str, str]]) -> None:
    found = freshness.seconds(headers)
    assert found is None or found >= 0
