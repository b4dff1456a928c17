"""Vectors → neighbours → relations, for the items that wait for theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from align.boilerplate import holders_of_shared, shared_sentences, without_boilerplate
from align.comparison_rows import ComparisonRows
from align.describing import Described, TokenReader, Traits, traits_of
from align.index import SLOTS, NeighbourIndex, slot_of
from align.neighbourhoods import FLOOR, NEAREST, Neighbourhoods, SharedKeys
from align.records import Item, Relation, Vectors
from align.relations import Comparison, compare, identical, settle
from align.store import Store
from align.verifier import FLOOR_LOGIT, load_verifier

CHUNK = 256
KEPT = 20_000
"""How many described items are held in memory at a time."""
RELATED = 0.02
"""Least probability of one story, inclusive, that makes two items related; a pair below is compared, and no relation."""

Progress = Callable[[str], None]


@dataclass
class _Pairs:
    """Pairs to compare: the later number → the earlier ones; and those of them that a shared key proposed."""

    proposed: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_key: set[tuple[int, int]] = field(default_factory=set)

    def add(self, one: int, other: int, by_key: bool = False) -> None:
        low, high = sorted((one, other))
        self.proposed[high].add(low)
        if by_key:
            self.by_key.add((low, high))


class Relating:
    """The relations of one store: keeps neighbourhoods and shared keys in memory between calls.

    One writer at a time: call `run` under the pipeline's lock. What another process has written since
    is seen, because the neighbourhoods are read anew whenever the store's count of runs has moved on.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows = ComparisonRows(store)
        self.near = Neighbourhoods()
        self.keys = SharedKeys()
        self._run = 0
        self._model: str | None = None
        self._noted: dict[int, int] = {}
        self._described: dict[int, Described] = {}
        self._traits: dict[int, Traits] = {}
        self._whole: dict[int, Vectors] = {}

    def run(
        self, index: NeighbourIndex, tokens: TokenReader, dimension: int, progress: Progress | None = None
    ) -> set[str]:
        """Work out the relations of the waiting items. Returns the items with a relation that is new, changed or gone.

        All or nothing: committed at the end, so a killed process leaves the items waiting.
        """
        self.catch_up()
        with self.store.writing():
            affected = self._let_go(index)
            waiting = {number: item for number, item in self.store.unrelated()}
            if waiting or affected:
                self._run += 1
                affected |= self._relate(waiting, index, tokens, dimension, progress)
                affected = self._settle(affected)
                self.store.set_setting("relating_runs", str(self._run))
                self.store.touch(affected)
        return affected

    def catch_up(self) -> None:
        """Read what another process, or another of these, has worked out since."""
        runs = int(self.store.setting("relating_runs") or 0)
        model = self.store.setting("model_fingerprint")
        if model != self._model:
            self.near, self.keys, self._run, self._model = Neighbourhoods(), SharedKeys(), 0, model
            self._described, self._noted = {}, {}
        if runs != self._run:
            for number, similarities, keys in self.rows.neighbourhoods(self._run):
                self.near.put(number, similarities)
                if self._noted.get(number) != hash(keys.tobytes()):
                    if number in self._noted:
                        self.keys.remove(number)
                    self._note_keys(number, keys)
                    self._described.pop(number, None)
            self._run = runs

    def _note_keys(self, number: int, keys: NDArray[np.uint64]) -> None:
        self.keys.add(number, keys)
        self._noted[number] = hash(keys.tobytes())

    def _let_go(self, index: NeighbourIndex) -> set[str]:
        """Items that had a deleted or rewritten one among their nearest, or were its copies, wait for their relations again."""
        again: set[int] = set()
        for number, lang, view in self.rows.left():
            self.near.remove(number)
            again |= self.keys.remove(number)
            self._noted.pop(number, None)
            self._described.pop(number, None)
            for shelf in index.shelves:
                numbers = shelf.all_numbers()
                known = np.array([other in self.near for other in numbers.tolist()], dtype=bool)
                if known.any():
                    least = np.full(len(numbers), 2.0, dtype=np.float32)
                    least[known] = self.near.reach(numbers[known], slot_of(lang))
                    again |= set(shelf.reaching(view[None, : index.dimension], least)[1].tolist())
        self.rows.forget_left()
        items = self.store.items_by_number(sorted(again & set(self.near.numbers())))
        self.rows.drop_of(item.id for item in items.values())
        self.store.wait_again(item.id for item in items.values())
        return {item.id for item in items.values()}

    def _relate(
        self,
        waiting: dict[int, Item],
        index: NeighbourIndex,
        tokens: TokenReader,
        dimension: int,
        progress: Progress | None,
    ) -> set[str]:
        """Neighbourhoods, pairs and comparisons of the waiting items; returns the ids of the items in pairs that came or went."""
        fresh = {number for number in waiting if number not in self.near}
        # An index of an older samestory has relations without the comparisons that they came from.
        self.rows.drop_of(waiting[number].id for number in sorted(fresh))
        numbers = sorted(waiting)
        views = self.store.story_views(numbers, dimension)
        self._know_traits(waiting, tokens, dimension)
        pairs = _Pairs()
        changed: set[int] = set()
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK]
            slots = np.array([slot_of(waiting[number].lang) for number in part], dtype=np.int64)
            rows = np.full((len(part), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
            for slot in range(len(SLOTS)):
                found, cosines = index.nearest(views[start : start + CHUNK], slot, NEAREST + 1)
                for place, number in enumerate(part):
                    keep = (found[place] >= 0) & (found[place] != number) & (cosines[place] >= FLOOR)
                    near, best = found[place][keep][:NEAREST], cosines[place][keep][:NEAREST]
                    rows[place, slot, : len(best)] = best
                    for other in near.tolist():
                        pairs.add(number, other)
            for place, number in enumerate(part):
                self.near.put(number, rows[place])
            changed |= self._let_in(part, slots, views[start : start + CHUNK], index, set(waiting), fresh, pairs)
            if progress:
                progress(f"neighbours of {min(start + CHUNK, len(numbers))} of {len(numbers)} items")
        alive = {number for shelf in index.shelves for number in shelf.all_numbers().tolist()}
        for number in numbers:
            for other in self.keys.sharing(number, self._traits[number].keys) & alive:
                pairs.add(number, other, by_key=True)
        affected = {item.id for item in waiting.values()}
        affected |= self._compare(pairs, waiting, tokens, dimension, progress)
        affected |= self._let_out(changed)
        self.rows.put_neighbourhoods(
            self._run, ((number, self.near.row(number), self._traits[number].keys) for number in numbers)
        )
        self.rows.put_similarities(self._run, ((number, self.near.row(number)) for number in sorted(changed)))
        self.store.mark_related(item.id for item in waiting.values())
        return affected

    def _know_traits(self, waiting: dict[int, Item], tokens: TokenReader, dimension: int) -> None:
        """Work out the traits of the waiting items that have none, and note their keys."""
        self._traits = self.rows.traits(sorted(waiting))
        missing = [number for number in sorted(waiting) if number not in self._traits]
        shared = shared_sentences(self.store)
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            vectors = self.store.vectors_of(part, dimension)
            counting = [without_boilerplate(waiting[number], vectors[number], shared) for number in part]
            found = traits_of([item for item, _ in counting], [own for _, own in counting], tokens)
            self._traits.update(zip(part, found, strict=True))
            self.rows.put_traits(zip(part, found, strict=True))
        for number in sorted(waiting):
            if number not in self.near:
                self._note_keys(number, self._traits[number].keys)

    def _let_in(
        self,
        part: list[int],
        slots: NDArray[np.int64],
        views: Vectors,
        index: NeighbourIndex,
        waiting: set[int],
        fresh: set[int],
        pairs: _Pairs,
    ) -> set[int]:
        """Let the fresh items of `part` into the neighbourhoods of those that are not waiting; returns the changed ones."""
        changed: set[int] = set()
        for shelf in index.shelves:
            numbers = shelf.all_numbers()
            settled = np.array([number not in waiting for number in numbers.tolist()], dtype=bool)
            if not settled.any():
                continue
            for slot in np.unique(slots).tolist():
                chosen = np.flatnonzero(slots == slot)
                least = np.full(len(numbers), 2.0, dtype=np.float32)
                least[settled] = self.near.reach(numbers[settled], slot)
                newcomers: dict[int, list[float]] = defaultdict(list)
                for query, number, cosine in zip(*shelf.reaching(views[chosen], least), strict=True):
                    one = part[chosen[query]]
                    pairs.add(one, int(number))
                    if one in fresh:
                        newcomers[int(number)].append(float(cosine))
                for number, similarities in newcomers.items():
                    self.near.push(number, slot, similarities)
                    changed.add(number)
        return changed

    def _let_out(self, changed: set[int]) -> set[str]:
        """Drop the pairs that are in neither item's neighbourhood any more; returns their items."""
        items = self.store.items_by_number(sorted(changed))
        gone: list[tuple[str, str]] = []
        for number, item in items.items():
            for other_id, similarity in self.rows.nearest_pairs_of(item.id):
                other, other_lang = self.store.number_and_lang(other_id)
                if similarity < float(self.near.reach([number], slot_of(other_lang))[0]) and similarity < float(
                    self.near.reach([other], slot_of(item.lang))[0]
                ):
                    gone.append((item.id, other_id) if item.id < other_id else (other_id, item.id))
        self.rows.drop(gone)
        return {item_id for pair in gone for item_id in pair}

    def _compare(
        self, pairs: _Pairs, waiting: dict[int, Item], tokens: TokenReader, dimension: int, progress: Progress | None
    ) -> set[str]:
        affected: set[str] = set()
        verifier = load_verifier()
        for done, number in enumerate(sorted(pairs.proposed), 1):
            others = sorted(pairs.proposed[number])
            left, *rights = self._describe([number, *others], dimension)
            found: list[tuple[Comparison, float, bool]] = []
            distinct = []
            for other, right in zip(others, rights, strict=True):
                if right.traits.digest != left.traits.digest:
                    distinct.append((other, right))
                elif (other, number) in pairs.by_key:
                    found.append((identical(left, right), 1.0, True))
            for (other, right), pair in zip(
                distinct, compare(left, [right for _, right in distinct], tokens, verifier), strict=True
            ):
                if pair.logit > FLOOR_LOGIT or pair.copy is not None:
                    similarity = float(self._view(number, left) @ self._view(other, right))
                    found.append((pair, similarity, (other, number) in pairs.by_key))
            self.rows.put(found)
            affected.update(item_id for pair, _, _ in found for item_id in (pair.a, pair.b))
            if progress and done % 1000 == 0:
                progress(f"{done} of {len(pairs.proposed)} items compared")
        return affected

    def _view(self, number: int, described: Described) -> Vectors:
        """The story view (d,) by which neighbours are found: of the whole text, whatever counts in it."""
        return np.asarray(self._whole.get(number, described.vectors.views[0]))

    def _describe(self, numbers: Sequence[int], dimension: int) -> list[Described]:
        """Items ready to be compared, from memory or the store."""
        missing = [number for number in numbers if number not in self._described]
        if missing:
            if len(self._described) + len(missing) > KEPT:
                self._described = {}
                missing = list(numbers)
            vectors = self.store.vectors_of(missing, dimension)
            traits = self.rows.traits(missing)
            heads = self.store.heads(missing)
            for number, item in self.store.items_by_number(holders_of_shared(self.store, missing)).items():
                # Neighbours are found and let go by the whole text's view.
                self._whole[number] = vectors[number].views[0]
                vectors[number] = without_boilerplate(item, vectors[number], shared_sentences(self.store))[1]
            for number in missing:
                self._described[number] = Described(*heads[number], vectors[number], traits[number])
        return [self._described[number] for number in numbers]

    def _settle(self, affected: set[str]) -> set[str]:
        """Decide the relations of the affected items' pairs anew; returns the items of those that have changed."""
        many = len(affected) > 0.2 * self.store.count_items()
        pairs = self.rows.all() if many else self.rows.of(affected)
        context = pairs if many else self.rows.of({item_id for pair in pairs for item_id in (pair.a, pair.b)})
        changed = set(affected)
        kept: list[Relation] = []
        dropped: list[tuple[str, str]] = []
        for found in settle(pairs, load_verifier(), context=context):
            if found.kind.joins or found.score >= RELATED:
                kept.append(found)
            else:
                dropped.append((found.a, found.b))
            changed.update((found.a, found.b))
        self.store.put_relations(kept)
        self.store.drop_pairs(dropped)
        return changed

    def opinions(self, draft: Described, index: NeighbourIndex, tokens: TokenReader, dimension: int) -> list[Relation]:
        """The relations that a draft, which is not stored, would have."""
        self.catch_up()
        near: set[int] = self.keys.sharing(-1, draft.traits.keys) - {-1}
        for slot in range(len(SLOTS)):
            found, cosines = index.nearest(draft.vectors.views[:1], slot, 2 * NEAREST)
            near |= set(found[0][(found[0] >= 0) & (cosines[0] >= FLOOR)].tolist())
        # Another process may have deleted one since.
        alive = sorted(number for number, head in self.store.heads(near).items() if head is not None)
        others = self._describe(alive, dimension)
        same = [other for other in others if other.traits.digest == draft.traits.digest]
        distinct = [other for other in others if other.traits.digest != draft.traits.digest]
        verifier = load_verifier()
        pairs = [identical(draft, other) for other in same]
        pairs += [
            pair
            for pair in compare(draft, distinct, tokens, verifier)
            if pair.logit > FLOOR_LOGIT or pair.copy is not None
        ]
        context = pairs + self.rows.of({other.id for other in others})
        return [
            found for found in settle(pairs, verifier, context=context) if found.kind.joins or found.score >= RELATED
        ]
