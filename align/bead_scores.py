"""Two lists of sentences → how well each group of one matches each group of the other: the evidence for beads.

From Vecalign (Thompson & Koehn 2019) comes scoring groups of neighbouring sentences by their own vectors,
set against what unrelated text scores; from Bertalign (Liu & Zhu 2022) that a longer group must earn its
length. Ours is the evidence below the sentence: with a static model each word's best counterpart in the
other group is known, so that a group's words that have none speak against it. A small log-linear model
(fitted by ``python -m training.aligner``) weighs the evidence; its scores are log odds against leaving
the sentences out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.beads import Band, Scores, Shape
from align.embedding import Encoder, StaticEncoder
from align.records import Vectors

LARGEST_GROUP = 4
LARGEST_BEAD = 5
SHAPES: tuple[Shape, ...] = tuple(
    (n, m) for n in range(1, LARGEST_GROUP + 1) for m in range(1, LARGEST_GROUP + 1) if n + m <= LARGEST_BEAD
)
"""The beads with sentences on both sides: up to 4 on one side, 5 together."""

BLOCK_CELLS = 4_000
"""Cells scored at a time: their word similarities take about 10 MB."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Words:
    """The t words of sentences: row `ids` (t,) of `table` (u, d), unit vectors of the distinct ones, with `weights` (t,).

    `firsts` (n,) is each sentence's first word.
    """

    table: Vectors
    ids: NDArray[np.int64]
    weights: Floats
    firsts: NDArray[np.int64]

    @property
    def vectors(self) -> Vectors:
        """(t, d): made anew at each call, because a long text has many words."""
        return np.asarray(self.table[self.ids], dtype=np.float32)

    def pick(self, sentences: NDArray[np.int64]) -> Words:
        """The words of these sentences, in this order."""
        counts = np.diff(np.append(self.firsts, len(self.ids)))[sentences]
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        places = np.arange(int(counts.sum())) + np.repeat(self.firsts[sentences] - firsts, counts)
        return Words(self.table, self.ids[places], self.weights[places], firsts)

    def means(self, values: Floats) -> Floats:
        """The weighted mean of token values (t, ...) over each sentence: (n, ...)."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        mass = np.maximum(np.add.reduceat(self.weights, self.firsts), 1e-6)
        sums = np.add.reduceat(values * self.weights.reshape(shape), self.firsts, axis=0)
        return np.asarray(sums / mass.reshape(shape), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Side:
    """The n sentences of one text as the scorer sees them.

    `windows[k]` (n, d): the unit vector of the k + 1 sentences that end at each; `unrelated_similarity`
    (4, n): their mean cosine to unrelated text. `mass` (n,): what counts of a sentence; `length` (n,):
    characters, as if written in English. `words` is None for a model that gives no token vectors;
    `unrelated_cover` (4, n): how well windows of unrelated text cover the sentence's words, else 0.
    """

    windows: tuple[Vectors, ...]
    unrelated_similarity: Floats
    mass: Floats
    length: Floats
    words: Words | None
    unrelated_cover: Floats

    @property
    def n(self) -> int:
        return len(self.mass)

    def part(self, start: int, end: int) -> Side:
        """The sentences `start` to `end`, excluded; windows may reach back before `start`."""
        return self.pick(range(start, end))

    def pick(self, sentences: Sequence[int]) -> Side:
        """These sentences alone, in this order; of sentences that were no neighbours only 1-1 beads make sense."""
        rows = np.asarray(sentences, dtype=np.int64)
        return Side(
            tuple(window[rows] for window in self.windows),
            self.unrelated_similarity[:, rows],
            self.mass[rows],
            self.length[rows],
            self.words.pick(rows) if self.words is not None else None,
            self.unrelated_cover[:, rows],
        )


def unit(rows: Floats) -> Vectors:
    """Each row brought to unit length."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), dtype=np.float32)


@lru_cache(maxsize=1)
def background() -> Mapping[str, Sequence[str]]:
    """Unrelated sentences by language."""
    found: Mapping[str, Sequence[str]] = tomllib.loads(
        Path(__file__).with_name("background.toml").read_text(encoding="utf-8")
    )
    return found


