"""The nearest of many items are found in blocks, and are those that comparing each with each gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import align.nearest
from align.index import SLOTS
from align.nearest import nearest_of
from align.neighbourhoods import FLOOR, NEAREST


@pytest.mark.parametrize(("n_waiting", "block"), [(300, 32), (300, 2048), (1, 2048), (40, 7)])
def test_blocks_give_what_each_with_each_gives(monkeypatch: pytest.MonkeyPatch, n_waiting: int, block: int) -> None:
    """Similarities, numbers, and whom of the settled the waiting reach, whatever the blocks, with few and many of a slot, and copies."""
    monkeypatch.setattr(align.nearest, "BLOCK", block)
    monkeypatch.setattr(align.nearest, "SAMPLE", 20)
    chance = np.random.default_rng(4)
    views = chance.standard_normal((300, 12))
    views[100:140] = views[0] + 0.01 * views[100:140]
    views = (views / np.linalg.norm(views, axis=1, keepdims=True)).astype(np.float32)
    slots = chance.choice([0, 1, 2, 4], size=300, p=[0.6, 0.3, 0.05, 0.05])
    numbers = chance.permutation(900)[:300]
    waiting = np.sort(chance.permutation(300)[:n_waiting])
    others = np.setdiff1d(np.arange(300), waiting)
    least = np.linspace(-0.2, 1.0, 900, dtype=np.float32)  # by number

    def settled(slot: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        own = others[slots[others] == slot]
        for start in range(0, len(own), 50):
            yield numbers[own[start : start + 50]], views[own[start : start + 50]]

    found = nearest_of(
        numbers[waiting], slots[waiting], views[waiting], settled, lambda held, slot: least[held] + slot / 10
    )
    cosines = views @ views.T
    np.fill_diagonal(cosines, -1.0)
    place_of = {int(number): place for place, number in enumerate(numbers)}
    for place, item in enumerate(waiting):
        for slot in range(len(SLOTS)):
            own = np.flatnonzero((slots == slot) & (cosines[item] >= FLOOR))
            best = own[np.lexsort((numbers[own], -cosines[item, own]))][:NEAREST]
            padding = [-1] * (NEAREST - len(best))
            np.testing.assert_allclose(found.similarities[place, slot], [*cosines[item, best], *padding], atol=1e-6)
            # Whose cosines differ by a rounding may stand either way: some processors' products depend on the block's shape.
            chosen = found.numbers[place, slot].tolist()
            assert chosen[len(best) :] == padding
            assert len(set(chosen[: len(best)])) == len(best)
            assert set(chosen[: len(best)]) <= set(numbers[own].tolist())
            own_cosines = [cosines[item, place_of[number]] for number in chosen[: len(best)]]
            np.testing.assert_allclose(own_cosines, cosines[item, best], atol=1e-6)
    reached = {(int(waiting[place]), int(number)) for place, number in zip(found.places, found.reached, strict=True)}
    assert reached == {
        (int(item), int(numbers[other]))
        for item in waiting
        for other in others
        if cosines[item, other] >= least[numbers[other]] + slots[item] / 10
    }
    assert len(found.cosines) == len(found.places)
