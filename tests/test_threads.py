"""Tasks worked out side by side give what they give one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from align.threads import THREADS, at_once


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    """However many there are, and whichever is done first."""
    assert list(at_once(partial(pow, place, 2) for place in range(count))) == [place**2 for place in range(count)]


def test_tasks_are_made_no_faster_than_they_are_done() -> None:
    """At most as many wait as run, so that what they hold stays small; and all are made by the calling thread."""
    made: list[int] = []
    here = threading.get_ident()

    def task(place: int) -> Callable[[], int]:
        assert threading.get_ident() == here
        made.append(place)
        return lambda: place

    for done in at_once(task(place) for place in range(40)):
        assert len(made) <= done + THREADS + 2


def test_a_task_that_fails_stops_the_rest() -> None:
    """Its exception is raised where its result would have come."""
    with pytest.raises(ZeroDivisionError):
        list(at_once(partial(divmod, 1, place - 3) for place in range(10)))