@dataclass(frozen=True, eq=False)
class SentenceVectors:
    """What a model makes of sentences, before they are set against unrelated text; fields as in `Side`."""

    windows: tuple[Vectors, ...]
    mass: Floats
    words: Words | None


def embed_sentences(sentences: Sequence[str], encoder: Encoder) -> SentenceVectors:
    """The vectors of all groups of up to `LARGEST_GROUP` neighbours, and of the words where the model is static.

    With a static model a group's vector is made of its sentences' sums; any other model reads the
    joined sentences.
    """
    n = len(sentences)
    if not isinstance(encoder, StaticEncoder):
        windows = [encoder.encode(sentences)]
        for size in range(2, LARGEST_GROUP + 1):
            joined = [" ".join(sentences[max(0, end - size + 1) : end + 1]) for end in range(n)]
            windows.append(encoder.encode(joined))
        return SentenceVectors(tuple(windows), np.asarray([len(text) for text in sentences], dtype=np.float32), None)
    ids = encoder.token_ids(sentences)
    counts = np.asarray([max(len(own), 1) for own in ids], dtype=np.int64)
    distinct, words = np.unique(np.asarray([token for own in ids for token in own or [-1]]), return_inverse=True)
    rows = encoder.rows(np.maximum(distinct, 0))  # (u, d)
    rows[distinct < 0] = 0.0  # signs without a token: no evidence, but a place in the text
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums = np.concatenate([np.zeros((1, encoder.dimension)), np.cumsum(encoder.sums(ids), axis=0, dtype=np.float64)])
    ends = np.arange(1, n + 1)
    windows = [
        encoder.finished((sums[ends] - sums[np.maximum(ends - size, 0)]).astype(np.float32))
        for size in range(1, LARGEST_GROUP + 1)
    ]
    lengths = np.linalg.norm(rows, axis=1).astype(np.float32)
    weights = lengths[words]
    mass = np.maximum(np.add.reduceat(weights, firsts), 1e-6).astype(np.float32)
    return SentenceVectors(tuple(windows), mass, Words(unit(rows), words, weights, firsts))


Unrelated = tuple[Sequence[str], Sequence[str]]
"""Sentences in the languages of both texts, as many in each, that have nothing to do with either."""


_background_vectors_of: dict[tuple[str, str], SentenceVectors] = {}
"""Background sentences embedded once, by model fingerprint and language."""


def _background_vectors(lang: str, encoder: Encoder) -> SentenceVectors:
    key = (encoder.fingerprint, lang)
    if key not in _background_vectors_of:
        _background_vectors_of[key] = embed_sentences(background()[lang], encoder)
    return _background_vectors_of[key]


def describe_sides(
    a: Sequence[str],
    b: Sequence[str],
    langs: tuple[str, str],
    encoder: Encoder,
    unrelated: Unrelated | None = None,
) -> tuple[Side, Side]:
    """Both texts' sentences, each with how similar it is to unrelated text in the other's language.

    `unrelated` is that text, for a language that the shipped background lacks.
    """
    if unrelated is not None:
        vectors = [embed_sentences(texts, encoder) for texts in unrelated]
        sizes = [sum(map(len, texts)) for texts in unrelated]
    else:
        known = [lang if lang in background() else "en" for lang in langs]
        vectors = [_background_vectors(lang, encoder) for lang in known]
        sizes = [sum(map(len, background()[lang])) for lang in known]
    english = sum(map(len, background()["en"]))
    return (
        _side(a, english / sizes[0], vectors[1], encoder),
        _side(b, english / sizes[1], vectors[0], encoder),
    )


def _side(sentences: Sequence[str], stretch: float, unrelated: SentenceVectors, encoder: Encoder) -> Side:
    found = embed_sentences(sentences, encoder)
    similarity = np.stack([(window @ unrelated.windows[0].T).mean(axis=1) for window in found.windows])  # (4, n)
    length = np.asarray([max(len(text), 1) * stretch for text in sentences], dtype=np.float32)
    cover = np.zeros_like(similarity)
    if found.words is not None and unrelated.words is not None:
        # (u, n_unrelated): each word's best counterpart in each unrelated sentence
        best = np.maximum.reduceat(found.words.table @ unrelated.words.vectors.T, unrelated.words.firsts, axis=1)
        for size in range(1, LARGEST_GROUP + 1):
            of_words = _widened(best, size, 1)[:, size - 1 :].mean(axis=1)
            cover[size - 1] = found.words.means(of_words[found.words.ids])
    return Side(found.windows, similarity, found.mass, length, found.words, cover)


