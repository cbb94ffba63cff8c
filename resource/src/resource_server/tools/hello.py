"""The tool `hello`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field


def hello(name: Annotated[str, Field(max_length=1000, description="Whom to greet")]) -> str:
    """Greet someone."""
    return f"Hello, {name}!"
