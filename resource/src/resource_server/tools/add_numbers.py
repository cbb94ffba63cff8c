"""The tool `add_numbers`."""

from __future__ import annotations

from typing import Annotated

from fastmcp.exceptions import ToolError
from pydantic import Field

Number = Annotated[int | float, Field(allow_inf_nan=False)]


def add_numbers(a: Number, b: Number) -> int | float:
    """Add two numbers."""
    try:
        total = a + b
    except OverflowError:
        total = float("inf")
    if total - total != 0:
        raise ToolError("The sum is too large to be written as a number.")
    return total
