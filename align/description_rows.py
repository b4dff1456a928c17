"""Descriptions as rows of the store: an item's is worked out when it comes in, and read ever after.

They also lie in the files of ``align.stack_files``, ready to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.boilerplate import put_sentences, shared_sentences
from align.describing import KEYWORDS, Described, Descriptions, TokenReader, day_of, describe, in_columns
from align.embedding import Encoder
from align.language import lang_code
from align.records import Item, ItemVectors
from align.stack_files import StackFiles
from align.stacks import PlacedPairs, Places, Stack
from align.store import Store
from align.threads import at_once
from align.vectors import vectorise

CHUNK = 512
"""So many items are described, or read, at a time."""
PIECES = "pieces_fingerprint"
"""The setting that says by which model's pieces the descriptions are."""

Progress = Callable[[str], None]


class DescriptionRows:
    """The descriptions that a store keeps of its items, as one thread sees them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.files = StackFiles(store)

    def put_made(self, items: Mapping[int, Item], encoder: Encoder, tokens: TokenReader) -> None:
        """Keep what is made of items (by number) once and for all: vectors, sentences, descriptions.

        Called inside ``store.writing()``, after ``ready``. Boilerplate counts as it stands: when it changes, its holders are described anew.
        """
        made = dict(zip(items, vectorise(list(items.values()), encoder), strict=True))
        for number, item in items.items():
            self.store.put_vectors(number, made[number])
            put_sentences(self.store, item, made[number].sentence_spans)
        found = describe(list(items.values()), list(made.values()), tokens, shared_sentences(self.store))
        self._put(made, found, tokens, encoder.dimension)

    def _put(
        self, vectors: Mapping[int, ItemVectors], found: Sequence[Described], tokens: TokenReader, dimension: int
    ) -> None:
        """Keep the descriptions `found` of items, of which the store has these `vectors` (by number, in the same order)."""
        if not found:
            return
        self.store.executemany(
            "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    number,
                    *(
                        column.tobytes()
                        for column in (
                            entry.traits.keys, entry.traits.words, entry.traits.word_weights, entry.traits.numbers,
                            entry.traits.names, entry.traits.shingles, entry.traits.sentence_weights,
                        )
                    ),
                    entry.traits.length,
                    # Where all sentences count, these are the stored ones.
                    *((None, None) if entry.vectors is whole else (entry.vectors.views.tobytes(), entry.vectors.sentences.tobytes())),
                )
                for (number, whole), entry in zip(vectors.items(), found, strict=True)
            ),
        )  # fmt: skip
        self.files.put(list(vectors), in_columns(found), tokens, dimension)

    def keys(self, numbers: Sequence[int]) -> dict[int, NDArray[np.uint64]]:
        """The keys of those items that are described."""
        rows = self.store.chosen("SELECT item_number, keys FROM traits", "item_number", numbers)
        return {int(number): np.frombuffer(keys, np.uint64) for number, keys in rows}

    def described(
        self, numbers: Sequence[int], tokens: TokenReader, dimension: int
    ) -> Iterator[tuple[list[int], Descriptions]]:
        """The items in parts, each with the numbers of its items in their order.

        What is not kept, or kept by another model's pieces, is described here. Raises KeyError where an item has no vectors.
        """
        missing = list(numbers)
        if self.store.setting(PIECES) == tokens.fingerprint:
            rows = list(self.store.chosen(_SELECT, "traits.item_number", numbers))
            if rows:
                found = [row[0] for row in rows]
                yield found, _from_rows(rows, dimension)
                missing = sorted(set(numbers) - set(found))
        if missing:
            yield missing, in_columns(self._describing(missing, tokens, dimension)()[1])

    def ready(self, tokens: TokenReader, dimension: int, progress: Progress | None = None) -> None:
        """Describe what an earlier samestory did not, or did by another model's pieces. Called inside ``store.writing()``.

        Where the pieces are others, all relations wait to be worked out again.
        """
        may_lack = self.files.write(tokens, dimension)
        known = self.store.setting(PIECES)
        if known == tokens.fingerprint:
            if may_lack:
                self._fill_files(tokens, dimension, progress)
            return
        # An index that does not say so yet, and has a static model, was described by that.
        if (known or self.store.setting("model_fingerprint")) != tokens.fingerprint:
            for table in ("traits", "comparison", "neighbourhood", "neighbour_push", "neighbour_left"):
                self.store.execute(f"DELETE FROM {table}")
            self.store.execute("UPDATE item SET related = 0")
        self.store.set_setting(PIECES, tokens.fingerprint)
        rows = self.store.execute(
            "SELECT item_number FROM vectors WHERE item_number NOT IN (SELECT item_number FROM traits) ORDER BY item_number"
        )
        self.describe([row[0] for row in rows], tokens, dimension, progress)

    def _fill_files(self, tokens: TokenReader, dimension: int, progress: Progress | None) -> None:
        """Append the descriptions that the files lack."""
        items = np.array([row[0] for row in self.store.execute("SELECT number FROM item")], dtype=np.int64)
        lacking = items[self.files.places(items) < 0].tolist()
        described = [
            row[0] for row in self.store.chosen("SELECT item_number FROM traits", "item_number", sorted(lacking))
        ]
        for start in range(0, len(described), CHUNK):
            for numbers, entries in self.described(described[start : start + CHUNK], tokens, dimension):
                self.files.put(numbers, entries, tokens, dimension)
            if progress:
                progress(f"descriptions of {min(start + CHUNK, len(described))} of {len(described)} items laid out")

    def stacked(self, numbers: Sequence[int], tokens: TokenReader, dimension: int) -> tuple[Stack, Places]:
        """A stack that holds these items, and their places (n,) in it. Called inside ``store.writing()``, after ``ready``."""
        places = self.files.places(numbers)
        if lacking := [number for number, place in zip(numbers, places.tolist(), strict=True) if place < 0]:
            for found, entries in self.described(lacking, tokens, dimension):
                self.files.put(found, entries, tokens, dimension)
            places = self.files.places(numbers)
        assert self.files.stack is not None  # for the type checker
        return self.files.stack, places

    def beside(
        self, draft: Described, numbers: Sequence[int], tokens: TokenReader, dimension: int
    ) -> Iterator[tuple[PlacedPairs, list[int]]]:
        """A text that is not stored and each of these items, in parts, each with the numbers of its items in their order."""
        self.files.read(tokens, dimension)
        own = Stack(tokens, dimension)
        own.add(in_columns([draft]))
        asked, places = np.array(numbers, dtype=np.int64), self.files.places(numbers)
        there = places >= 0
        if self.files.stack is not None and there.any():
            others = places[there]
            yield PlacedPairs(own, np.zeros_like(others), self.files.stack, others), asked[there].tolist()
        # An index of an earlier samestory has no files until it is written to.
        for found, entries in self.described(asked[~there].tolist(), tokens, dimension):
            others = len(own) + np.arange(len(found))
            own.add(entries)
            yield PlacedPairs(own, np.zeros_like(others), own, others), found

    def missing(self) -> list[int]:
        """The waiting items that are to be described anew, because of what is boilerplate now."""
        rows = self.store.execute(
            "SELECT number FROM item WHERE related = 0 AND number NOT IN (SELECT item_number FROM traits) ORDER BY number"
        )
        return [row[0] for row in rows]

    def describe(
        self, numbers: Sequence[int], tokens: TokenReader, dimension: int, progress: Progress | None = None
    ) -> None:
        """Work out and keep the descriptions of items. Called inside ``store.writing()``."""
        parts = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        tasks = (self._describing(part, tokens, dimension) for part in parts)
        done = 0
        for vectors, found in at_once(tasks):
            self._put(vectors, found, tokens, dimension)
            done += len(found)
            if progress:
                progress(f"words of {done} of {len(numbers)} items")

    def _describing(
        self, numbers: Sequence[int], tokens: TokenReader, dimension: int
    ) -> Callable[[], tuple[dict[int, ItemVectors], list[Described]]]:
        """What describes items, which are read from the store here; it returns their vectors too."""
        items, vectors = self.store.items_by_number(numbers), self.store.vectors_of(numbers, dimension)
        shared = shared_sentences(self.store)
        return partial(_described, list(items.values()), vectors, tokens, shared)


def _described(
    items: Sequence[Item], vectors: dict[int, ItemVectors], tokens: TokenReader, shared: Set[int]
) -> tuple[dict[int, ItemVectors], list[Described]]:
    return vectors, describe(items, list(vectors.values()), tokens, shared)


_SELECT = """
    SELECT item.number, id, lang, published, length, keys, traits.views, vectors.views,
        coalesce(traits.sentences, vectors.sentences), sentence_weights, words, word_weights, numbers, names, shingles
    FROM traits JOIN vectors USING (item_number) JOIN item ON item.number = item_number
