"""Clusters → variants: what each member of a story is to the item that was asked about."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from align.decisions import constraints, decisions, decisions_at, decisions_of
from align.describing import comparable
from align.records import Decision, DecisionKind, Item, Kind, Relation, Variant
from align.store import Store
from align.thresholds import Thresholds, judged


def variants_of(
    store: Store,
    item: Item,
    mates: Sequence[Item],
    relations: Sequence[Relation],
    thresholds: Thresholds,
    moment: str | None = None,
) -> list[Variant]:
    """An item's variants among `mates`, best first; `relations` are its own, as they are stored.

    With a past `moment` (in the form of ``instants.now()``), `item`, `mates` and `relations` are those of then, and so is
    what joins them through others, decisions included; `thresholds` and dates of
    publication are not kept, and are those of now.

    An editor's decision shows in the evidence, and makes the kind and score where it alone joins the
    two. A translation whose other side has been revised since has ``stale`` in its evidence.
    """
    dates = {item.id: item.published} | store.published([found.other(item.id) for found in relations])
    direct = {found.other(item.id): found for found in judged(relations, dates, thresholds) if found.kind.joins}
    decided = _decided(decisions_of(store, item.id) if moment is None else decisions_at(store, moment), item.id)
    outdated = {own if revised == item.id else revised: (own, revised) for own, revised in store.outdated(item.id)}
    paths: dict[str, tuple[float, tuple[str, ...]]] | None = None
    own_text = comparable(item.text)
    found = []
    for mate in mates:
        relation, decision = direct.get(mate.id), decided.get(mate.id)
        if relation is not None:
            variant = Variant(mate, relation.kind, relation.score, relation.evidence)
        elif decision is not None:
            variant = Variant(mate, Kind.SAME_STORY, 1.0, {"rule": "decision"})
        elif comparable(mate.text) == own_text:
            # Of n copies one is related to the others, which are copies of one another all the same.
            variant = Variant(mate, Kind.EXACT, 1.0, {"rule": "overlap", "overlap": 1.0})
        else:
            if paths is None:
                edges = store.edges_of if moment is None else partial(store.relations_at, moment=moment)
                held = decisions(store) if moment is None else decisions_at(store, moment)
                paths = _strongest_paths(edges, constraints(held).together, item.id, mates, direct, thresholds)
            score, through = paths.get(mate.id, (0.0, ()))
            variant = Variant(mate, Kind.SAME_STORY, score, {"rule": "cluster", "through": list(through)})
        if decision is not None:
            variant = _with_decision(variant, decision)
        if mate.id in outdated:
            variant = _with_age(store, variant, *outdated[mate.id], moment)
        found.append(variant)
    return sorted(found, key=lambda variant: (-variant.score, variant.item.id))


def _decided(held: Sequence[Decision], item_id: str) -> dict[str, Decision]:
    """item → the latest of the decisions `held` that puts it together with `item_id`, translations before others."""
    found: dict[str, Decision] = {}
    for entry in held:
        if entry.kind in (DecisionKind.SAME_STORY, DecisionKind.TRANSLATION) and item_id in entry.items:
            for other in entry.items:
                if other not in found or found[other].kind is not DecisionKind.TRANSLATION:
                    found[other] = entry
    return found


def _with_decision(variant: Variant, decision: Decision) -> Variant:
    kind = Kind.TRANSLATION if decision.kind is DecisionKind.TRANSLATION else variant.kind
    evidence = variant.evidence | {"decision": decision.id, "by": decision.by}
    return replace(variant, kind=kind, score=max(variant.score, 1.0), evidence=evidence)


def _with_age(store: Store, variant: Variant, stale: str, revised: str, moment: str | None) -> Variant:
    """Marked stale: of the two items `revised` was revised after `stale` had translated it, by a past `moment` where that is given."""
    if moment is not None and store.text_at(revised) > moment:
        return variant
    return replace(variant, evidence=variant.evidence | {"stale": True, "stale_item": stale})


def _strongest_paths(
    edges_of: Callable[[str], list[Relation]],
    together: Sequence[Sequence[str]],
    item_id: str,
    mates: Sequence[Item],
    direct: dict[str, Relation],
    thresholds: Thresholds,
) -> dict[str, tuple[float, tuple[str, ...]]]:
    """item → (weakest score, items between) of the path from `item_id` whose weakest relation is strongest.

    A step from one to another of the items that an editor has put `together` is as strong as any can be.
    """
    inside = {mate.id: mate for mate in mates}
    best: dict[str, tuple[float, tuple[str, ...]]] = {}

    def decided(here: str) -> set[str]:
        return {other for group in together if here in group for other in group} & inside.keys()

    open_paths: list[tuple[float, str, tuple[str, ...]]] = [
        (-relation.score, other, ()) for other, relation in direct.items() if other in inside
    ]
    open_paths += [(-1.0, other, ()) for other in decided(item_id)]
    heapq.heapify(open_paths)
    while open_paths:
        negative, here, through = heapq.heappop(open_paths)
        if here in best:
            continue
        best[here] = (-negative, through)
        edges = [found for found in edges_of(here) if found.other(here) in inside]
        dates = {found.other(here): inside[found.other(here)].published for found in edges}
        for relation in judged(edges, dates | {here: inside[here].published}, thresholds):
            other = relation.other(here)
            if relation.kind.joins and other not in best:
                heapq.heappush(open_paths, (max(negative, -relation.score), other, (*through, here)))
        for other in decided(here) - best.keys():
            heapq.heappush(open_paths, (negative, other, (*through, here)))
    return best
