"""Every hostile input that matters most has a test or a written reason."""

from __future__ import annotations

from tests.hostile.rows import NOT_TESTED, ROWS, rows_with_tests


def test_every_p0_row_has_a_test_or_a_reason() -> None:
    wanted = {found.id for found in ROWS.values() if found.priority == "P0"}
    assert len(wanted) > 100, "the list was not read"
    assert not sorted(wanted - rows_with_tests() - NOT_TESTED.keys()), "give each a test that bears its id, or a reason"


def test_reasons_are_for_rows_without_test() -> None:
    assert not NOT_TESTED.keys() & rows_with_tests()
    assert NOT_TESTED.keys() <= ROWS.keys()
    assert all(len(reason) > 20 for reason in NOT_TESTED.values())
