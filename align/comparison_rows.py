"""Comparisons, traits and neighbourhoods as rows of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgpack
import numpy as np
from numpy.typing import NDArray

from align.describing import Traits
from align.index import SLOTS
from align.neighbourhoods import NEAREST
from align.records import Kind, Vectors
from align.relations import OPINIONS, Comparison
from align.store import Store

_AT_ONCE = 900  # SQLite's limit on the variables of one statement is far above


Opinions = NDArray[np.void]
"""(n,) of OPINIONS, and `copy`: 1 where overlap has decided."""
_OPINIONS = np.dtype([*OPINIONS.descr, ("copy", np.int64)])
_SCALE = 1e4  # features are rounded to four decimals
_SORTED = 200_000
"""From so many new comparisons on, an index of them is built anew, which is faster than a place for each."""


def lang_code(lang: str) -> int:
    """A language as a number: its first seven letters."""
    return int.from_bytes(lang.encode()[:7])


def lang_of(code: int) -> str:
    """The language of a number."""
    return code.to_bytes(7).lstrip(b"\0").decode()


@dataclass
class FoundPairs:
    """Comparisons on their way to the store, as columns: of millions no object each is held."""

    rows: list[tuple[int, int, int, int, float, int, float, int]] = field(default_factory=list)
    features: list[bytes] = field(default_factory=list)
    overlaps: list[bytes | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.features)

    def add(self, pair: Comparison, a: int, b: int, similarity: float, by_key: bool) -> None:
        """A comparison of the items `a` and `b`, in the order of the pair."""
        langs = lang_code(pair.langs[0]), lang_code(pair.langs[1])
        self.rows.append((a, b, *langs, pair.logit, pair.copy is not None, similarity, by_key))
        self.features.append(np.rint(np.array(pair.features) * _SCALE).astype("<i4").tobytes())
        self.overlaps.append(msgpack.packb((pair.copy.value, pair.overlap, pair.extra)) if pair.copy else None)


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
        connection.executemany(
            "INSERT OR REPLACE INTO comparison VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (*found.rows[place], found.features[place], found.overlaps[place])
                for place in sorted(range(len(found)), key=found.rows.__getitem__)
            ),
        )
        if many:
            connection.execute("CREATE INDEX comparison_by_b ON comparison (b, a, lang_a, lang_b, logit, copy)")

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

    def opinions(self, numbers: Sequence[int] | None = None) -> Opinions:
        """The opinions of every comparison, or of those of some items: each once, in the order of its numbers."""
        columns = "a, b, lang_a, lang_b, logit, copy"
        if numbers is None:
            return np.fromiter(self.store.execute(f"SELECT {columns} FROM comparison ORDER BY a, b"), _OPINIONS)
        wanted = [
            row
            for side in ("a", "b")
            for marks, part in _parts(numbers)
            for row in self.store.execute(f"SELECT {columns} FROM comparison WHERE {side} IN ({marks})", part)
        ]
        found = np.array(wanted, dtype=_OPINIONS)
        _, first = np.unique(np.stack([found["a"], found["b"]], axis=1), axis=0, return_index=True)
        return found[first]

    def comparisons(self, pairs: Iterable[tuple[int, int]], ids: Mapping[int, str]) -> Iterator[Comparison]:
        """The comparisons of pairs of numbers that there are, under the `ids` of their items."""
        for a, b in pairs:
            [row] = self.store.execute(
                "SELECT lang_a, lang_b, logit, features, overlap FROM comparison WHERE a = ? AND b = ?", (a, b)
            )
            copy, overlap, extra = msgpack.unpackb(row[4]) if row[4] else (None, 0.0, ())
            yield Comparison(
                ids[a], ids[b], (lang_of(row[0]), lang_of(row[1])), tuple((np.frombuffer(row[3], "<i4") / _SCALE).tolist()), row[2],
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

    def traits(self, numbers: Sequence[int]) -> dict[int, Traits]:
        """The traits that are kept of items."""
        found = {}
        for marks, part in _parts(numbers):
            for number, blob in self.store.execute(
                f"SELECT item_number, traits FROM traits WHERE item_number IN ({marks})", part
            ):
                found[int(number)] = Traits.unpack(blob)
        return found

    def put_traits(self, found: Iterable[tuple[int, Traits]]) -> None:
        self.store.connection().executemany(
            "INSERT OR REPLACE INTO traits VALUES (?, ?)", ((number, traits.pack()) for number, traits in found)
        )

    def neighbourhoods(self, after: int) -> list[tuple[int, Vectors, NDArray[np.uint64]]]:
        """(item number, similarities (slots, NEAREST), keys) of the items whose neighbourhood changed in a run after `after`."""
        return [
            (
                int(number),
                np.frombuffer(similarities, "<f4").reshape(len(SLOTS), NEAREST),
                np.frombuffer(keys, np.uint64),
            )
            for number, similarities, keys in self.store.connection().execute(
                "SELECT item_number, similarities, keys FROM neighbourhood WHERE run > ? ORDER BY item_number", (after,)
            )
        ]

    def put_neighbourhoods(self, run: int, found: Iterable[tuple[int, Vectors, NDArray[np.uint64]]]) -> None:
        self.store.connection().executemany(
            "INSERT OR REPLACE INTO neighbourhood VALUES (?, ?, ?, ?)",
            (
                (number, run, similarities.astype("<f4").tobytes(), keys.tobytes())
                for number, similarities, keys in found
            ),
        )

    def put_similarities(self, run: int, found: Iterable[tuple[int, Vectors]]) -> None:
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
