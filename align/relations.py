"""Neighbours → relations: what two items are to one another, with a score and the evidence.

Two steps. A *comparison* is what a pair shows by itself: which sentences find a counterpart, which words,
names and numbers recur, how much of one text stands in the other. It depends on the two items alone. A
*relation* is the decision: copies and excerpts by overlap of word sequences, which is exact, everything
else by the verifier, which also asks how the pair compares with its two items' other neighbours. Among
stories about the same governments in the same week the vectors of different stories lie as close as
translations: no one similarity tells them apart, being each other's best match does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.evidence import features
from align.language import lang_of
from align.records import Evidence, Kind, Relation
from align.stacks import PlacedPairs
from align.verifier import FEATURES, FLOOR_LOGIT, Verifier, groups_of

NEAR_OVERLAP = 0.50
"""Least share of either text's shingles in the other that makes an edited copy, inclusive: one word in seven may differ."""
CONTAINED = 0.75
"""Least share of the shorter text's shingles that makes it an excerpt, inclusive."""
EXCERPT_SIZE = 0.8
"""An excerpt has fewer shingles than this share of the longer text's; above, it is a copy with a sentence more or less."""
EXCERPT_SHINGLES = 12
"""Fewest shingles a text must have to be called an excerpt: less is a phrase."""
OVERLAP_SIMILARITY = 0.6
"""Least similarity of some two sentences of texts whose shingles are compared: copies and excerpts have sentences all but equal."""
WORDS, MOST_WORDS = ("short_words", "long_words"), 0.8
"""Two texts without a sentence in common cover one another's words by no more: of all pairs among 772 written stories that have no two sentences of cosine 0.8 none reaches it (0.774)."""
JOINS = 0.6
"""Least probability that makes a relation join, inclusive.

Where most items have no other version, the best match of each is a stranger: on held-out topics without dates, thinned out
to single items for the most part, clusters have a B-cubed precision of 93.5 percent at 0.35 and of 96.6 here.
"""
UNDATED_JOINS = 0.8
"""The same for two items of which one has no date, inclusive: on the same thinned topics a precision of 98.2 percent, 95.9 at 0.6."""
CORROBORATING_SENTENCE = 0.65
CORROBORATING_NUMBERS = 0.4
"""What speaks for one story besides likeness: a sentence of at least this cosine, numbers of at least this `numbers_shared`, or a name.

Without a date and without any of these a pair does not join: of 1,240 pairs of one story in the training topics, undated and
thinned, that costs two; of the false ones it is every thirtieth.
"""
TRANSLATED = 0.62
"""Least mean sentence match, both ways, that makes a cross-language relation a translation, inclusive."""


@dataclass(frozen=True)
class Comparison:
    """What the items `a` < `b` show of one another by themselves.

    `features` are rounded to four decimals and in the order of ``verifier.FEATURES``; `logit` is the
    verifier's first opinion of them. `copy` is exact, near or excerpt where overlap decides, with its
    `overlap` in [0, 1] and evidence.
    """

    a: str
    b: str
    langs: tuple[str, str]
    features: tuple[float, ...]
    logit: float
    copy: Kind | None = None
    overlap: float = 0.0
    extra: tuple[tuple[str, str | float], ...] = ()


Copy = tuple[Kind, float, tuple[tuple[str, str | float], ...]]
"""Near or excerpt, the overlap in [0, 1], and evidence."""


