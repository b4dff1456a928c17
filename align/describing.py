"""Items and vectors → descriptions: all that comparing two items needs, worked out once an item and kept.

What is kept of the text is small: its heaviest words, the values of its numbers, its names, the hashes
of its word sequences, and the keys under which its copies and excerpts are found.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import msgpack
import numpy as np
from numpy.typing import NDArray

from align.instants import DAY, timestamp
from align.records import Item, ItemVectors, Vectors
from align.sounds import names_in
from align.values import numbers
from align.vectors import full_text

KEYWORDS = 32
"""How many of a text's pieces, the heaviest first, stand for its words."""
BANDS, BAND_ROWS = 21, 3
"""Min-wise hashes in 21 bands of 3: texts with Jaccard similarity 0.44, an edit in every seventh word, share a band with chance 0.84, those with 0.6 with 0.99."""
KEY_SENTENCE = 40
"""Least characters of a sentence that proposes an excerpt by standing in both texts; East Asian ones count twice."""

_SPACED = re.compile(r"[^\W_]+(?:[.,'’\-][^\W_]+)*")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")


class TokenReader(Protocol):
    """What gives the pieces of texts and their vectors: a ``StaticEncoder``."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The piece ids of each text."""
        ...

    def rows(self, ids: Sequence[int]) -> Vectors:
        """(len(ids), d) piece vectors, not normalised."""
        ...

    def unit_rows(self, ids: NDArray[np.int32]) -> Vectors:
        """(len(ids), d) piece vectors of unit length."""
        ...


@dataclass(frozen=True, eq=False)
class Traits:
    """What is kept of an item's text.

    `keywords` (k,) are piece ids, `weights` (k,) their shares, summing to 1; `shingles` hashes of word
    trigrams (of five signs in a row where words are not spaced), sorted; `names` the keys of names by their sound; `keys` what a copy or an
    excerpt shares with it, the body's digest first; `length` the body's characters.
    """

    keywords: NDArray[np.int32]
    weights: Vectors
    numbers: tuple[float, ...]
    names: tuple[str, ...]
    shingles: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    length: int

    @property
    def digest(self) -> int:
        """Of the body's letters, digits and signs, NFKC, case-folded, white space unified: copies have the same."""
        return int(self.keys[0])

    def pack(self) -> bytes:
        """For the store."""
        return bytes(
            msgpack.packb(
                (
                    self.keywords.tobytes(),
                    self.weights.tobytes(),
                    self.numbers,
                    self.names,
                    self.shingles.tobytes(),
                    self.keys.tobytes(),
                    self.length,
                )
            )
        )

    @classmethod
    def unpack(cls, blob: bytes) -> Traits:
        """From the store."""
        keywords, weights, values, names, shingles, keys, length = msgpack.unpackb(blob)
        return cls(
            np.frombuffer(keywords, np.int32),
            np.frombuffer(weights, np.float32),
            tuple(values),
            tuple(names),
            np.frombuffer(shingles, np.uint32),
            np.frombuffer(keys, np.uint64),
            length,
        )


@dataclass(frozen=True, eq=False)
class Described:
    """An item ready to be compared: its id, language, moment of publication (ISO 8601), vectors and traits.

    `whole` is the story view (d,) by which its neighbours are found: of the whole text, whatever counts in it.
    """

    id: str
    lang: str
    published: str | None
    vectors: ItemVectors
    traits: Traits
    whole: Vectors

    @cached_property
    def day(self) -> float | None:
        """Days since 1970 at which it was published."""
        return None if self.published is None else timestamp(self.published) / DAY

    @cached_property
    def words(self) -> NDArray[np.int32]:
        """(KEYWORDS,) the heaviest pieces; where a text has fewer, its first stands in the places that are left."""
        held = self.traits.keywords
        return held if len(held) == KEYWORDS else np.resize(np.append(held, held[:1].repeat(KEYWORDS)), KEYWORDS)

    @cached_property
    def word_weights(self) -> Vectors:
        """(KEYWORDS,) their shares; the places that are left weigh nothing."""
        held = self.traits.weights
        return held if len(held) == KEYWORDS else np.pad(held, (0, KEYWORDS - len(held)))


