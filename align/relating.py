"""Vectors → neighbours → relations, for the items that wait for theirs."""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from align.boilerplate import holders_of_shared, shared_sentences, without_boilerplate
from align.comparison_rows import ComparisonRows, FoundPairs, Opinions, lang_code, lang_of
from align.describing import Described, TokenReader, traits_of
from align.index import SLOTS, NeighbourIndex, slot_of
from align.neighbourhoods import FLOOR, NEAREST, Neighbourhoods, Numbers, Pairs, SharedKeys, pairs_of
from align.records import Relation, Vectors
from align.relations import compare, identical, margins, opinions_of, relation_of
from align.store import Store
from align.verifier import FLOOR_LOGIT, load_verifier

CHUNK = 256
KEPT = 20_000
"""How many described items are held in memory at a time."""
RELATED = 0.02
"""Least probability of one story, inclusive, that makes two items related; a pair below is compared, and no relation."""
BULK_SHARE = 0.2
"""Where more than this share of the items is affected, all comparisons are read at once."""
PATCH = 400
"""About so many items that lie together are compared in a row, so that most of their neighbours are in memory."""

Progress = Callable[[str], None]


class Relating:
    """The relations of one store: keeps neighbourhoods and shared keys in memory between calls.

    One writer at a time: call `run` under the pipeline's lock. What another process has written since
    is seen, because the neighbourhoods are read anew whenever the store's count of runs has moved on.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows = ComparisonRows(store)
        self._model: str | None = None
        self._forget()

    def _forget(self) -> None:
        self.near = Neighbourhoods()
        self.keys = SharedKeys()
        self._run = 0
        self._noted: dict[int, int] = {}
        self._described: OrderedDict[int, Described] = OrderedDict()
        self._whole: dict[int, Vectors] = {}

    def run(
        self, index: NeighbourIndex, tokens: TokenReader, dimension: int, progress: Progress | None = None
    ) -> set[str]:
        """Work out the relations of the waiting items. Returns these, and the items with a relation that is new, changed or gone.

        All or nothing: committed at the end, so a killed process leaves the items waiting.
        """
        self.catch_up()
        with self.store.writing():
            changed = self._let_go(index)
            waiting = dict(self.store.waiting())
            if waiting or changed:
                self._run += 1
                changed |= self._relate(waiting, index, tokens, dimension, progress)
                self.store.set_setting("relating_runs", str(self._run))
                self.store.touch(changed)
        return changed

    def catch_up(self) -> None:
        """Read what another process, or another of these, has worked out since."""
        runs = int(self.store.setting("relating_runs") or 0)
        model = self.store.setting("model_fingerprint")
        if model != self._model:
            self._forget()
            self._model = model
        if runs != self._run:
            found = self.rows.neighbourhoods(self._run)
            self._put_near([number for number, _, _ in found], [similarities for _, similarities, _ in found])
            fresh = {number: keys for number, _, keys in found if self._noted.get(number) != hash(keys.tobytes())}
            for number in fresh:
                if number in self._noted:
                    self.keys.remove(number)
                self._described.pop(number, None)
            self._note_keys(fresh)
            self._run = runs

    def _put_near(self, numbers: Sequence[int], rows: Sequence[Vectors]) -> None:
        if rows:
            self.near.put(np.array(numbers, dtype=np.int64), np.stack(rows))

    def _note_keys(self, found: dict[int, NDArray[np.uint64]]) -> None:
        self.keys.add(list(found), list(found.values()))
        self._noted.update((number, hash(keys.tobytes())) for number, keys in found.items())

    def _let_go(self, index: NeighbourIndex) -> set[str]:
        """Items that had a deleted or rewritten one among their nearest, or were its copies, wait for their relations again."""
        again: set[int] = set()
        left = self.rows.left()
        for number, lang, view in left:
            self.near.remove(np.array([number]))
            again |= self.keys.remove(number)
            self._noted.pop(number, None)
            self._described.pop(number, None)
            for shelf in index.shelves:
                numbers = shelf.all_numbers()
                least = self._reach(numbers, slot_of(lang), self.near.contains(numbers))
                again |= set(shelf.reaching(view[None, : index.dimension], least)[1].tolist())
        if left:
            self.rows.forget_left()
        known = np.array(sorted(again), dtype=np.int64)
        ids = self.store.ids_of(known[self.near.contains(known)].tolist())
        self.rows.drop_of(ids)
        self.store.wait_again(ids.values())
        return set(ids.values())

    def _reach(self, numbers: Numbers, slot: int, chosen: NDArray[np.bool_]) -> Vectors:
        """The similarity (n,) that an item of `slot` needs to be near each of `numbers`; none is enough where one is not `chosen`."""
        least = np.full(len(numbers), 2.0, dtype=np.float32)
        least[chosen] = self.near.reach(numbers[chosen], slot)
        return least

    def _relate(
        self,
        waiting: dict[int, str],
        index: NeighbourIndex,
        tokens: TokenReader,
        dimension: int,
        progress: Progress | None,
    ) -> set[str]:
        """Neighbourhoods, pairs, comparisons and relations of the waiting items (number → language); returns the ids of what has changed."""
        numbers = np.array(sorted(waiting), dtype=np.int64)
        fresh = numbers[~self.near.contains(numbers)]
        # An index of an older samestory has relations without the comparisons that they came from.
        self.rows.drop_of(fresh.tolist())
        views = self.store.story_views(numbers.tolist(), dimension)
        slots = np.array([slot_of(waiting[number]) for number in numbers.tolist()], dtype=np.int64)
        keys = self._know_traits(numbers, tokens, dimension, progress)
        found: list[Pairs] = []
        pushed: set[int] = set()
        for start in range(0, len(numbers), CHUNK):
            part = slice(start, start + CHUNK)
            rows, pairs = self._nearest(numbers[part], views[part], index)
            self.near.put(numbers[part], rows)
            entering, changed = self._let_in(numbers[part], slots[part], views[part], index, numbers, fresh)
            found += [pairs, entering]
            pushed |= changed
            if progress:
                progress(f"neighbours of {min(start + CHUNK, len(numbers))} of {len(numbers)} items")
        alive = np.concatenate([shelf.all_numbers() for shelf in index.shelves])
        sharing = self.keys.sharing(list(keys), list(keys.values()))
        sharing = sharing[np.isin(sharing, alive).all(axis=1)]
        near_pairs = np.concatenate([*found, sharing])
        affected = set(numbers.tolist())
        affected |= self._compare(near_pairs, sharing, numbers, views, tokens, dimension, progress)
        gone = self._let_out(sorted(pushed))
        self.rows.put_neighbourhoods(
            self._run,
            zip(numbers.tolist(), self.near.rows(numbers), (keys[number] for number in numbers.tolist()), strict=True),
        )
        changed_numbers = np.array(sorted(pushed), dtype=np.int64)
        self.rows.put_similarities(
            self._run, zip(changed_numbers.tolist(), self.near.rows(changed_numbers), strict=True)
        )
        ids = self.store.ids_of(numbers.tolist()).values()
        self.store.mark_related(ids)
        return {*ids, *gone[1], *self._settle(affected | gone[0])}

    def _know_traits(
        self, numbers: Numbers, tokens: TokenReader, dimension: int, progress: Progress | None
    ) -> dict[int, NDArray[np.uint64]]:
        """Work out the traits of those items that have none, and note their keys; returns the keys of all."""
        keys: dict[int, NDArray[np.uint64]] = {}
        shared = shared_sentences(self.store)
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK].tolist()
            traits = self.rows.traits(part)
            missing = [number for number in part if number not in traits]
            if missing:
                items, vectors = self.store.items_by_number(missing), self.store.vectors_of(missing, dimension)
                counting = [without_boilerplate(items[number], vectors[number], shared) for number in missing]
                found = traits_of([item for item, _ in counting], [own for _, own in counting], tokens)
                traits.update(zip(missing, found, strict=True))
                self.rows.put_traits(zip(missing, found, strict=True))
                if progress:
                    progress(f"words of {start + len(part)} of {len(numbers)} items")
            keys.update((number, traits[number].keys) for number in part)
        fresh = numbers[~self.near.contains(numbers)].tolist()
        self._note_keys({number: keys[number] for number in fresh})
        return keys

    @staticmethod
    def _nearest(numbers: Numbers, views: Vectors, index: NeighbourIndex) -> tuple[Vectors, Pairs]:
        """The similarities (n, slots, NEAREST) of the nearest of items (n,), and the pairs that they make."""
        rows = np.full((len(numbers), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
        pairs = []
        for slot in range(len(SLOTS)):
            found, cosines = index.nearest(views, slot, NEAREST + 1)
            keep = (found >= 0) & (found != numbers[:, None]) & (cosines >= FLOOR)
            order = np.argsort(~keep, axis=1, kind="stable")[:, :NEAREST]
            keep, found, cosines = (np.take_along_axis(table, order, axis=1) for table in (keep, found, cosines))
            rows[:, slot, : keep.shape[1]] = np.where(keep, cosines, -1.0)
            pairs.append(pairs_of(np.broadcast_to(numbers[:, None], keep.shape)[keep], found[keep]))
        return rows, np.concatenate(pairs)

    def _let_in(
        self,
        part: Numbers,
        slots: NDArray[np.int64],
        views: Vectors,
        index: NeighbourIndex,
        waiting: Numbers,
        fresh: Numbers,
    ) -> tuple[Pairs, set[int]]:
        """Let the fresh items of `part` into the neighbourhoods of those that are not waiting; returns the pairs, and who has changed."""
        pairs = [np.empty((0, 2), dtype=np.int64)]
        changed: set[int] = set()
        for shelf in index.shelves:
            numbers = shelf.all_numbers()
            settled = ~np.isin(numbers, waiting)
            if not settled.any():
                continue
            for slot in np.unique(slots).tolist():
                chosen = np.flatnonzero(slots == slot)
                query, number, cosine = shelf.reaching(views[chosen], self._reach(numbers, slot, settled))
                ones = part[chosen[query]]
                pairs.append(pairs_of(ones, number))
                newcomers: dict[int, list[float]] = defaultdict(list)
                entering = np.isin(ones, fresh)
                for other, similarity in zip(number[entering].tolist(), cosine[entering].tolist(), strict=True):
                    newcomers[other].append(similarity)
                for other, similarities in newcomers.items():
                    self.near.push(other, slot, similarities)
                changed |= newcomers.keys()
        return np.concatenate(pairs), changed

    def _let_out(self, changed: Sequence[int]) -> tuple[set[int], set[str]]:
        """Drop the pairs that are in neither item's neighbourhood any more; returns their items, by number and by id."""
        near = self.rows.near(changed)
        if not near:
            return set(), set()
        a, b = np.array([row[:2] for row in near], dtype=np.int64).T
        slot_a, slot_b = np.array([(slot_of(lang_of(row[2])), slot_of(lang_of(row[3]))) for row in near]).T
        similarity = np.array([row[4] for row in near])
        out = (similarity < self.near.reach(a, slot_b)) & (similarity < self.near.reach(b, slot_a))
        gone = list(zip(a[out].tolist(), b[out].tolist(), strict=True))
        self.rows.drop(gone)
        numbers = {number for pair in gone for number in pair}
        return numbers, set(self.store.ids_of(sorted(numbers)).values())

    def _compare(
        self,
        pairs: Pairs,
        sharing: Pairs,
        numbers: Numbers,
        views: Vectors,
        tokens: TokenReader,
        dimension: int,
        progress: Progress | None,
    ) -> set[int]:
        """Compare `pairs`, of which a shared key proposed `sharing`; returns the items of those that are kept."""
        place_of = np.zeros(max(int(pairs.max(initial=0)), int(numbers.max(initial=0))) + 1, dtype=np.int64)
        place_of[numbers[_in_patches(views)]] = np.arange(1, len(numbers) + 1)
        # A pair is worked on with the one of its items that comes first: those that are not waiting, then patch by patch.
        turned = place_of[pairs[:, 0]] < place_of[pairs[:, 1]]
        lefts = np.where(turned, pairs[:, 1], pairs[:, 0])
        rights = np.where(turned, pairs[:, 0], pairs[:, 1])
        size = len(place_of)
        keys = np.unique(place_of[lefts] * size * size + lefts * size + rights)
        shared = set(map(tuple, sharing.tolist()))
        lefts, rights = keys // size % size, keys % size
        starts = np.flatnonzero(np.diff(lefts, prepend=-1))
        verifier, reader = load_verifier(), _UnitRows(tokens)
        found = FoundPairs()
        affected: set[int] = set()
        for done, (start, end) in enumerate(itertools.pairwise([*starts.tolist(), len(lefts)]), 1):
            number, others = int(lefts[start]), rights[start:end].tolist()
            left, *entries = self._describe([number, *others], dimension)
            by_id = dict(zip((entry.id for entry in entries), zip(others, entries, strict=True), strict=True))
            by_key = (
                {other for other in others if (min(number, other), max(number, other)) in shared} if shared else set()
            )
            digest = left.traits.digest
            same = [
                identical(left, entry)
                for other, entry in zip(others, entries, strict=True)
                if entry.traits.digest == digest and other in by_key
            ]
            distinct = [entry for entry in entries if entry.traits.digest != digest]
            view = self._view(number, left)
            for pair in [*same, *compare(left, distinct, reader, verifier, FLOOR_LOGIT)]:
                other, right = by_id[pair.b if pair.a == left.id else pair.a]
                similarity = float(view @ self._view(other, right)) if pair.features else 1.0
                a, b = (number, other) if pair.a == left.id else (other, number)
                found.add(pair, a, b, similarity, other in by_key)
                affected.update((number, other))
            if progress and done % 1000 == 0:
                progress(f"{done} of {len(starts)} items compared")
        self.rows.put(found)
        return affected

    def _view(self, number: int, described: Described) -> Vectors:
        """The story view (d,) by which neighbours are found: of the whole text, whatever counts in it."""
        return np.asarray(self._whole.get(number, described.vectors.views[0]))

    def _describe(self, numbers: Sequence[int], dimension: int) -> list[Described]:
        """Items ready to be compared, from memory or the store."""
        missing = [number for number in numbers if number not in self._described]
        if missing:
            vectors = self.store.vectors_of(missing, dimension)
            traits = self.rows.traits(missing)
            heads = self.store.heads(missing)
            shared = shared_sentences(self.store)
            for number, item in self.store.items_by_number(
                holders_of_shared(self.store, missing) if shared else ()
            ).items():
                # Neighbours are found and let go by the whole text's view.
                self._whole[number] = vectors[number].views[0]
                vectors[number] = without_boilerplate(item, vectors[number], shared)[1]
            for number in missing:
                self._described[number] = Described(*heads[number], vectors[number], traits[number])
        found = [self._described[number] for number in numbers]
        for number in numbers:
            self._described.move_to_end(number)
        while len(self._described) > KEPT:
            self._whole.pop(self._described.popitem(last=False)[0], None)
        return found

    def _settle(self, affected: set[int]) -> set[str]:
        """Decide the relations of the affected items' pairs anew; returns the items of those that have changed."""
        many = len(affected) > BULK_SHARE * self.store.count_items()
        pairs = self.rows.opinions(None if many else sorted(affected))
        context = pairs if many else self.rows.opinions(_items_of(pairs).tolist())
        ids = self.store.ids_of(None if many else _items_of(pairs).tolist())
        before = self.store.relations_as_stored(
            None if many else [ids[number] for number in sorted(affected) if number in ids]
        )
        changed: list[Relation] = []
        for found in self._settled(pairs, context, ids):
            stored = before.pop((found.a, found.b), None)
            if stored != (found.kind.value, found.score, json.dumps(found.evidence, ensure_ascii=False)):
                changed.append(found)
        self.store.put_relations(changed)
        self.store.drop_pairs(before)
        return {item_id for found in changed for item_id in (found.a, found.b)} | {
            item_id for pair in before for item_id in pair
        }

    def _settled(self, pairs: Opinions, context: Opinions, ids: dict[int, str]) -> Iterable[Relation]:
        table = margins(pairs, context)
        probabilities = load_verifier().settled(table)
        keep = np.flatnonzero((probabilities.round(4) >= RELATED) | (pairs["copy"] > 0))
        numbers = zip(pairs["a"][keep].tolist(), pairs["b"][keep].tolist(), strict=True)
        for pair, row, probability in zip(
            self.rows.comparisons(numbers, ids), table[keep].tolist(), probabilities[keep].tolist(), strict=True
        ):
            yield relation_of(pair, row, probability)

    def opinions(self, draft: Described, index: NeighbourIndex, tokens: TokenReader, dimension: int) -> list[Relation]:
        """The relations that a draft, which is not stored, would have."""
        self.catch_up()
        near = set(self.keys.sharing([-1], [draft.traits.keys]).ravel().tolist()) - {-1}
        for slot in range(len(SLOTS)):
            found, cosines = index.nearest(draft.vectors.views[:1], slot, 2 * NEAREST)
            near |= set(found[0][(found[0] >= 0) & (cosines[0] >= FLOOR)].tolist())
        # Another process may have deleted one since.
        alive = sorted(self.store.heads(sorted(near)))
        others = self._describe(alive, dimension)
        verifier = load_verifier()
        digest = draft.traits.digest
        pairs = [identical(draft, other) for other in others if other.traits.digest == digest]
        pairs += compare(
            draft, [other for other in others if other.traits.digest != digest], tokens, verifier, FLOOR_LOGIT
        )
        numbers = dict(zip((other.id for other in others), alive, strict=True)) | {draft.id: -1}
        own = opinions_of(pairs, numbers, {other.lang: lang_code(other.lang) for other in (draft, *others)})
        stored = self.rows.opinions(alive)
        table = margins(own, np.concatenate([own, stored[list(own.dtype.names or ())]]))
        found_relations = [
            relation_of(pair, row, probability)
            for pair, row, probability in zip(pairs, table.tolist(), verifier.settled(table).tolist(), strict=True)
        ]
        return [found for found in found_relations if found.kind.joins or found.score >= RELATED]


