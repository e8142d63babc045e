"""Ordered parallel map over threads, with bounded prefetch."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_threads = os.cpu_count() or 1


def threads() -> int:
    """How many threads this process may keep busy: one for each processor, unless `limit_to` says otherwise."""
    return _threads


def limit_to(count: int) -> None:
    """Share the machine with other processes. For a dedicated process, once, before it works."""
    global _threads
    _threads = count


def in_order(function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Generator[Result, None, None]:
    """Yield `function(item)` in the order of `items`, computed by threads at most `ahead` items in advance.

    `function` runs in a copy of the consumer's context variables.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=threads()) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, function, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