def _widened(best: Floats, size: int, axis: int) -> Floats:
    """The maximum over each place and the size - 1 before it along `axis`."""
    wide = best.copy()
    here, there = [slice(None)] * 2, [slice(None)] * 2
    for back in range(1, min(size, best.shape[axis])):
        here[axis], there[axis] = slice(back, None), slice(None, -back)
        np.maximum(wide[tuple(here)], best[tuple(there)], out=wide[tuple(here)])
    return wide


def _above(found: Floats, unrelated: Floats) -> Floats:
    """Similarity or cover on a scale where unrelated text has 0 and the same text 1."""
    return np.asarray((found - unrelated) / np.maximum(1.0 - unrelated, 0.05), dtype=np.float32)


def _covers(a: Side, b: Side) -> tuple[list[Floats], list[Floats]] | None:
    """How much of each sentence of a the windows of b cover, by window size, (n_a, n_b) each; and of b those of a, (n_a, n_b) too."""
    if a.words is None or b.words is None:
        return None
    similarity = a.words.vectors @ b.words.vectors.T  # (t_a, t_b)
    best_in_b = np.maximum.reduceat(similarity, b.words.firsts, axis=1)  # (t_a, n_b)
    best_in_a = np.maximum.reduceat(similarity, a.words.firsts, axis=0).T  # (t_b, n_a)
    of_a, of_b = [], []
    for size in range(1, LARGEST_GROUP + 1):
        of_a.append(_above(a.words.means(_widened(best_in_b, size, 1)), a.unrelated_cover[size - 1][:, None]))
        of_b.append(_above(b.words.means(_widened(best_in_a, size, 1)), b.unrelated_cover[size - 1][:, None]).T)
    return of_a, of_b


def evidence(
    a: Side, b: Side, scale: float, shapes: Sequence[Shape] = SHAPES
) -> Iterator[tuple[Shape, dict[str, Floats]]]:
    """For each of `shapes`, n-m, the evidence for each bead that fits: arrays (n_a - n + 1, n_b - m + 1) by name.

    `scale` is the mass that counts as one sentence. Place (i, j) is the bead that starts there.
    """
    n_a, n_b = a.n, b.n
    share_a, share_b = np.sqrt(a.mass / scale), np.sqrt(b.mass / scale)
    covers = _covers(a, b)
    similar: dict[Shape, Floats] = {}
    for n, m in shapes:
        unrelated = (a.unrelated_similarity[n - 1][:, None] + b.unrelated_similarity[m - 1][None]) / 2
        similar[n, m] = _above(a.windows[n - 1] @ b.windows[m - 1].T, unrelated)  # by the places of the last sentences
    for n, m in shapes:
        if n > n_a or m > n_b:
            continue
        rows = [slice(n - 1 - back, n_a - back) for back in range(n)]  # of the bead's sentences, last first
        columns = [slice(m - 1 - back, n_b - back) for back in range(m)]
        mass = _total([share_a[at][:, None] for at in rows]) + _total([share_b[at][None] for at in columns])
        near = similar[n, m][rows[0], columns[0]]
        merged = float(n + m > 2)
        gain = _gain(similar, n, m, n_a, n_b)
        length_a = _total([a.length[at][:, None] for at in rows])
        length_b = _total([b.length[at][None] for at in columns])
        same = np.ones_like(near)
        found = {
            "similar": near,
            "similar_mass": near * mass,
            "alike": np.maximum(near - 0.5, 0.0),
            "mass": mass * same,
            "gain": gain,
            "loss": np.minimum(gain, 0.0),
            "unequal": np.abs(np.log(length_a / length_b)),
            "sentences": (n + m) * same,
            "merged": merged * same,
            "many": float(min(n, m) > 1) * same,
        }
        if covers is not None:
            of_a, of_b = covers
            parts_a = [of_a[m - 1][at, columns[0]] for at in rows]
            parts_b = [of_b[n - 1][rows[0], at] for at in columns]
            covered = _total([part * share_a[at][:, None] for part, at in zip(parts_a, rows, strict=True)]) + _total(
                [part * share_b[at][None] for part, at in zip(parts_b, columns, strict=True)]
            )
            least = np.minimum.reduce(parts_a + parts_b)
            found |= {
                "covered": covered / mass,
                "covered_mass": covered,
                "least_covered": least,
                "least_covered_merged": least * merged,
            }
        yield (n, m), found


