"""Items and vectors → descriptions: all that comparing two items needs, worked out once an item and kept.

What is kept of the text is small: its heaviest words, the values of its numbers, its names, the hashes
of its word sequences, and the keys under which its copies and excerpts are found. An index keeps it from the moment an
item comes in. Whoever changes how it is worked out empties the table ``traits`` in a migration; it is then filled again.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from align.boilerplate import without_boilerplate
from align.instants import DAY, timestamp
from align.language import lang_code
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
    """What gives the pieces of texts and their vectors: a ``StaticEncoder``. `fingerprint` says of which weights."""

    fingerprint: str

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

    `words` (KEYWORDS,) are piece ids, `word_weights` (KEYWORDS,) their shares, summing to 1: where a text has fewer pieces its
    first stands in the places that are left and weighs nothing there. `numbers` (n,) are values, sorted; `names` CRC-32s of the keys of
    names by their sound; `shingles` the same of word trigrams (of five signs in a row where words are not spaced), both sorted; `keys` what a
    copy or an excerpt shares with it, the body's digest first; `length` the body's characters; `sentence_weights` the shares that its
    sentences have, by the square root of their lengths, a title counting as one.
    """

    words: NDArray[np.int32]
    word_weights: Vectors
    numbers: NDArray[np.float64]
    names: NDArray[np.uint32]
    shingles: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    length: int
    sentence_weights: Vectors


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

    @property
    def day(self) -> float | None:
        """Days since 1970 at which it was published."""
        return day_of(self.published)


def day_of(published: str | None) -> float | None:
    """Days since 1970 of a moment (ISO 8601), where it is known."""
    return None if published is None else timestamp(published) / DAY


@dataclass(frozen=True, eq=False)
class Descriptions:
    """n described texts as columns: what a text has several of is laid end to end, with a count (n,) for each text.

    `views` (n, 2, d) are of the story and the lead, `days` nan where a date is not known, `langs` as by ``lang_code``; all else is as in
    ``Traits`` and ``Described``.
    """

    ids: Sequence[str]
    langs: NDArray[np.int64]
    days: NDArray[np.float64]
    lengths: NDArray[np.int64]
    digests: NDArray[np.uint64]
    views: Vectors
    wholes: Vectors
    sentence_counts: NDArray[np.int64]
    sentences: Vectors
    sentence_weights: Vectors
    words: NDArray[np.int32]
    word_weights: Vectors
    number_counts: NDArray[np.int64]
    numbers: NDArray[np.float64]
    name_counts: NDArray[np.int64]
    names: NDArray[np.uint32]
    shingles: Sequence[NDArray[np.uint32]]


def in_columns(entries: Sequence[Described]) -> Descriptions:
    """Texts that are described one by one."""
    traits = [entry.traits for entry in entries]
    return Descriptions(
        ids=[entry.id for entry in entries],
        langs=np.array([lang_code(entry.lang) for entry in entries]),
        days=np.array([entry.day for entry in entries], dtype=np.float64),
        lengths=np.array([own.length for own in traits]),
        digests=np.array([own.keys[0] for own in traits]),
        views=np.stack([entry.vectors.views[:2] for entry in entries]),
        wholes=np.stack([entry.whole for entry in entries]),
        sentence_counts=np.array([len(own.sentence_weights) for own in traits]),
        sentences=np.concatenate([entry.vectors.sentences for entry in entries]),
        sentence_weights=np.concatenate([own.sentence_weights for own in traits]),
        words=np.stack([own.words for own in traits]),
        word_weights=np.stack([own.word_weights for own in traits]),
        number_counts=np.array([len(own.numbers) for own in traits]),
        numbers=np.concatenate([own.numbers for own in traits]),
        name_counts=np.array([len(own.names) for own in traits]),
        names=np.concatenate([own.names for own in traits]),
        shingles=[own.shingles for own in traits],
    )


def number_weights(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much numbers (n,) tell of a story: a small count or a year is in every other text, 4,100 hectares is not."""
    is_common = (values <= 31) | (values >= 1990) & (values <= 2039)
    return np.where((values <= 12) & (values == np.floor(values)), 0.2, np.where(is_common, 0.3, 1.0))


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
    sentences_of = [
        [text[start:end] for start, end in own.sentence_spans] for text, own in zip(texts, vectors, strict=True)
    ]
    pieces_of = iter(tokens.token_ids(list(itertools.chain.from_iterable(sentences_of))))
    ids = [list(itertools.chain.from_iterable(itertools.islice(pieces_of, len(own)))) for own in sentences_of]
    found = []
    for item, text, sentences, (pieces, weights) in zip(
        items, texts, sentences_of, _heaviest(ids, tokens), strict=True
    ):
        shingles = shingle_texts(comparable(text))
        found.append(
            Traits(
                np.append(pieces, np.resize(pieces[:1], KEYWORDS - len(pieces))),
                np.pad(weights / max(float(weights.sum()), 1e-12), (0, KEYWORDS - len(weights))).astype(np.float32),
                np.array(sorted(numbers(text, item.lang)), dtype=np.float64),
                _checksums(list(names_in(text, item.lang))),
                _checksums(shingles),
                _keys(item, sentences, shingles),
                len(item.text),
                _sentence_weights(sentences),
            )
        )
    return found


def _checksums(texts: Sequence[str]) -> NDArray[np.uint32]:
    """CRC-32s, sorted, each once."""
    return np.unique(np.fromiter(map(zlib.crc32, map(str.encode, texts)), np.uint32, len(texts)))


def _sentence_weights(sentences: Sequence[str]) -> Vectors:
    roots = np.sqrt(np.maximum(list(map(len, sentences)), 1)).astype(np.float32)
    return np.asarray(roots / roots.sum())


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


def describe(
    items: Sequence[Item], vectors: Sequence[ItemVectors], tokens: TokenReader, shared: Set[int] = frozenset()
) -> list[Described]:
    """`items` ready to be compared, as if the `shared` sentences (digests) did not stand in them."""
    counting = [without_boilerplate(item, own, shared) for item, own in zip(items, vectors, strict=True)]
    traits = traits_of([item for item, _ in counting], [own for _, own in counting], tokens)
    return [
        Described(item.id, item.lang, item.published, own, found, whole.views[0])
        for (item, own), found, whole in zip(counting, traits, vectors, strict=True)
    ]