"""


def _from_rows(rows: Sequence[tuple[Any, ...]], dimension: int) -> Descriptions:
    """The columns of rows of `_SELECT`."""
    _, ids, langs, published, lengths, keys, views, wholes, sentences, *rest = zip(*rows, strict=True)
    sentence_weights, words, word_weights, numbers, names, shingles = rest
    return Descriptions(
        ids=ids,
        langs=np.array(list(map(lang_code, langs))),
        days=np.array(list(map(day_of, published)), dtype=np.float64),
        lengths=np.array(lengths),
        digests=_joined([own[:8] for own in keys], np.uint64),
        views=_joined([own or whole for own, whole in zip(views, wholes, strict=True)], np.float32).reshape(
            len(rows), -1, dimension
        )[:, :2],
        wholes=_joined([own[: 4 * dimension] for own in wholes], np.float32).reshape(-1, dimension),
        sentence_counts=_counts(sentence_weights, np.float32),
        sentences=_joined(sentences, np.float32).reshape(-1, dimension),
        sentence_weights=_joined(sentence_weights, np.float32),
        words=_joined(words, np.int32).reshape(-1, KEYWORDS),
        word_weights=_joined(word_weights, np.float32).reshape(-1, KEYWORDS),
        number_counts=_counts(numbers, np.float64),
        numbers=_joined(numbers, np.float64),
        name_counts=_counts(names, np.uint32),
        names=_joined(names, np.uint32),
        shingles=[np.frombuffer(own, np.uint32) for own in shingles],
    )


def _joined(blobs: Sequence[bytes], kind: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(b"".join(blobs), kind)


def _counts(blobs: Sequence[bytes], kind: type[np.generic]) -> NDArray[np.int64]:
    """How many of a kind each of `blobs` holds."""
    return np.array(list(map(len, blobs)), dtype=np.int64) // np.dtype(kind).itemsize
