"""Comparisons, traits and neighbourhoods as rows of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgpack
import numpy as np
from numpy.typing import NDArray

from align.describing import Traits
from align.index import SLOTS
from align.neighbourhoods import NEAREST
from align.records import Kind, Vectors
from align.relations import Comparison
from align.store import Store

_AT_ONCE = 900  # SQLite's limit on the variables of one statement is far above


class ComparisonRows:
    """What the store remembers of pairs, and of items as members of pairs."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def put(self, found: Iterable[tuple[Comparison, float, bool]]) -> None:
        """Comparisons, each with the cosine of its story views and whether a shared key proposed it."""
        self.store.connection().executemany(
            "INSERT OR REPLACE INTO comparison VALUES (?, ?, ?, ?, ?, ?)",
            (
                (pair.a, pair.b, similarity, by_key, pair.logit, msgpack.packb((pair.langs, pair.features, pair.copy and pair.copy.value, pair.overlap, pair.extra)))
                for pair, similarity, by_key in found
            ),
        )  # fmt: skip

    def drop(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Forget comparisons, and the relations that they became."""
        pairs = list(pairs)
        for table in ("comparison", "relation"):
            self.store.connection().executemany(f"DELETE FROM {table} WHERE a = ? AND b = ?", pairs)

    def drop_of(self, item_ids: Iterable[str]) -> None:
        """Forget every comparison and relation of some items."""
        for item_id in item_ids:
            for table in ("comparison", "relation"):
                self.store.connection().execute(f"DELETE FROM {table} WHERE a = ? OR b = ?", (item_id, item_id))

    def of(self, item_ids: Iterable[str]) -> list[Comparison]:
        """Every comparison of some items, each once, in the order of its ids."""
        wanted = sorted(item_ids)
        found: dict[tuple[str, str], Comparison] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            for side in ("a", "b"):
                for row in self.store.connection().execute(
                    f"SELECT a, b, logit, body FROM comparison WHERE {side} IN ({marks})", part
                ):
                    found[row[0], row[1]] = _comparison(row)
        return [found[pair] for pair in sorted(found)]

    def all(self) -> list[Comparison]:
        """Every comparison, in the order of its ids."""
        return [
            _comparison(row)
            for row in self.store.connection().execute("SELECT a, b, logit, body FROM comparison ORDER BY a, b")
        ]

    def nearest_pairs_of(self, item_id: str) -> list[tuple[str, float]]:
        """(other item, cosine) of the comparisons that nearness alone proposed."""
        rows = self.store.connection().execute(
            "SELECT b, similarity FROM comparison WHERE a = ? AND NOT by_key UNION ALL SELECT a, similarity FROM comparison WHERE b = ? AND NOT by_key",
            (item_id, item_id),
        )
        return [(str(row[0]), float(row[1])) for row in rows]

    # items

    def traits(self, numbers: Sequence[int]) -> dict[int, Traits]:
        """The traits that are kept of items."""
        found = {}
        for start in range(0, len(numbers), _AT_ONCE):
            part = [int(number) for number in numbers[start : start + _AT_ONCE]]
            for number, blob in self.store.connection().execute(
                f"SELECT item_number, traits FROM traits WHERE item_number IN ({','.join('?' * len(part))})", part
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


def _comparison(row: Sequence[object]) -> Comparison:
    a, b, logit, body = row
    langs, features, copy, overlap, extra = msgpack.unpackb(body)
    return Comparison(
        str(a), str(b), tuple(langs), tuple(features), float(logit), Kind(copy) if copy else None, overlap,  # type: ignore[arg-type]
        tuple((name, value) for name, value in extra),
    )  # fmt: skip
