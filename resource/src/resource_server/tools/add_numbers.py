"""The tool `add_numbers`."""

from __future__ import annotations

import logging
import math
from typing import Annotated

from fastmcp.exceptions import ToolError
from pydantic import Field

Number = int | Annotated[float, Field(allow_inf_nan=False)]


def add_numbers(a: Number, b: Number) -> int | float:
    """Add two numbers."""
    try:
        total = a + b
        finite = math.isfinite(total)
    except OverflowError:  # of a whole number that no float can hold; nor can most clients
        finite = False
    if not finite:
        raise ToolError("The sum is too large to be written as a number.", log_level=logging.INFO)
    return total
