"""Margins and shared keys over arrays are those of plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from align.neighbourhoods import COMMON_KEY, Neighbourhoods, Pushes, SharedKeys
from align.records import Kind
from align.relations import Comparison, margins, opinions_of, relation_of
from align.verifier import FEATURES, FLOOR_LOGIT

LANGS = {"a": "en", "b": "en", "c": "de", "d": "de", "e": "ja"}


def comparison(a: str, b: str, logit: float) -> Comparison:
    """Two items with a first opinion."""
    return Comparison(a, b, (LANGS[a], LANGS[b]), (), logit)


def rival(pairs: list[Comparison], item: str, other: str, lang: str | None) -> float:
    """The best rival of a pair seen from `item`, by the definition."""
    logit = {frozenset((pair.a, pair.b)): pair.logit for pair in pairs}
    return max(
        (
            value
            for pair, value in logit.items()
            for found in pair - {item}
            if item in pair
            and found != other
            and lang in (None, LANGS[found])
            and logit.get(frozenset((other, found)), FLOOR_LOGIT) < 0.0
        ),
        default=FLOOR_LOGIT,
    )


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")).filter(lambda pair: pair[0] < pair[1]),
        st.integers(-35, 60).map(lambda tenths: tenths / 10),
        min_size=1,
    )
)
def test_margins_are_those_over_each_sides_best_rival(logits: dict[tuple[str, str], float]) -> None:
    """For any opinions: the pair's own, less the best rival of each side, in the other's language and in any."""
    pairs = [comparison(a, b, logit) for (a, b), logit in logits.items()]
    opinions = opinions_of(pairs, {}, {})
    for pair, found in zip(pairs, margins(opinions, opinions).tolist(), strict=True):
        in_lang = [
            pair.logit - rival(pairs, pair.a, pair.b, pair.langs[1]),
            pair.logit - rival(pairs, pair.b, pair.a, pair.langs[0]),
        ]
        in_any = [pair.logit - rival(pairs, pair.a, pair.b, None), pair.logit - rival(pairs, pair.b, pair.a, None)]
        np.testing.assert_allclose(found, [pair.logit, min(in_lang), max(in_lang), min(in_any), max(in_any)])


def keys_of(*keys: int) -> np.ndarray:
    """Keys of an item, the body's first."""
    return np.array(keys, dtype=np.uint64)


def test_copies_make_a_pair_less_than_they_are() -> None:
    """Of those with one body the first is paired with each other; a key beside it pairs whoever holds it."""
    held = {1: keys_of(10, 7), 2: keys_of(10, 7), 3: keys_of(10, 8), 4: keys_of(11, 8)}
    keys = SharedKeys()
    keys.add({number: held[number] for number in (1, 2)})
    keys.add({number: held[number] for number in (3, 4)})
    assert set(map(tuple, keys.sharing(held).tolist())) == {(1, 2), (1, 3), (3, 4)}
    assert set(map(tuple, keys.sharing({-1: keys_of(10, 9)}).tolist())) == {(-1, 1), (-1, 2), (-1, 3)}
    assert keys.remove([1]) == {2, 3}
    assert set(map(tuple, keys.sharing({3: held[3]}).tolist())) == {(2, 3), (3, 4)}


def test_a_key_that_very_many_share_proposes_nothing() -> None:
    """Up to the limit all its holders are pairs; one more, and none is."""
    keys = SharedKeys()
    keys.add({number: keys_of(number, 5_000_000) for number in range(COMMON_KEY)})
    asked = {0: keys_of(0, 5_000_000)}
    assert len(keys.sharing(asked)) == COMMON_KEY - 1
    keys.add({COMMON_KEY: keys_of(COMMON_KEY, 5_000_000)})
    assert len(keys.sharing(asked)) == 0


def test_a_newcomer_raises_what_it_takes_to_be_near() -> None:
    """A full list's last one is pushed out by a nearer one, only in its own slot, and not by one that the list has seen."""
    near = Neighbourhoods()
    rows = np.full((1, 5, 16), 0.5, dtype=np.float32)
    rows[0, 0] = np.linspace(0.9, 0.4, 16)
    near.put(np.array([700]), rows, 4)
    before = float(near.reach(np.array([700]), 0)[0])
    newcomer = np.array([700]), np.array([0], dtype=np.int8), np.array([0.8], dtype=np.float32)
    near.let_in(Pushes(4, *newcomer))
    assert float(near.reach(np.array([700]), 0)[0]) == before
    near.let_in(Pushes(5, *newcomer))
    assert float(near.reach(np.array([700]), 0)[0]) > before
    assert near.rows(np.array([700]))[0, 1].tolist() == [0.5] * 16
    near.remove(np.array([700]))
    assert 700 not in near


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=16, max_size=48),
    st.lists(st.tuples(st.integers(0, 2), st.floats(0.25, 1, width=32)), max_size=40),
)
def test_newcomers_let_in_together_leave_the_nearest_of_all(
    held: list[float], newcomers: list[tuple[int, float]]
) -> None:
    """Whoever of many newcomers comes to which neighbourhood: each keeps the sixteen nearest of what it had and what came."""
    before = [sorted(held[number::3], reverse=True)[:16] for number in range(3)]
    near = Neighbourhoods()
    rows = np.full((3, 5, 16), -1.0, dtype=np.float32)
    for number, own in enumerate(before):
        rows[number, 2, : len(own)] = own
    near.put(np.arange(3), rows, 6)
    numbers, similarities = (np.array([one[side] for one in newcomers]) for side in (0, 1))
    slots = np.full(len(newcomers), 2, dtype=np.int8)
    near.let_in(Pushes(7, numbers.astype(np.int64), slots, similarities.astype(np.float32)))
    for number, own in enumerate(before):
        came = [similarity for whose, similarity in newcomers if whose == number]
        expected = sorted([*own, *[-1.0] * (16 - len(own)), *came], reverse=True)[:16]
        np.testing.assert_array_equal(near.rows(np.array([number]))[0, 2], np.array(expected, dtype=np.float32))


def test_without_a_date_likeness_alone_joins_nothing() -> None:
    """Two undated items join where a name, a telling number or a sentence recurs, and are related where none does; dated ones join."""

    def kind(**shown: float) -> Kind:
        values = {"story": 0.6, "best": 0.5, "undated": 1.0} | shown
        pair = Comparison("a", "b", ("en", "ja"), tuple(values.get(name, 0.0) for name in FEATURES), 3.0)
        return relation_of(pair, (3.0, 1.0, 1.0, 1.0, 1.0), 0.95).kind

    assert kind() is kind(numbers_shared=0.2) is Kind.RELATED
    assert kind(names_shared=0.7) is kind(numbers_shared=0.9) is kind(best=0.8) is kind(undated=0.0) is Kind.SAME_STORY