class _UnitRows:
    """Piece vectors of unit length that are worked out once: of a few thousand texts most words come again and again."""

    def __init__(self, tokens: TokenReader) -> None:
        self._tokens = tokens
        self._places = np.zeros(0, dtype=np.int64)  # by piece; 0 where there is none yet
        self._rows: Vectors = np.zeros((1, 0), dtype=np.float32)
        self._used = 1

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokens.token_ids(texts)

    def rows(self, ids: Sequence[int]) -> Vectors:
        return self._tokens.rows(ids)

    def unit_rows(self, ids: NDArray[np.int32]) -> Vectors:
        """(len(ids), d) piece vectors of unit length."""
        highest = int(ids.max())
        if highest >= len(self._places):
            self._places = np.append(self._places, np.zeros(2 * highest + 1 - len(self._places), dtype=np.int64))
        missing = np.unique(ids[self._places[ids] == 0])
        if len(missing):
            rows = self._tokens.unit_rows(missing)
            needed = self._used + len(rows)
            if needed > len(self._rows):
                grown = np.empty((2 * needed, rows.shape[1]), dtype=np.float32)
                grown[: self._used] = self._rows[: self._used] if self._rows.shape[1] else 0.0
                self._rows = grown
            self._rows[self._used : needed] = rows
            self._places[missing] = np.arange(self._used, needed)
            self._used = needed
        return self._rows.take(self._places[ids], axis=0)


def _items_of(pairs: Opinions) -> Numbers:
    return np.unique(np.concatenate([pairs["a"], pairs["b"]]))


def _in_patches(views: Vectors) -> Numbers:
    """An order (n,) of the rows of `views` (n, d) in which what lies together comes together.

    Each row goes to the nearest of a few evenly drawn ones, and these follow one another along the direction in
    which they differ most. It decides how often a vector is read, and nothing else.
    """
    centres = views[:: max(PATCH, 1)]
    if len(centres) < 2:
        return np.arange(len(views))
    along = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)[2][0]
    centres = centres[np.argsort(centres @ along)]
    nearest = np.concatenate(
        [(views[start : start + 4096] @ centres.T).argmax(axis=1) for start in range(0, len(views), 4096)]
    )
    return np.argsort(nearest, kind="stable")