def weigh(
    pairs: PlacedPairs, verifier: Verifier, least: float = -math.inf
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[int, Copy]]:
    """What n pairs show: `features` (n, f), first opinions (n,), and by row those that are copies.

    The words of a pair whose logit even they would not bring above `least` are not looked at, nor counted: its logit is too low by them.
    """
    langs = pairs.left.langs.rows[pairs.ones], pairs.right.langs.rows[pairs.others]
    groups = groups_of(*langs)

    def are_alike(table: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray((table[:, FEATURES.index("best")] >= OVERLAP_SIMILARITY) & (langs[0] == langs[1]))

    def is_worth(table: NDArray[np.float64]) -> NDArray[np.bool_]:
        return are_alike(table) | (verifier.first_at_most(table, groups, WORDS, MOST_WORDS) > least)

    table = features(pairs, is_worth)
    logits = verifier.first(table, groups).round(4)
    alike = np.flatnonzero(are_alike(table)).tolist()
    copies = ((row, _copy(pairs, row)) for row in alike)
    return table, logits, {row: copy for row, copy in copies if copy is not None}


def compare(pairs: PlacedPairs, verifier: Verifier, least: float = -math.inf) -> list[Comparison]:
    """The comparisons of `pairs`, none of them of a text with itself; only of copies and of pairs whose logit is above `least`."""
    if not len(pairs):
        return []
    table, logits, copies = weigh(pairs, verifier, least)
    return [
        _comparison(pairs, row, tuple(values), logit, *copies.get(row, ()))
        for row, (values, logit) in enumerate(zip(table.tolist(), logits.tolist(), strict=True))
        if row in copies or logit > least
    ]


def identical(pairs: PlacedPairs) -> list[Comparison]:
    """The comparisons of texts with the same body: of 300 copies no pair needs more evidence than that."""
    return [_comparison(pairs, row, (), -FLOOR_LOGIT, Kind.EXACT, 1.0) for row in range(len(pairs))]


def _comparison(pairs: PlacedPairs, row: int, *shown: Any) -> Comparison:
    sides = ((pairs.left, pairs.ones), (pairs.right, pairs.others))
    (a, lang_a), (b, lang_b) = sorted(
        (stack.id_at(places[row]), lang_of(int(stack.langs.rows[places[row]]))) for stack, places in sides
    )
    return Comparison(a, b, (lang_a, lang_b), *shown)


def _copy(pairs: PlacedPairs, row: int) -> Copy | None:
    """Near or excerpt by overlap, of texts in one language; else None."""
    sides = ((pairs.left, int(pairs.ones[row])), (pairs.right, int(pairs.others[row])))
    texts = [(stack.shingles_at(place), stack.id_at(place)) for stack, place in sides]
    (few, contained), (many, _) = sorted(texts, key=lambda text: (len(text[0]), text[1]))
    n_fewer, n_more = len(few), len(many)
    places = np.searchsorted(many, few)
    inner = places < n_more
    common = int((many[places[inner]] == few[inner]).sum())
    inside, outside = common / max(n_fewer, 1), common / max(n_more, 1)
    shorter = n_fewer < EXCERPT_SIZE * n_more
    if outside >= NEAR_OVERLAP and inside >= NEAR_OVERLAP and not (shorter and inside >= CONTAINED):
        return Kind.NEAR, round(inside, 4), (("changed", round(1.0 - outside, 4)),)
    if inside >= CONTAINED and n_fewer >= EXCERPT_SHINGLES:
        return Kind.EXCERPT, round(inside, 4), (("contained", contained), ("share_of_longer", round(outside, 4)))
    return None


OPINIONS = np.dtype(
    [("a", np.int64), ("b", np.int64), ("lang_a", np.int64), ("lang_b", np.int64), ("logit", np.float64)]
)
"""What margins are worked out from: a pair's items and languages, each as a number, and its first opinion."""


def opinions_of(comparisons: Sequence[Comparison], numbers: dict[str, int], langs: dict[str, int]) -> NDArray[np.void]:
    """(n,) of OPINIONS; items and languages that have no number yet get the next one."""
    return np.array(
        [
            (
                numbers.setdefault(found.a, len(numbers)),
                numbers.setdefault(found.b, len(numbers)),
                langs.setdefault(found.langs[0], len(langs)),
                langs.setdefault(found.langs[1], len(langs)),
                found.logit,
            )
            for found in comparisons
        ],
        dtype=OPINIONS,
    )


def margins(pairs: NDArray[np.void], context: NDArray[np.void]) -> NDArray[np.float64]:
    """How far each of `pairs` (n,), of OPINIONS, stands above its items' other neighbours: (n, 5), in logits.

    A rival of the pair (i, j) seen from i is another neighbour of i that is not, by first opinion, of j's
    story. The columns are the pair's own logit; the smaller and the larger of its two sides' margins over
    the best rival in the other item's language; the same over the best rival in any. No rival counts as
    one at the floor, ``verifier.FLOOR_LOGIT``. `context` must hold every pair of the items of `pairs`.
    """
    rivals = _Rivals(context)
    own = pairs["logit"]
    from_a, from_b = (
        rivals.best(pairs[one], pairs[other], pairs[lang])
        for one, other, lang in (("a", "b", "lang_b"), ("b", "a", "lang_a"))
    )
    in_lang, in_any = np.stack([from_a[0], from_b[0]]), np.stack([from_a[1], from_b[1]])
    return np.stack(
        [own, own - in_lang.max(axis=0), own - in_lang.min(axis=0), own - in_any.max(axis=0), own - in_any.min(axis=0)],
        axis=1,
    )


class _Rivals:
    """Each item's neighbours, best first; and which pairs are of one story by first opinion."""

    def __init__(self, context: NDArray[np.void]) -> None:
        self._items = np.unique(np.concatenate([context["a"], context["b"]]))
        a, b = (np.searchsorted(self._items, context[side]) for side in ("a", "b"))
        self._item, self._neighbour = np.concatenate([a, b]), np.concatenate([b, a])
        self._lang = np.concatenate([context["lang_b"], context["lang_a"]])
        self._logit = np.concatenate([context["logit"], context["logit"]])
        together = self._logit >= 0.0
        self._together = np.sort(self._key(self._item[together], self._neighbour[together]))

    def _key(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        return one * len(self._items) + other

    def best(
        self, one: NDArray[np.int64], other: NDArray[np.int64], lang: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The logits (n,) of the best rivals of pairs, seen from `one`: those in the language of `other`, and those in any."""
        langs = np.unique(np.concatenate([self._lang, lang]))
        here, there = np.searchsorted(self._items, one), np.searchsorted(self._items, other)
        by_lang = self._item * len(langs) + np.searchsorted(langs, self._lang)
        asked = here * len(langs) + np.searchsorted(langs, lang)
        return self._first(by_lang, asked, there), self._first(self._item, here, there)

    def _first(
        self, groups: NDArray[np.int64], asked: NDArray[np.int64], other: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The logit (n,) of the best neighbour in the `asked` one of `groups` that is not of the story of `other`."""
        order = np.lexsort((-self._logit, groups))
        groups, neighbour, logit = groups[order], self._neighbour[order], self._logit[order]
        place, end = np.searchsorted(groups, asked, "left"), np.searchsorted(groups, asked, "right")
        found = np.full(len(asked), FLOOR_LOGIT)
        open_rows = np.flatnonzero(place < end)
        while len(open_rows):  # a round for each rank: most find theirs among the first
            rival = neighbour[place[open_rows]]
            is_rival = (rival != other[open_rows]) & ~self._are_together(other[open_rows], rival)
            done = open_rows[is_rival]
            found[done] = np.maximum(logit[place[done]], FLOOR_LOGIT)
            open_rows = open_rows[~is_rival]
            place[open_rows] += 1
            open_rows = open_rows[place[open_rows] < end[open_rows]]
        return found

    def _are_together(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        keys = self._key(one, other)
        if not len(self._together):
            return np.zeros(len(keys), dtype=bool)
        return np.asarray(
            self._together[np.searchsorted(self._together, keys).clip(max=len(self._together) - 1)] == keys
        )


def settle(comparisons: Sequence[Comparison], verifier: Verifier, joins: float = JOINS) -> list[Relation]:
    """The relation of every pair, decided with its `margins` among `comparisons`, in the order given."""
    pairs = opinions_of(comparisons, {}, {})
    table = margins(pairs, pairs)
    return [
        relation_of(pair, row, probability, joins)
        for pair, row, probability in zip(comparisons, table.tolist(), verifier.settled(table).tolist(), strict=True)
    ]


def shown_margin(margin: Sequence[float], probability: float) -> tuple[float, float]:
    """The margin over the other language's rivals, and the probability, as evidence shows them."""
    return round(margin[1], 2), round(probability, 4)


def _corroborated(values: Mapping[str, float]) -> bool:
    """Whether a pair with these features has a name, a telling number or a sentence in common."""
    return (
        values["names_shared"] > 0
        or values["numbers_shared"] >= CORROBORATING_NUMBERS
        or values["best"] >= CORROBORATING_SENTENCE
    )


def relation_of(pair: Comparison, margin: Sequence[float], probability: float, joins: float = JOINS) -> Relation:
    """The relation of a pair with a row of `margins`, and the settled `probability` that follows from it."""
    if pair.copy is Kind.EXACT:
        return Relation(pair.a, pair.b, Kind.EXACT, 1.0, {"rule": "overlap", "overlap": 1.0})
    values, shown = dict(zip(FEATURES, pair.features, strict=True)), shown_margin(margin, probability)
    evidence: Evidence = {
        "rule": "verifier" if pair.copy is None else "overlap",
        "similarity": values["story"],
        "probability": shown[1],
        "margin": shown[0],
        "features": values,
    }
    if pair.copy is not None:
        evidence |= {"overlap": pair.overlap, **dict(pair.extra)}
        return Relation(pair.a, pair.b, pair.copy, round(max(probability, pair.overlap), 4), evidence)
    if values["undated"]:
        joins = max(joins, UNDATED_JOINS)
        if not _corroborated(values):
            evidence["uncorroborated"] = True
            return Relation(pair.a, pair.b, Kind.RELATED, round(probability, 4), evidence)
    kind = Kind.RELATED
    if probability >= joins:
        covered = min(values["short_covered"], values["long_covered"])
        across = pair.langs[0] != pair.langs[1]
        kind = Kind.TRANSLATION if across and covered >= TRANSLATED else Kind.SAME_STORY
    return Relation(pair.a, pair.b, kind, round(probability, 4), evidence)
