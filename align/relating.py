"""Vectors → neighbours → relations, for the items that wait for theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from align.comparing import compare_pairs
from align.comparison_rows import ComparisonRows, FoundPairs, Opinions
from align.describing import Described, TokenReader
from align.description_rows import PIECES, DescriptionRows, Progress
from align.index import NeighbourIndex, slot_of
from align.language import lang_code, lang_of
from align.nearest import nearest_of
from align.neighbourhoods import FLOOR, NEAREST, Neighbourhoods, Numbers, Pushes, SharedKeys, pairs_of
from align.records import Relation, Vectors
from align.relations import Comparison, compare, identical, margins, opinions_of, relation_of, shown_margin
from align.store import Store
from align.verifier import FLOOR_LOGIT, load_verifier

RELATED = 0.02
"""Least probability of one story, inclusive, that makes two items related; a pair below is compared, and no relation."""
BULK_SHARE = 0.2
"""Where more than this share of the items is affected, all comparisons are read at once."""


class Relating:
    """The relations of one store: keeps neighbourhoods and shared keys in memory between calls.

    One writer at a time: call `run` under the pipeline's lock. What another process has written since
    is seen, because the neighbourhoods are read anew whenever the store's count of runs has moved on.
    """

    def __init__(self, store: Store, descriptions: DescriptionRows) -> None:
        self.store = store
        self.rows = ComparisonRows(store)
        self.descriptions = descriptions
        self.joined: set[str] = set()
        """Items that have joined another since this was emptied: what a relation of theirs is explained with may be worked out."""
        self._model: tuple[str | None, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self.near = Neighbourhoods()
        self.keys = SharedKeys()
        self._run = 0
        self._noted: dict[int, int] = {}

    def run(
        self, index: NeighbourIndex, tokens: TokenReader, dimension: int, progress: Progress | None = None
    ) -> set[str]:
        """Work out the relations of the waiting items. Returns these, and the items with a relation that is new, changed or gone.

        All or nothing: committed at the end, so a killed process leaves the items waiting.
        """
        changed: set[str] = set()
        try:
            with self.store.writing():
                self.descriptions.ready(tokens, dimension, progress)
                self.catch_up()
                self._let_go(index, tokens, dimension, progress)
                waiting = dict(self.store.waiting())
                if waiting:
                    self._run += 1
                    changed = self._relate(waiting, index, tokens, dimension, progress)
                    self.store.set_setting("relating_runs", str(self._run))
                    self.store.touch(changed)
        except BaseException:
            self._forget()  # what is in memory is ahead of the store
            raise
        return changed

    def catch_up(self, near: bool = True) -> None:
        """Read what another process, or another of these, has worked out since; without `near`, no more than a draft needs."""
        runs = int(self.store.setting("relating_runs") or 0)
        model = self.store.setting("model_fingerprint"), self.store.setting(PIECES)
        if model != self._model:
            self._forget()
            self._model = model
        if runs != self._run:
            if near:
                self.near.put(*self.rows.similarities(self._run))
                for pushes in self.rows.pushes(self._run):
                    self.near.let_in(pushes)
            found = self.rows.keys(self._run)
            fresh = {number: keys for number, keys in found.items() if self._noted.get(number) != hash(keys.tobytes())}
            self.keys.remove([number for number in fresh if number in self._noted])
            self._note_keys(fresh)
            self._run = runs

    def _note_keys(self, found: dict[int, NDArray[np.uint64]]) -> None:
        self.keys.add(found)
        self._noted.update((number, hash(keys.tobytes())) for number, keys in found.items())

    def _let_go(self, index: NeighbourIndex, tokens: TokenReader, dimension: int, progress: Progress | None) -> None:
        """Items that had a deleted or rewritten one among their nearest, or shared a key that another has no more, wait for their relations again."""
        again: set[int] = set()
        left = self.rows.left()
        for number, lang, view in left:
            self.near.remove(np.array([number]))
            self._noted.pop(number, None)
            for shelf in index.shelves:
                for numbers, views in shelf.parts():
                    held = self.near.contains(numbers)
                    cosines = (views @ view[: index.dimension])[held]
                    reached = cosines >= self.near.reach(numbers[held], slot_of(lang))
                    again |= set(numbers[held][reached].tolist())
        if left:
            again |= self.keys.remove([number for number, _, _ in left])
            self.rows.forget_left()
        again |= self._describe_anew(tokens, dimension, progress)
        known = np.array(sorted(again), dtype=np.int64)
        self.store.wait_again(self.store.ids_of(known[self.near.contains(known)].tolist()).values())

    def _describe_anew(self, tokens: TokenReader, dimension: int, progress: Progress | None) -> set[int]:
        """Describe the known items that other sentences count of than before; returns those that shared a key with them and do so no more."""
        missing = np.array(self.descriptions.missing(), dtype=np.int64)
        known = missing[self.near.contains(missing)].tolist()
        if not known:
            return set()
        self.descriptions.describe(known, tokens, dimension, progress)
        found = self.descriptions.keys(known)
        self._noted.update((number, hash(keys.tobytes())) for number, keys in found.items())
        return self.keys.replace(found)

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
        is_known = self.near.contains(numbers)
        fresh = numbers[~is_known]
        # An index of an older samestory has relations without the comparisons that they came from.
        self.rows.drop_of(fresh.tolist())
        before = self.rows.take_out(numbers[is_known].tolist())
        views = self.store.story_views(numbers.tolist(), dimension)
        slots = np.array([slot_of(waiting[number]) for number in numbers.tolist()], dtype=np.int64)
        keys = self._keys_of(numbers, tokens, dimension, progress)
        found = nearest_of(
            numbers,
            slots,
            views,
            partial(_settled, index, numbers),
            self.near.reach,
            progress and (lambda done: progress(f"neighbours of {done} of {len(numbers)} items")),
        )
        self.near.put(numbers, found.similarities, self._run)
        entering = np.isin(numbers[found.places], fresh)
        pushes = Pushes(
            self._run,
            found.reached[entering],
            slots[found.places[entering]].astype(np.int8),
            found.cosines[entering],
        )
        self.near.let_in(pushes)
        has = found.numbers >= 0
        nearest = pairs_of(np.broadcast_to(numbers[:, None, None], has.shape)[has], found.numbers[has])
        alive = np.concatenate([part for shelf in index.shelves for part, _ in shelf.parts()])
        sharing = self.keys.sharing(keys)
        sharing = sharing[np.isin(sharing, alive).all(axis=1)]
        near_pairs = np.concatenate([nearest, pairs_of(numbers[found.places], found.reached), sharing])
        compared = compare_pairs(self.descriptions, near_pairs, sharing, numbers, views, tokens, dimension, progress)
        if compared is not None:
            self.rows.put(compared)
        affected = before | set(numbers.tolist())
        affected |= set() if compared is None else {*compared.a.tolist(), *compared.b.tolist()}
        gone = self._let_out(np.unique(pushes.numbers).tolist())
        self.rows.put_neighbourhoods(
            self._run,
            zip(numbers.tolist(), self.near.rows(numbers), (keys[number] for number in numbers.tolist()), strict=True),
        )
        self.rows.put_pushes(pushes)
        self.rows.write_back(self._run, self.near)
        ids = self.store.ids_of(numbers.tolist()).values()
        self.store.mark_related(ids)
        return {*ids, *gone[1], *self._settle(affected | gone[0], compared)}

    def _keys_of(
        self, numbers: Numbers, tokens: TokenReader, dimension: int, progress: Progress | None
    ) -> dict[int, NDArray[np.uint64]]:
        """The keys of items, which are noted. Those that boilerplate has changed for since they came in are described anew."""
        keys = self.descriptions.keys(numbers.tolist())
        if missing := [number for number in numbers.tolist() if number not in keys]:
            self.descriptions.describe(missing, tokens, dimension, progress)
            keys |= self.descriptions.keys(missing)
        self._note_keys({number: keys[number] for number in numbers[~self.near.contains(numbers)].tolist()})
        return keys

    def _let_out(self, changed: Sequence[int]) -> tuple[set[int], set[str]]:
        """Drop the pairs that are in neither item's neighbourhood any more; returns their items, by number and by id."""
        near = self.rows.near(changed)
        if not near:
            return set(), set()
        a, b, *langs, similarity = (np.array(column) for column in zip(*near, strict=True))
        slot_a, slot_b = (_slots_of(codes) for codes in langs)
        out = (similarity < self.near.reach(a, slot_b)) & (similarity < self.near.reach(b, slot_a))
        gone = list(zip(a[out].tolist(), b[out].tolist(), strict=True))
        self.rows.drop(gone)
        numbers = {number for pair in gone for number in pair}
        return numbers, set(self.store.ids_of(sorted(numbers)).values())

    def _settle(self, affected: set[int], compared: FoundPairs | None) -> set[str]:
        """Decide the relations of the affected items' pairs anew; returns the items of those that have changed.

        `compared` are the pairs whose evidence is new. Of the others only those are written whose margin has changed.
        """
        many = len(affected) > BULK_SHARE * self.store.count_items()
        pairs = self.rows.opinions(None if many else sorted(affected))
        items = _items_of(pairs)
        context = pairs if many else self.rows.opinions(items.tolist())
        ids = self.store.ids_of(None if many else items.tolist())
        settled = load_verifier().settled(table := margins(pairs, context))
        before = self.store.settled_relations(None if many else [ids[number] for number in affected & ids.keys()])
        keep = np.flatnonzero((settled.round(4) >= RELATED) | (pairs["copy"] > 0))
        fresh = _are_among(pairs[keep], compared)
        changed: list[tuple[tuple[int, int], list[float], float]] = []
        for a, b, margin, probability, is_fresh in zip(
            pairs["a"][keep].tolist(), pairs["b"][keep].tolist(), table[keep].tolist(), settled[keep].tolist(), fresh, strict=True
        ):  # fmt: skip
            stored = before.pop((ids[a], ids[b]), None)
            if is_fresh or stored is None or stored not in (shown_margin(margin, probability), (None, None)):
                changed.append(((a, b), margin, probability))
        found = [
            relation_of(pair, margin, probability)
            for pair, (_, margin, probability) in zip(
                self.rows.comparisons([pair for pair, _, _ in changed], ids), changed, strict=True
            )
        ]
        self.store.put_relations(found)
        self.joined |= {item_id for one in found if one.kind.joins for item_id in (one.a, one.b)}
        self.store.drop_pairs(before)
        return {item_id for one in found for item_id in (one.a, one.b)} | {
            item_id for pair in before for item_id in pair
        }

    def opinions(self, draft: Described, index: NeighbourIndex, tokens: TokenReader, dimension: int) -> list[Relation]:
        """The relations that a draft, which is not stored, would have."""
        self.catch_up(near=False)
        near = set(self.keys.sharing({-1: draft.traits.keys}).ravel().tolist()) - {-1}
        for slot, shelf in enumerate(index.shelves):
            if not len(shelf):
                continue
            found, cosines = index.nearest(draft.vectors.views[:1], slot, NEAREST)
            near |= set(found[0][(found[0] >= 0) & (cosines[0] >= FLOOR)].tolist())
        # Another process may have deleted one since.
        alive = self.store.there(sorted(near))
        verifier = load_verifier()
        pairs: list[Comparison] = []
        numbers = {draft.id: -1}
        for beside, found_numbers in self.descriptions.beside(draft, alive, tokens, dimension):
            same = beside.are_identical()
            pairs += [*identical(beside.at(same)), *compare(beside.at(~same), verifier, FLOOR_LOGIT)]
            numbers |= zip(map(beside.right.id_at, beside.others.tolist()), found_numbers, strict=True)
        own = opinions_of(pairs, numbers, {lang: lang_code(lang) for pair in pairs for lang in pair.langs})
        stored = self.rows.opinions([numbers[pair.b if pair.a == draft.id else pair.a] for pair in pairs])
        table = margins(own, np.concatenate([own, stored[list(own.dtype.names or ())]]))
        found_relations = [
            relation_of(pair, row, probability)
            for pair, row, probability in zip(pairs, table.tolist(), verifier.settled(table).tolist(), strict=True)
        ]
        return [found for found in found_relations if found.kind.joins or found.score >= RELATED]


def _settled(index: NeighbourIndex, waiting: Numbers, slot: int) -> Iterator[tuple[Numbers, Vectors]]:
    """Numbers and views of the items of a slot that are not `waiting`, part by part."""
    for numbers, views in index.shelves[slot].parts():
        settled = ~np.isin(numbers, waiting)
        if settled.all():  # no copy
            yield numbers, views
        elif settled.any():
            yield numbers[settled], views[settled]


def _slots_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The shelves (n,) that languages (n,), as numbers, stand on."""
    known, at = np.unique(codes, return_inverse=True)
    return np.array([slot_of(lang_of(code)) for code in known.tolist()])[at]


def _are_among(pairs: Opinions, compared: FoundPairs | None) -> list[bool]:
    """Which of `pairs` are `compared` ones."""
    if compared is None:
        return [False] * len(pairs)
    size = int(max(pairs["a"].max(initial=0), pairs["b"].max(initial=0), compared.a.max(), compared.b.max())) + 1
    among: list[bool] = np.isin(pairs["a"] * size + pairs["b"], compared.a * size + compared.b).tolist()
    return among


def _items_of(pairs: Opinions) -> Numbers:
    return np.unique(np.concatenate([pairs["a"], pairs["b"]]))