def number_weight(value: float) -> float:
    """How much a number tells of a story: a small count or a year is in every other text, 4,100 hectares is not."""
    return 0.2 if value <= 12 and float(value).is_integer() else 0.3 if value <= 31 or 1990 <= value <= 2039 else 1.0


def comparable(text: str) -> str:
    """`text` in NFKC, case-folded, white space unified."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingle_texts(text: str) -> list[str]:
    """The word trigrams of a comparable text, or its runs of five signs where words are not spaced."""
    if len(_WIDE.findall(text)) > 0.3 * len(text):
        signs = "".join(filter(str.isalnum, text))
        return [signs[start : start + 5] for start in range(max(1, len(signs) - 4))]
    words = _SPACED.findall(text)
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False))) or [" ".join(words)]


def _key(kind: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{kind} {text}".encode(), digest_size=8).digest(), "little")


def _keys(item: Item, sentences: Sequence[str], shingles: Sequence[str]) -> NDArray[np.uint64]:
    """Body digest, bands of min-wise hashes (Broder 1997), and long sentences; languages never share a key of the last two."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=BANDS * BAND_ROWS, seed=17)
    sketch.update(list(shingles))
    hashes = sketch.digest()
    bands = [f"{band} {hashes[band * BAND_ROWS : (band + 1) * BAND_ROWS]}" for band in range(BANDS)]
    long = {
        comparable(sentence) for sentence in sentences if len(sentence) + len(_WIDE.findall(sentence)) >= KEY_SENTENCE
    }
    found = [_key("body", comparable(item.text)), *(_key(f"band {item.lang}", band) for band in bands)]
    return np.array(found + sorted(_key(f"sentence {item.lang}", sentence) for sentence in long), dtype=np.uint64)


def traits_of(items: Sequence[Item], vectors: Sequence[ItemVectors], tokens: TokenReader) -> list[Traits]:
    """The traits of `items`; a piece weighs the length that training gave its vector times the root of its count."""
    texts = [full_text(item) for item in items]
    found = []
    heaviest = _heaviest(tokens.token_ids(texts), tokens)
    for item, own, text, (pieces, weights) in zip(items, vectors, texts, heaviest, strict=True):
        shingles = shingle_texts(comparable(text))
        sentences = [text[start:end] for start, end in own.sentence_spans]
        found.append(
            Traits(
                pieces,
                (weights / max(float(weights.sum()), 1e-12)).astype(np.float32),
                tuple(sorted(numbers(text, item.lang))),
                tuple(sorted(names_in(text, item.lang))),
                np.unique(np.fromiter(map(zlib.crc32, map(str.encode, shingles)), np.uint32, len(shingles))),
                _keys(item, sentences, shingles),
                len(item.text),
            )
        )
    return found


def _heaviest(
    ids: Sequence[Sequence[int]], tokens: TokenReader
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Of each text, given by the ids of its pieces, the heaviest ones, at most KEYWORDS, and their weights."""
    texts = np.repeat(np.arange(len(ids)), list(map(len, ids)))
    flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, len(texts))
    held, counts = np.unique((texts << 32) + flat, return_counts=True)
    texts, pieces = held >> 32, held & 0xFFFFFFFF
    distinct, places = np.unique(pieces, return_inverse=True)
    weights = np.linalg.norm(tokens.rows(distinct.tolist()), axis=1)[places] * np.sqrt(counts)
    order = np.lexsort((pieces, -weights, texts))
    pieces, weights = pieces[order].astype(np.int32), weights[order]
    bounds = np.searchsorted(texts, np.arange(len(ids) + 1)).tolist()
    for start, end in itertools.pairwise(bounds):
        chosen = slice(start, min(end, start + KEYWORDS))
        yield pieces[chosen], weights[chosen]


def describe(items: Sequence[Item], vectors: Sequence[ItemVectors], tokens: TokenReader) -> list[Described]:
    """`items` with their vectors and traits, ready to be compared."""
    return [
        Described(item.id, item.lang, item.published, own, traits, own.views[0])
        for item, own, traits in zip(items, vectors, traits_of(items, vectors, tokens), strict=True)
    ]
