"""The list of requirements and the tests agree, and the files it names exist."""

from __future__ import annotations

from tests.requirements import REQUIREMENTS, SPECS, proven, source, spec_map
from tests.support.machine import ROOT


def test_every_requirement_has_a_test() -> None:
    assert len(REQUIREMENTS) > 60, "the list was not read"
    assert not sorted(REQUIREMENTS.keys() - proven().keys())


def test_no_test_proves_what_is_not_listed() -> None:
    assert not sorted(proven().keys() - REQUIREMENTS.keys())


def test_the_list_is_in_order() -> None:
    assert {found.spec for found in REQUIREMENTS.values()} == SPECS.keys()
    assert not [found.id for found in REQUIREMENTS.values() if not (ROOT / source(found)).is_file()]
    assert not [found.id for found in REQUIREMENTS.values() if not found.sentence.endswith(".")]


def test_the_map_names_every_specification() -> None:
    assert all(name in spec_map() for name, _ in SPECS.values())
