"""Tasks → what they return, worked out side by side: array operations and the tokenizer run while other threads do."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

THREADS = min(os.cpu_count() or 1, 4)
"""How many tasks run at a time: what Python does in between, one thread at a time, keeps no more busy."""

Found = TypeVar("Found")


@contextmanager
def products_in_one_thread() -> Iterator[None]:
    """Within it a product of matrices has one thread. For small ones right before `at_once`: a thread of OpenBLAS's own that has worked for one
    goes on waiting for the next for some hundredths of a second, busily, and takes a processor from the tasks.
    """
    from threadpoolctl import threadpool_limits

    # OpenMP's limit is each thread's own, BLAS's the process's.
    with threadpool_limits(1, "blas"):
        yield


def at_once(tasks: Iterator[Callable[[], Found]]) -> Iterator[Found]:
    """What `tasks` return, in their order, while the next ones are made by the calling thread; a single one is simply run.

    Meanwhile a product of matrices or a search has one thread: these are many and small, and each would wait for its second thread.
    """
    first = list(itertools.islice(tasks, 2))
    if len(first) < 2:
        yield from (task() for task in first)
        return
    from threadpoolctl import threadpool_limits

    waiting: deque[Future[Found]] = deque()
    with (
        products_in_one_thread(),
        ThreadPoolExecutor(THREADS, initializer=threadpool_limits, initargs=(1,)) as pool,
    ):
        for task in itertools.chain(first, tasks):
            waiting.append(pool.submit(task))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
