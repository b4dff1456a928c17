"""Editors' corrections: kept with who and when, checked against one another, undone; and the constraints they make.

A decision names items by their ids, which outlast re-reading, revision of the text, deletion and
another model; so it holds on whatever is worked out anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from align.errors import DecisionConflictError, InputError, NotFoundError
from align.instants import now
from align.records import Constraints, Decision, DecisionKind
from align.store import Store

TOGETHER = (DecisionKind.SAME_STORY, DecisionKind.TRANSLATION, DecisionKind.SPLIT)
"""Kinds whose items stay together."""


def put_decision(
    store: Store, kind: DecisionKind, items: Sequence[str], by: str, note: str = "", rest: Sequence[str] = ()
) -> Decision:
    """Store a correction; `rest` are the items that a split leaves. Called inside ``store.writing()``.

    Raises InputError for a decision that says nothing, DecisionConflictError where it contradicts
    decisions that hold, directly or through others (A with B, B with C, A apart from C).
    """
    items = tuple(dict.fromkeys(items))
    if not by.strip():
        raise InputError("a decision needs the name of who decides; give it with --by")
    if kind is DecisionKind.SPLIT and not rest:
        raise InputError("nothing is left to split from: the items named are the whole story; name fewer")
    if kind is not DecisionKind.SPLIT and len(items) < 2:
        raise InputError(f"{kind.value} is said of two items or more; {len(items)} is given")
    made = Decision("", kind, items, by.strip(), now(), note, rest=tuple(rest))
    _refuse_conflict(made, decisions(store))
    cursor = store.execute(
        'INSERT INTO decision (kind, items, rest, "by", at, note) VALUES (?, ?, ?, ?, ?, ?)',
        (kind.value, json.dumps(items), json.dumps(list(rest)), made.by, made.at, note),
    )
    return find_decision(store, f"d{cursor.lastrowid}")


def decisions(store: Store, include_undone: bool = False) -> list[Decision]:
    """The decisions that hold, oldest first; with `include_undone` also those that do not any more."""
    condition = "" if include_undone else "WHERE undone_at IS NULL"
    return [_decision(row) for row in store.execute(f"SELECT {_COLUMNS} FROM decision {condition} ORDER BY number")]


def decisions_of(store: Store, item_id: str) -> list[Decision]:
    """The decisions that hold and name an item, oldest first."""
    named = f"SELECT {_COLUMNS} FROM decision WHERE undone_at IS NULL AND instr(items, ?) ORDER BY number"
    return [_decision(row) for row in store.execute(named, (json.dumps(item_id),))]


def decisions_at(store: Store, moment: str) -> list[Decision]:
    """The decisions that held at a past `moment`, in the form of ``instants.now()``, oldest first."""
    return [
        found
        for found in decisions(store, include_undone=True)
        if found.at <= moment and (found.undone_at is None or found.undone_at > moment)
    ]


def find_decision(store: Store, decision_id: str) -> Decision:
    """Raises NotFoundError if there is no such decision."""
    number = decision_id.removeprefix("d")
    row = (
        store.execute(f"SELECT {_COLUMNS} FROM decision WHERE number = ?", (int(number),)).fetchone()
        if number.isdecimal() and len(number) < 18
        else None
    )
    if row is None:
        raise NotFoundError(f"no decision {decision_id!r} in {store.path.parent}; `samestory decisions` lists them")
    return _decision(row)


def undo_decision(store: Store, decision_id: str, by: str) -> Decision:
    """Take a decision back; it stays in the list of those undone. Called inside ``store.writing()``.

    Raises NotFoundError if there is none, InputError if it is undone already or nobody is named.
    """
    found = find_decision(store, decision_id)
    if found.undone_at is not None:
        raise InputError(f"decision {found.id} was undone already, by {found.undone_by} at {found.undone_at}")
    if not by.strip():
        raise InputError("taking a decision back needs the name of who does; give it with --by")
    store.execute(
        "UPDATE decision SET undone_at = ?, undone_by = ? WHERE number = ?", (now(), by.strip(), found.id[1:])
    )
    return find_decision(store, found.id)


def constraints(found: Iterable[Decision]) -> Constraints:
    """What clusters must obey by these decisions."""
    found = list(found)
    together = tuple(entry.items for entry in found if entry.kind in TOGETHER)
    apart = tuple(pair for entry in found for pair in _apart(entry))
    return Constraints(together, apart)


def decided_translations(store: Store, item_id: str) -> set[str]:
    """The items that an editor has called translations of `item_id`."""
    held = (entry for entry in decisions(store) if entry.kind is DecisionKind.TRANSLATION and item_id in entry.items)
    return {other for entry in held for other in entry.items if other != item_id}


def settled(found: Iterable[Decision]) -> _Settled:
    """Which pairs of items these decisions have settled, also through others."""
    return _Settled(list(found))


def _apart(entry: Decision) -> list[tuple[str, str]]:
    if entry.kind is DecisionKind.NOT_SAME_STORY:
        return [(left, right) for place, left in enumerate(entry.items) for right in entry.items[place + 1 :]]
    return [(entry.items[0], other) for other in entry.rest]


class _Settled:
    """Who must be together with whom, by the decisions that hold, and which pairs must be apart."""

    def __init__(self, found: Sequence[Decision]) -> None:
        # neighbours[item][other]: the first decision that puts the two together
        self.neighbours: dict[str, dict[str, Decision]] = defaultdict(dict)
        self.apart: list[tuple[str, str, Decision]] = []
        for entry in found:
            if entry.kind in TOGETHER:
                for left, right in zip(entry.items, entry.items[1:], strict=False):
                    self.neighbours[left].setdefault(right, entry)
                    self.neighbours[right].setdefault(left, entry)
            self.apart += [(left, right, entry) for left, right in _apart(entry)]
        self.group: dict[str, str] = {}
        for item_id in sorted(self.neighbours):
            if item_id not in self.group:
                for other in self._reach(item_id):
                    self.group[other] = item_id
        self.enemies = {
            frozenset((self.group.get(left, left), self.group.get(right, right))) for left, right, _ in self.apart
        }

    def __contains__(self, pair: tuple[str, str]) -> bool:
        left, right = (self.group.get(item_id, item_id) for item_id in pair)
        return left == right or frozenset((left, right)) in self.enemies

    def _reach(self, item_id: str) -> dict[str, tuple[str, Decision] | None]:
        """item → (the one before it, the decision between) on a shortest way from `item_id`, over everything with it."""
        reached: dict[str, tuple[str, Decision] | None] = {item_id: None}
        queue = [item_id]
        for here in queue:
            for other, entry in self.neighbours.get(here, {}).items():
                if other not in reached:
                    reached[other] = (here, entry)
                    queue.append(other)
        return reached

    def way(self, start: str, end: str) -> list[Decision]:
        """The decisions that put `start` and `end` together, in the order of the shortest way; [] where none do."""
        reached = self._reach(start)
        way = []
        while (step := reached.get(end)) is not None:
            end, entry = step
            way.append(entry)
        return way[::-1]


def _refuse_conflict(made: Decision, held: Sequence[Decision]) -> None:
    known = _Settled([*held, made])
    conflicts: dict[str, Decision] = {}
    contradiction = ""
    for left, right, entry in known.apart:
        if left == right or known.group.get(left, left) == known.group.get(right, ""):
            way = known.way(left, right)
            contradiction = contradiction or f"{left} and {right}"
            conflicts |= {other.id: other for other in (*way, entry) if other is not made}
    if contradiction:
        shown = "; ".join(
            f"{entry.id} ({entry.kind.value} {' '.join(entry.items)}, by {entry.by} at {entry.at[:19]})"
            for entry in conflicts.values()
        )
        reason = f"contradicts {shown}" if shown else "contradicts itself"
        raise DecisionConflictError(
            f"{made.kind.value} {' '.join(made.items)} {reason}: {contradiction} would have to be both together and apart; "
            "undo what is wrong with `samestory undo`, or leave it",
            list(conflicts.values()),
        )


_COLUMNS = 'number, kind, items, "by", at, note, undone_at, undone_by, rest'


def _decision(row: Sequence[Any]) -> Decision:
    number, kind, items, by, at, note, undone_at, undone_by, rest = row
    return Decision(
        f"d{number}", DecisionKind(kind), tuple(json.loads(items)), by, at, note, undone_at, undone_by,
        tuple(json.loads(rest)),
    )  # fmt: skip
