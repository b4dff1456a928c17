"""Comparisons and neighbourhoods as rows of the store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from align.index import SLOTS
from align.language import lang_of
from align.neighbourhoods import NEAREST, Neighbourhoods, Numbers, Pushes
from align.records import Kind, Vectors
from align.relations import OPINIONS, Comparison, Copy
from align.store import Store

_AT_ONCE = 900  # SQLite's limit on the variables of one statement is far above
PUSHES = 500_000
"""So many comings into neighbourhoods are noted, 13 bytes each, before these are written anew: a neighbourhood is in some hundred bytes, and lies anywhere."""

Opinions = NDArray[np.void]
"""(n,) of OPINIONS, and `copy`: 1 where overlap has decided."""
_OPINIONS = np.dtype([*OPINIONS.descr, ("copy", np.int64)])
_SCALE = 1e4  # features are rounded to four decimals
_SORTED = 200_000
"""From so many new comparisons on, an index of them is built anew, which is faster than a place for each."""


@dataclass(frozen=True)
class FoundPairs:
    """Comparisons on their way to the store, as columns (n,): of millions no object each is made.

    `features` is (n, f), whole numbers of ten thousandths; `overlaps` is, by row, what `pack_copy` gives.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    lang_a: NDArray[np.int64]
    lang_b: NDArray[np.int64]
    logit: NDArray[np.float64]
    similarity: Vectors
    by_key: NDArray[np.bool_]
    features: NDArray[np.int32]
    overlaps: dict[int, bytes]

    def __len__(self) -> int:
        return len(self.a)


def whole_features(table: NDArray[np.float64]) -> NDArray[np.int32]:
    """Features (n, f), rounded to four decimals, as whole numbers."""
    return np.rint(table * _SCALE).astype("<i4")


def pack_copy(copy: Copy) -> bytes:
    """What overlap has decided, for the store."""
    return bytes(msgpack.packb((copy[0].value, *copy[1:])))


def joined(parts: Sequence[FoundPairs]) -> FoundPairs:
    """All of `parts` end to end."""
    shifts = np.cumsum([0, *map(len, parts)])
    overlaps = {
        int(shift) + row: blob
        for shift, part in zip(shifts, parts, strict=False)
        for row, blob in part.overlaps.items()
    }
    columns: dict[str, Any] = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts])
        for column in fields(FoundPairs)[:-1]
    }
    return FoundPairs(**columns, overlaps=overlaps)


