"""Many that do the same in one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(times: int, work: Callable[[], T]) -> list[T]:
    """What `work` returned in each of so many threads, none of which began before all were there."""
    barrier = threading.Barrier(times)

    def begin() -> T:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(times) as threads:
        return [begun.result() for begun in [threads.submit(begin) for _ in range(times)]]