def _total(parts: Sequence[Floats]) -> Floats:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _gain(similar: Mapping[Shape, Floats], n: int, m: int, n_a: int, n_b: int) -> Floats:
    """By how much a merged bead is more similar than it would be without its least useful sentence at an end; 0 for 1-1."""
    whole = similar[n, m][n - 1 :, m - 1 :]
    gains = []
    if m > 1:
        shorter = similar[n, m - 1]
        gains += [whole - shorter[n - 1 :, m - 2 : n_b - 1], whole - shorter[n - 1 :, m - 1 :]]
    if n > 1:
        shorter = similar[n - 1, m]
        gains += [whole - shorter[n - 2 : n_a - 1, m - 1 :], whole - shorter[n - 1 :, m - 1 :]]
    return np.minimum.reduce(gains) if gains else np.zeros_like(whole)


@lru_cache(maxsize=1)
def fitted_weights() -> Mapping[str, Mapping[str, float]]:
    """The shipped weights: "tokens" for static models, "vectors" for any other."""
    found: Mapping[str, Mapping[str, float]] = json.loads(
        Path(__file__).with_name("aligner.json").read_text(encoding="utf-8")
    )["weights"]
    return found


def scale_of(a: Side, b: Side) -> float:
    """The mass that counts as one sentence: the mean of both texts."""
    return float(np.concatenate([a.mass, b.mass]).mean())


def weigh(found: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The score of beads with this evidence."""
    return np.asarray(sum(weights[name] * values for name, values in found.items()), dtype=np.float32)


def score_beads(
    a: Side, b: Side, band: Band, weights: Mapping[str, Mapping[str, float]] | None = None
) -> dict[Shape, Scores]:
    """The score of every bead that ends in `band`, as flat tables over it.

    Time and memory go with the size of the band: it is scored in blocks of rows.
    """
    chosen = (weights or fitted_weights())["tokens" if a.words is not None else "vectors"]
    scale = scale_of(a, b)
    tables: dict[Shape, Scores] = {shape: band.empty(np.float32).astype(np.float32) for shape in SHAPES}
    for first, last in blocks_of(band):
        # Rows of the band are prefixes: row i ends with sentence i - 1. Beads reach back over the block's edges.
        a_from, a_to = max(0, first - LARGEST_GROUP), last - 1
        b_from, b_to = max(0, int(band.low[first:last].min()) - LARGEST_GROUP), int(band.high[first:last].max()) - 1
        if a_to <= a_from or b_to <= b_from:
            continue
        for (n, m), found in evidence(a.part(a_from, a_to), b.part(b_from, b_to), scale):
            block = weigh(found, chosen)  # place (i, j): the bead from sentences a_from + i, b_from + j
            _scatter(block, (n, m), (a_from, b_from), range(first, last), band, tables[n, m])
    return tables


def blocks_of(band: Band) -> Iterator[tuple[int, int]]:
    """Runs of rows whose common columns make at most about `BLOCK_CELLS` cells."""
    first = 0
    while first < band.n_rows:
        last, low, high = first + 1, int(band.low[first]), int(band.high[first])
        while last < band.n_rows:
            low, high = min(low, int(band.low[last])), max(high, int(band.high[last]))
            if (last + 1 - first) * (high - low) > BLOCK_CELLS:
                break
            last += 1
        yield first, last
        first = last


def _scatter(block: Floats, shape: Shape, corner: tuple[int, int], rows: range, band: Band, table: Scores) -> None:
    for row in rows:
        place = row - shape[0] - corner[0]
        if not 0 <= place < len(block):
            continue
        # Column c of the band ends a bead that starts at c - m.
        offset = shape[1] + corner[1]
        low, high = max(int(band.low[row]), offset), min(int(band.high[row]), offset + block.shape[1])
        if low < high:
            start = int(band.starts[row] - band.low[row])
            table[start + low : start + high] = block[place, low - offset : high - offset]
