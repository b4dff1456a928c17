"""Sentences that many unlike items share, agency lines and "about us" among them, which count for nothing.

That three hundred papers print one agency text makes none of its sentences boilerplate: what tells is
what stands around a sentence. One is boilerplate where, of the items that hold it, at least `UNLIKE_ITEMS` are
unlike one another in all that is not frequent. This depends on the items of the index alone, not on
their order: when a sentence becomes boilerplate, or ceases to be, the relations of its holders are
worked out again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from align.records import Item, ItemVectors, Vectors
from align.store import Store
from align.vectors import full_text, story_views, unit

UNLIKE_ITEMS = 6
"""Least number of items, unlike one another, that make a sentence of theirs boilerplate, inclusive."""
UNLIKE = 0.6
"""Two items are unlike where the cosine of what is not frequent in them is below this."""
SAMPLE = 24
"""How many holders of a sentence are looked at, those with the least ids."""
MANY = 500
"""From so many newly frequent sentences on, all frequent ones are weighed again."""

_NO_SIGN = re.compile(r"[\W_]+")

Spans = Sequence[tuple[int, int]]


def sentence_digests(item: Item, spans: Spans) -> list[int]:
    """A 64-bit digest of each sentence's letters and digits, case and Unicode form apart."""
    text = full_text(item)
    return [_digest(text[start:end]) for start, end in spans]


def _digest(sentence: str) -> int:
    signs = _NO_SIGN.sub("", unicodedata.normalize("NFKC", sentence).casefold())
    return int.from_bytes(hashlib.blake2b(signs.encode(), digest_size=8).digest(), signed=True)


def put_sentences(store: Store, item: Item, spans: Spans) -> None:
    """Note which sentences an item holds, in place of those it held before. Called inside ``store.writing()``."""
    store.leave_sentences([item.id])
    store.executemany(
        "INSERT OR IGNORE INTO sentence VALUES (?, ?)", ((digest, item.id) for digest in sentence_digests(item, spans))
    )


def shared_sentences(store: Store, among: Sequence[int] | None = None) -> frozenset[int]:
    """The digests of the sentences that are boilerplate: of all, or of those `among` some."""
    select = "SELECT digest FROM frequent_sentence"
    if among is None:
        return frozenset(row[0] for row in store.execute(f"{select} WHERE shared = 1"))
    return frozenset(row[0] for row in store.chosen(select, "shared = 1 AND digest", among))


def without_boilerplate(item: Item, vectors: ItemVectors, shared: Set[int]) -> tuple[Item, ItemVectors]:
    """An item and its vectors as if the `shared` sentences did not stand in it; as they are where nothing else does."""
    digests = sentence_digests(item, vectors.sentence_spans) if shared else []
    keep = [place for place, digest in enumerate(digests) if digest not in shared]
    if not keep or len(keep) == len(digests):
        return item, vectors
    text = full_text(item)
    kept = [text[start:end] for start, end in (vectors.sentence_spans[place] for place in keep)]
    has_title = bool(item.title.strip()) and keep[0] == 0
    title, body = (kept[0], kept[1:]) if has_title else ("", kept)
    spans, end = [], -1
    for sentence in kept:
        spans.append((end + 1, end + 1 + len(sentence)))
        end = spans[-1][1]
    rows = vectors.sentences[keep]
    views = story_views(rows, [len(sentence) for sentence in kept], has_title)
    return replace(item, title=title, text="\n".join(body)), ItemVectors(views, rows, tuple(spans))


def update_boilerplate(store: Store, dimension: int) -> None:
    """Bring what is boilerplate up to date with the items that came, changed or left since. Called inside ``store.writing()``.

    Items that hold a sentence whose standing changes wait for their relations again.
    """
    counts = dict(
        store.execute(
            """
            SELECT digest, (SELECT count(*) FROM sentence WHERE digest = noted.digest) FROM (
                SELECT DISTINCT digest FROM sentence WHERE item IN (SELECT id FROM item WHERE related = 0)
                UNION SELECT digest FROM sentence_left
            ) AS noted
            """
        )
    )
    store.execute("DELETE FROM sentence_left")
    before = dict(store.execute("SELECT digest, shared FROM frequent_sentence"))
    frequent = {digest for digest, count in counts.items() if count >= UNLIKE_ITEMS}
    crossed = {digest for digest in counts if (digest in frequent) != (digest in before)}
    now = (before.keys() - crossed) | frequent
    weigh = frequent | (now if len(crossed) > MANY else _beside(store, crossed) & now)
    store.executemany("DELETE FROM frequent_sentence WHERE digest = ?", ((digest,) for digest in before.keys() - now))
    residuals: dict[str, Vectors | None] = {}
    for digest in sorted(weigh | (before.keys() - now)):
        shared = digest in now and _is_shared(store, digest, now, dimension, residuals)
        if digest in now:
            store.execute("INSERT OR REPLACE INTO frequent_sentence VALUES (?, ?)", (digest, int(shared)))
        if shared != bool(before.get(digest)):
            store.relate_again(
                row[0] for row in store.execute("SELECT item FROM sentence WHERE digest = ?", (digest,)).fetchall()
            )


def _beside(store: Store, digests: Set[int]) -> set[int]:
    """The sentences of all items that hold, or held, any of `digests`."""
    found: set[int] = set()
    for digest in digests:
        rows = store.execute(
            "SELECT DISTINCT digest FROM sentence WHERE item IN (SELECT item FROM sentence WHERE digest = ?)", (digest,)
        )
        found.update(row[0] for row in rows)
    return found


def _is_shared(
    store: Store, digest: int, frequent: Set[int], dimension: int, residuals: dict[str, Vectors | None]
) -> bool:
    holders = store.execute("SELECT item FROM sentence WHERE digest = ? ORDER BY item LIMIT ?", (digest, SAMPLE))
    unlike: list[Vectors] = []
    for (item_id,) in holders.fetchall():
        if item_id not in residuals:
            residuals[item_id] = _residual(store, item_id, frequent, dimension)
        residual = residuals[item_id]
        if residual is not None and all(float(residual @ other) < UNLIKE for other in unlike):
            unlike.append(residual)
            if len(unlike) >= UNLIKE_ITEMS:
                return True
    return False


def _residual(store: Store, item_id: str, frequent: Set[int], dimension: int) -> Vectors | None:
    """The direction (d,) of what is not frequent in an item; None where all is."""
    [(number, item)] = store.items_numbered([item_id])
    vectors = store.vectors(number, dimension)
    digests = sentence_digests(item, vectors.sentence_spans)
    own = [place for place, digest in enumerate(digests) if digest not in frequent]
    if not own:
        return None
    weights = np.sqrt([end - start for start, end in (vectors.sentence_spans[place] for place in own)])
    return unit((vectors.sentences[own] * weights[:, None].astype(np.float32)).sum(axis=0))
