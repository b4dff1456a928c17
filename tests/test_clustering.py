"""Relations become clusters that do not chain."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from align.clustering import cluster_items
from align.records import Constraints, Kind, Relation


def relation(a: str, b: str, score: float, kind: Kind = Kind.SAME_STORY, **evidence: object) -> Relation:
    """A relation of two items, whichever comes first."""
    a, b = sorted((a, b))
    return Relation(a, b, kind, score, evidence)


def test_two_pairs_and_a_single_item() -> None:
    """Items with strong relations come together, the rest stay alone."""
    found = cluster_items(
        ["a", "b", "c", "d", "e"], [relation("a", "b", 0.9), relation("c", "d", 0.8), relation("d", "e", 0.3)]
    )
    assert found == [("a", "b"), ("c", "d"), ("e",)]


def test_a_bridge_does_not_join_two_stories() -> None:
    """An item that resembles one member of each of two stories leaves them two."""
    stories = [relation(a, b, 0.95) for group in ("abc", "xyz") for a in group for b in group if a < b]
    found = cluster_items([*"abcxyzm"], [*stories, relation("m", "a", 0.9), relation("m", "x", 0.9)])
    assert {frozenset("abc"), frozenset("xyz")} <= {frozenset(group) - {"m"} for group in found}


def test_a_bridge_between_single_items_joins_two_of_them_at_most() -> None:
    """Of three items of which the first and the last were found to be nothing to each other, not all are one story; where they are a little to each other, they are."""
    for score in (0.9, 0.95, 0.99, 1.0):
        chain = [relation("a", "b", score), relation("b", "c", score)]
        assert max(map(len, cluster_items(["a", "b", "c"], chain))) <= 2
        assert cluster_items(["a", "b", "c"], [*chain, relation("a", "c", 0.1, Kind.RELATED)]) == [("a", "b", "c")]


def test_a_bridge_stands_with_one_of_the_groups_it_touches() -> None:
    """An item with relations to all of another group, which its own group knows nothing of, does not bring the groups together."""
    group = [relation("m", "n", 0.95)]
    others = [relation(a, b, 0.95) for a, b in ("xy", "xz", "yz")]
    found = cluster_items([*"mnxyz"], [*group, *others, *(relation("m", other, 0.94) for other in "xyz")])
    assert ("m", "n", "x", "y", "z") not in found


def test_a_relation_that_does_not_join_joins_nothing() -> None:
    """Related is not the same story, however high its score."""
    assert cluster_items(["a", "b"], [relation("a", "b", 0.99, Kind.RELATED)]) == [("a",), ("b",)]


def test_copies_count_once() -> None:
    """Three hundred copies of one text, one of them compared with another version, are one story with it."""
    copies = [f"copy{number:03}" for number in range(300)]
    exact = [relation(copies[0], other, 1.0, Kind.EXACT) for other in copies[1:]]
    assert cluster_items([*copies, "other"], [*exact, relation(copies[7], "other", 0.8)]) == [(*copies, "other")]


def test_excerpts_stay_with_what_they_are_cut_from() -> None:
    """Four excerpts without a word in common are one story with the article that holds them."""
    parts = ["p1", "p2", "p3", "p4"]
    found = cluster_items(
        ["whole", *parts], [relation("whole", part, 0.9, Kind.EXCERPT, contained=part) for part in parts]
    )
    assert found == [("p1", "p2", "p3", "p4", "whole")]


def test_a_round_up_does_not_join_the_stories_it_holds() -> None:
    """A text that holds an article of each of two stories belongs to one of them at most; they stay two."""
    stories = [relation(part, other, 0.97) for part, other in (("a-en", "a-de"), ("b-en", "b-de"))]
    parts = [relation("round-up", part, 0.95, Kind.EXCERPT, contained=part) for part in ("a-en", "b-en")]
    weak = [relation("round-up", other, 0.4) for other in ("a-de", "b-de")]
    for known in ([], weak):
        found = cluster_items(["a-de", "a-en", "b-de", "b-en", "round-up"], [*stories, *parts, *known])
        assert {frozenset({"a-de", "a-en"}), frozenset({"b-de", "b-en"})} == {
            frozenset(group) - {"round-up"} for group in found
        } - {frozenset()}


def test_an_item_between_two_stories_joins_neither() -> None:
    """An item about equally like two items that have nothing to do with each other stays alone."""
    assert cluster_items(["m", "x", "y"], [relation("m", "x", 0.6), relation("m", "y", 0.55)]) == [
        ("m",),
        ("x",),
        ("y",),
    ]
    assert cluster_items(["m", "x", "y"], [relation("m", "x", 0.6), relation("m", "y", 0.55, Kind.RELATED)]) == [
        ("m",),
        ("x",),
        ("y",),
    ]
    assert cluster_items(["m", "x", "y"], [relation("m", "x", 0.7), relation("m", "y", 0.4)]) == [("m", "x"), ("y",)]


def test_a_sure_relation_does_not_contest_a_weak_one() -> None:
    """Two versions that are surely one story take in a third that resembles one of them strongly and the other weakly."""
    assert cluster_items(
        ["de", "en", "ja"],
        [relation("de", "en", 0.99), relation("en", "ja", 0.95), relation("de", "ja", 0.2, Kind.RELATED)],
    ) == [("de", "en", "ja")]


edges = st.dictionaries(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]),
    st.tuples(
        st.sampled_from([0.2, 0.5, 0.6, 0.75, 0.9, 1.0]),
        st.sampled_from([Kind.SAME_STORY, Kind.TRANSLATION, Kind.EXACT, Kind.EXCERPT, Kind.RELATED]),
    ),
)


@given(edges, st.randoms(use_true_random=False))
def test_order_does_not_matter(found: dict[tuple[int, int], tuple[float, Kind]], chance: random.Random) -> None:
    """The same items and relations in any order give the same clusters, each item in exactly one."""
    items = [f"i{number}" for number in range(10)]
    relations = [relation(f"i{a}", f"i{b}", score, kind, contained=f"i{a}") for (a, b), (score, kind) in found.items()]
    expected = cluster_items(items, relations)
    shuffled_items, shuffled = items[:], relations[:]
    chance.shuffle(shuffled_items)
    chance.shuffle(shuffled)
    assert cluster_items(shuffled_items, shuffled) == expected
    assert sorted(item for group in expected for item in group) == items


pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]), max_size=4)


@given(edges, pairs, pairs, st.randoms(use_true_random=False))
def test_constraints_hold_in_any_order(
    found: dict[tuple[int, int], tuple[float, Kind]],
    together: list[tuple[int, int]],
    apart: list[tuple[int, int]],
    chance: random.Random,
) -> None:
    """What must be together is, what must be apart is where that is possible, and the order of nothing matters."""
    items = [f"i{number}" for number in range(10)]
    relations = [relation(f"i{a}", f"i{b}", score, kind, contained=f"i{a}") for (a, b), (score, kind) in found.items()]
    groups = [(f"i{a}", f"i{b}") for a, b in together]
    enemies = [(f"i{a}", f"i{b}") for a, b in apart]
    expected = cluster_items(items, relations, constraints=Constraints(tuple(groups), tuple(enemies)))
    of = {item: group for group in expected for item in group}
    assert all(of[a] == of[b] for a, b in groups)
    bound = cluster_items(items, [], constraints=Constraints(tuple(groups)))
    tied = {item: group for group in bound for item in group}
    assert all(of[a] != of[b] for a, b in enemies if tied[a] != tied[b])
    for entries in (items, relations, groups, enemies):
        chance.shuffle(entries)
    again = Constraints(tuple((b, a) for a, b in groups), tuple((b, a) for a, b in enemies))
    assert cluster_items(items, relations, constraints=again) == expected


@given(edges, edges, st.randoms(use_true_random=False))
def test_parts_can_be_clustered_one_at_a_time(
    left: dict[tuple[int, int], tuple[float, Kind]],
    right: dict[tuple[int, int], tuple[float, Kind]],
    chance: random.Random,
) -> None:
    """Two sets of items without a joining relation between them cluster together as they do apart."""

    def part(name: str, found: dict[tuple[int, int], tuple[float, Kind]]) -> tuple[list[str], list[Relation]]:
        items = [f"{name}{number}" for number in range(10)]
        return items, [
            relation(f"{name}{a}", f"{name}{b}", score, kind, contained=f"{name}{a}")
            for (a, b), (score, kind) in found.items()
        ]

    (ours, our_relations), (theirs, their_relations) = part("a", left), part("b", right)
    across = [relation(chance.choice(ours), chance.choice(theirs), 0.3, Kind.RELATED) for _ in range(3)]
    whole = cluster_items(ours + theirs, [*our_relations, *their_relations, *across])
    apart = cluster_items(ours, our_relations + across) + cluster_items(theirs, their_relations + across)
    assert whole == sorted(apart)


def test_a_correction_carries_the_stories_along() -> None:
    """Two items called one story bring their stories together; two called different part what hangs on each of them."""
    relations = [relation("a1", "a2", 0.9), relation("b1", "b2", 0.9), relation("a2", "b2", 0.75)]
    relations.append(relation("a2", "b1", 0.1, Kind.RELATED))
    items = ["a1", "a2", "b1", "b2"]
    assert cluster_items(items, relations) == [("a1", "a2"), ("b1", "b2")]
    joined = Constraints(together=(("a1", "b1"),))
    assert cluster_items(items, relations, constraints=joined) == [("a1", "a2", "b1", "b2")]
    parted = Constraints(apart=(("a1", "a2"),))
    assert cluster_items(items, relations, constraints=parted) == [("a1",), ("a2", "b1", "b2")]


def test_copies_can_be_parted() -> None:
    """Even exact copies come apart where an editor says so, and a third copy goes with one of them."""
    relations = [relation(a, b, 1.0, Kind.EXACT) for a, b in ("ab", "ac", "bc")]
    assert cluster_items("abc", relations, constraints=Constraints(apart=(("a", "b"),))) == [("a", "c"), ("b",)]