class ComparisonRows:
    """What the store remembers of pairs, and of items as members of pairs."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def put(self, found: FoundPairs) -> None:
        """Keep comparisons, in place of those of the same pairs."""
        connection = self.store.connection()
        many = len(found) > _SORTED
        if many:
            connection.execute("DROP INDEX comparison_by_b")
        order = np.lexsort((found.b, found.a))
        for start in range(0, len(order), _SORTED):
            connection.executemany(
                "INSERT OR REPLACE INTO comparison VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self._as_rows(found, order[start : start + _SORTED]),
            )
        if many:
            connection.execute("CREATE INDEX comparison_by_b ON comparison (b, a, lang_a, lang_b, logit, copy)")

    @staticmethod
    def _as_rows(found: FoundPairs, places: NDArray[np.int64]) -> Iterator[tuple[object, ...]]:
        overlaps = list(map(found.overlaps.get, places.tolist()))
        features = found.features[places]
        width, blob = features.shape[1] * features.itemsize, features.tobytes()
        columns = (found.a, found.b, found.lang_a, found.lang_b, found.logit)
        return zip(
            *(column[places].tolist() for column in columns),
            (overlap is not None for overlap in overlaps),
            found.similarity[places].tolist(),
            found.by_key[places].tolist(),
            (blob[start : start + width] for start in range(0, len(blob), width)),
            overlaps,
            strict=True,
        )

    def drop(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget comparisons, and the relations that they became."""
        pairs = list(pairs)
        connection = self.store.connection()
        connection.executemany("DELETE FROM comparison WHERE a = ? AND b = ?", pairs)
        connection.executemany(
            "DELETE FROM relation WHERE a = (SELECT id FROM item WHERE number = ?) AND b = (SELECT id FROM item WHERE number = ?)",
            pairs,
        )

    def drop_of(self, numbers: Iterable[int]) -> None:
        """Forget every comparison and relation of some items."""
        connection = self.store.connection()
        for number in numbers:
            connection.execute("DELETE FROM comparison WHERE a = ?1 OR b = ?1", (number,))
            for side in ("a", "b"):
                connection.execute(
                    f"DELETE FROM relation WHERE {side} = (SELECT id FROM item WHERE number = ?)", (number,)
                )

    def take_out(self, numbers: Sequence[int]) -> set[int]:
        """Forget the comparisons of some items, which are to be made anew, but not their relations; returns whom they were with."""
        connection = self.store.connection()
        others: set[int] = set()
        for marks, part in _parts(numbers):
            for side, other in (("a", "b"), ("b", "a")):
                rows = connection.execute(f"DELETE FROM comparison WHERE {side} IN ({marks}) RETURNING {other}", part)
                others.update(row[0] for row in rows)
        return others

    def opinions(self, numbers: Sequence[int] | None = None) -> Opinions:
        """The opinions of every comparison, or of those of some items: each once."""
        columns = "a, b, lang_a, lang_b, logit, copy"
        if numbers is None:
            return np.fromiter(self.store.execute(f"SELECT {columns} FROM comparison ORDER BY a, b"), _OPINIONS)
        sides = [
            np.fromiter(
                itertools.chain.from_iterable(
                    self.store.execute(f"SELECT {columns} FROM comparison WHERE {side} IN ({marks})", part)
                    for marks, part in _parts(numbers)
                ),
                _OPINIONS,
            )
            for side in ("a", "b")
        ]
        return np.concatenate([sides[0], sides[1][~np.isin(sides[1]["a"], np.asarray(numbers, dtype=np.int64))]])

    def comparisons(self, pairs: Iterable[tuple[int, int]], ids: Mapping[int, str]) -> Iterator[Comparison]:
        """The comparisons of pairs of numbers that there are, under the `ids` of their items."""
        for a, b in pairs:
            [row] = self.store.execute(
                "SELECT lang_a, lang_b, logit, features, overlap FROM comparison WHERE a = ? AND b = ?", (a, b)
            )
            copy, overlap, extra = msgpack.unpackb(row[4]) if row[4] else (None, 0.0, ())
            values = (np.frombuffer(row[3], "<i4") / _SCALE).tolist()
            yield Comparison(
                ids[a], ids[b], (lang_of(row[0]), lang_of(row[1])), tuple(values), row[2],
                Kind(copy) if copy else None, overlap, tuple((name, value) for name, value in extra),
            )  # fmt: skip

    def near(self, numbers: Sequence[int]) -> list[tuple[int, int, int, int, float]]:
        """(a, b, language of a, language of b, cosine) of the comparisons of some items that nearness alone proposed."""
        return [
            row
            for side in ("a", "b")
            for marks, part in _parts(numbers)
            for row in self.store.execute(
                f"SELECT a, b, lang_a, lang_b, similarity FROM comparison WHERE {side} IN ({marks}) AND NOT by_key",
                part,
            )
        ]

    # items

    def similarities(self, after: int) -> tuple[Numbers, Vectors, Numbers]:
        """Item numbers (n,), similarities (n, slots, NEAREST) and runs (n,) of the neighbourhoods written in a run after `after`."""
        rows = self.store.rows("SELECT item_number, run, similarities FROM neighbourhood WHERE run > ?", (after,))
        numbers, runs = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2).T
        similarities = np.frombuffer(b"".join(row[2] for row in rows), "<f4")
        return numbers, similarities.reshape(len(rows), len(SLOTS), NEAREST), runs

    def pushes(self, after: int = 0) -> Iterator[Pushes]:
        """Who came into which neighbourhoods in runs after `after`, in order; those of a run that was written back are not among them."""
        for run, numbers, slots, similarities in self.store.rows(
            "SELECT run, numbers, slots, similarities FROM neighbour_push WHERE run > ? ORDER BY run", (after,)
        ):
            yield Pushes(
                run, np.frombuffer(numbers, "<i8"), np.frombuffer(slots, np.int8), np.frombuffer(similarities, "<f4")
            )

    def put_pushes(self, pushes: Pushes) -> None:
        if len(pushes.numbers):
            self.store.execute(
                "INSERT INTO neighbour_push VALUES (?, ?, ?, ?)",
                (
                    pushes.run,
                    pushes.numbers.astype("<i8").tobytes(),
                    pushes.slots.astype(np.int8).tobytes(),
                    pushes.similarities.astype("<f4").tobytes(),
                ),
            )

    def write_back(self, run: int, near: Neighbourhoods) -> None:
        """Where very many have come in, write the neighbourhoods that they came into as they are after `run`, and forget who came."""
        [[n_pushes]] = self.store.rows("SELECT coalesce(sum(length(slots)), 0) FROM neighbour_push")
        if n_pushes > PUSHES:
            numbers = np.unique(np.concatenate([pushes.numbers for pushes in self.pushes()]))
            numbers = numbers[near.contains(numbers)]
            self._put_similarities(run, zip(numbers.tolist(), near.rows(numbers), strict=True))
            self.store.execute("DELETE FROM neighbour_push")

    def keys(self, after: int) -> dict[int, NDArray[np.uint64]]:
        """The keys of the items that got theirs in a run after `after`."""
        by = "INDEXED BY neighbourhood_by_keyed" if after else ""  # which SQLite would not choose
        rows = self.store.execute(
            f"SELECT item_number, keys FROM neighbourhood {by} WHERE keyed > ? ORDER BY item_number", (after,)
        )
        return {int(number): np.frombuffer(keys, np.uint64) for number, keys in rows}

    def put_neighbourhoods(self, run: int, found: Iterable[tuple[int, Vectors, NDArray[np.uint64]]]) -> None:
        self.store.connection().executemany(
            "INSERT OR REPLACE INTO neighbourhood (item_number, run, similarities, keys, keyed) VALUES (?, ?, ?, ?, ?)",
            (
                (number, run, similarities.astype("<f4").tobytes(), keys.tobytes(), run)
                for number, similarities, keys in found
            ),
        )

    def _put_similarities(self, run: int, found: Iterable[tuple[int, Vectors]]) -> None:
        self.store.connection().executemany(
            "UPDATE neighbourhood SET run = ?, similarities = ? WHERE item_number = ?",
            ((run, similarities.astype("<f4").tobytes(), number) for number, similarities in found),
        )

    def left(self) -> list[tuple[int, str, Vectors]]:
        """(item number, language, views end to end) of items whose vectors are gone or replaced, and still count in neighbourhoods."""
        return [
            (int(number), str(lang), np.frombuffer(views, "<f4"))
            for number, lang, views in self.store.connection().execute(
                "SELECT item_number, lang, views FROM neighbour_left"
            )
        ]

    def forget_left(self) -> None:
        self.store.connection().execute("DELETE FROM neighbour_left")


def _parts(numbers: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """`numbers` in parts that one statement takes, with its marks."""
    for start in range(0, len(numbers), _AT_ONCE):
        part = [int(number) for number in numbers[start : start + _AT_ONCE]]
        yield ",".join("?" * len(part)), part
