"""How often each fault is tried, and the marks that its test bears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from tests.evidence import FULL

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., object])
Record = Callable[[str, object], None]
"""pytest's `record_property`: a figure and its name, as the table shows them."""


def size(small: T, full: T) -> T:
    """`small` in a run of all tests, `full` by ./dev faults."""
    return full if FULL else small


def fault(title: str, *, minutes: float = 5, service: str = "issuer") -> Callable[[Test], Test]:
    """Marks a test as a line of the table of faults. minutes: when it hangs, at full size."""

    def mark(test: Test) -> Test:
        pytest.mark.timeout(minutes * 60)(pytest.mark.fault(title, service=service)(test))  # marks the function itself
        return test

    return mark
