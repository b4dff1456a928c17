"""The alignment over HTTP."""

from __future__ import annotations

import httpx2 as httpx
from serving import problem


def test_alignment_of_two_items(server: str) -> None:
    """The answer has the shape of the command: both items' sentences, and beads that hold each once."""
    found = httpx.get(f"{server}/v1/items/port-strike-03.en/alignment/port-strike-03.ja", timeout=30).json()
    for side in ("a", "b"):
        assert [place for bead in found["beads"] for place in bead[side]] == list(range(len(found[side])))
    assert found["langs"] == ["en", "ja"]


def test_an_item_that_is_not_there(server: str) -> None:
    """A missing item, on either side, is a problem document that names it."""
    for pair in ("nobody/alignment/port-strike-03.en", "port-strike-03.en/alignment/nobody"):
        answer = httpx.get(f"{server}/v1/items/{pair}", timeout=30)
        assert problem(answer, 404)["detail"].count("nobody") == 1
