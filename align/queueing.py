"""Relations → the pairs that an editor should look at, most useful first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from align.decisions import decisions, settled
from align.records import Doubt, Item, Kind, QueuedPair, Relation
from align.store import Store
from align.thresholds import Thresholds, judged

OPEN = (Kind.TRANSLATION, Kind.SAME_STORY, Kind.RELATED)
"""Kinds that the verifier decides; copies and excerpts are matters of fact."""
BAND = 0.3
"""Farthest that a score may lie from the threshold for the pair to be borderline, inclusive."""
LOOKED_AT = 2_000
"""Borderline pairs that are weighed, those nearest to the threshold first."""


def queue_pairs(store: Store, thresholds: Thresholds, limit: int, langs: Sequence[str]) -> list[QueuedPair]:
    """Borderline pairs, most useful first, those that decisions have settled left out.

    A pair is borderline where its score is close to `joins`, or where its story says otherwise than its
    relation does. It is the more useful the closer it is, and the more items and languages would come
    together or part. With one language, pairs that have it on a side; with several, pairs within them.
    """
    known = settled(decisions(store))
    rows = store.execute(
        f"""
        SELECT a, b, kind, score FROM relation INDEXED BY relation_edges
        WHERE score BETWEEN ? AND ? AND kind IN ({", ".join("?" * len(OPEN))}) ORDER BY abs(score - ?), a, b
        """,
        (thresholds.joins - BAND, thresholds.joins + BAND, *(kind.value for kind in OPEN), thresholds.joins),
    )
    weighed: list[QueuedPair] = []
    stories: dict[str, list[Item]] = {}
    for a, b, kind, score in rows:
        if len(weighed) >= LOOKED_AT:
            break
        if (a, b) in known:
            continue
        left, right = store.item(a), store.item(b)
        if left is None or right is None or not _wanted(left, right, langs):
            continue
        [found] = judged([Relation(a, b, Kind(kind), score, {})], {a: left.published, b: right.published}, thresholds)
        weighed.append(_weighed(store, left, right, found, thresholds, stories))
    weighed.sort(key=lambda pair: (-pair.usefulness, pair.a.id, pair.b.id))
    return [_with_evidence(store, pair) for pair in weighed[:limit]]


def _wanted(left: Item, right: Item, langs: Sequence[str]) -> bool:
    if len(langs) < 2:
        return not langs or langs[0] in (left.lang, right.lang)
    return left.lang in langs and right.lang in langs


def _weighed(
    store: Store, left: Item, right: Item, found: Relation, thresholds: Thresholds, stories: dict[str, list[Item]]
) -> QueuedPair:
    names = [store.cluster_of(item.id) or "" for item in (left, right)]
    for name in names:
        if name not in stories:
            stories[name] = store.cluster_items(name)
    openness = max(0.0, 1.0 - abs(found.score - thresholds.joins) / (2 * BAND))
    joined = names[0] == names[1]
    if joined:
        gain = 0.5
        doubt, new_langs = Doubt.TOGETHER_BY_LITTLE if found.kind.joins else Doubt.TOGETHER_THOUGH_UNLIKE, 0
    else:
        ours, theirs = ({item.lang for item in stories[name]} for name in names)
        gained = len(ours | theirs) - max(len(ours), len(theirs))
        size = min(len(stories[name]) for name in names)
        gain = 0.5 + 0.5 * (1.0 - math.exp(-(gained + math.log(max(size, 1)))))
        doubt = Doubt.APART_THOUGH_ALIKE if found.kind.joins else Doubt.APART_BY_LITTLE
        new_langs = len(ours | theirs) if gained else 0
    return QueuedPair(left, right, found, round(openness * gain, 4), doubt, new_langs)


def _with_evidence(store: Store, pair: QueuedPair) -> QueuedPair:
    stored = store.relation(pair.a.id, pair.b.id)
    if stored is None:
        return pair
    shown = Relation(pair.a.id, pair.b.id, pair.relation.kind, pair.relation.score, stored.evidence)
    return replace(pair, relation=shown)
