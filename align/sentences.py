"""Two versions of a story → which sentences of one say what which sentences of the other say.

Coarse to fine, as Vecalign does it (Thompson & Koehn 2019, section 3.3): long texts are first aligned by
the vectors of runs of sentences, then with ever shorter runs near the path found, so that time and
memory go with the length and not with its square. What the monotone path leaves out on both sides and
yet belongs together has been moved, and is reported apart; a sentence that the path gives to a bead and that
belongs rather to one left out elsewhere is taken out of it first.
"""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from align.bead_scores import (
    Side,
    Unrelated,
    background,
    blocks_of,
    describe_sides,
    evidence,
    fitted_weights,
    scale_of,
    score_beads,
    unit,
    weigh,
)
from align.beads import NONE, Band, Scores, Shape, Span, best_path, posterior
from align.embedding import Encoder
from align.records import Vectors

WHOLE_CELLS = 60_000
"""Largest table of prefixes that is looked at whole."""
COARSEST = 400
"""Most runs of sentences a side on the coarsest level, whose table is looked at whole."""
RADIUS = 12
"""Cells around a coarser path that the next finer one may take."""
COARSE_GAIN = 0.08
"""By how much two runs must be more similar than runs at random to be worth aligning."""
MOVED = 4.0
"""Least score, log odds, of a sentence pair off the monotone path; chosen by ``python -m training.moved``."""
CANDIDATES = 3
"""Nearest unmatched sentences of the other text that a moved sentence may belong to."""
MOVED_BLOCK = 64


@dataclass(frozen=True)
class Bead:
    """Sentences `a` of one text and `b` of the other that say the same, by index from 0; either may be empty.

    `score` is the probability in [0, 1] that exactly these belong together; of a 1-0 or 0-1 bead, that the
    sentence has no counterpart in order. `closeness` is the cosine of both sides' vectors, scaled so that 0 is
    unrelated text and 1 as close as translations between these languages are with this model.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    score: float
    closeness: float = 0.0


@dataclass(frozen=True)
class Alignment:
    """The sentences of two texts, beads in order that hold each sentence once, and `moved` ones.

    A moved bead joins sentences that stand alone in `beads`, because they cross others. `published` are the
    days of publication, where they are known.
    """

    langs: tuple[str, str]
    a: tuple[str, ...]
    b: tuple[str, ...]
    beads: tuple[Bead, ...]
    moved: tuple[Bead, ...]
    published: tuple[datetime.date | None, datetime.date | None] = (None, None)


def align_sentences(
    a: Sequence[str],
    b: Sequence[str],
    langs: tuple[str, str],
    encoder: Encoder,
    least: float = MOVED,
    unrelated: Unrelated | None = None,
) -> Alignment:
    """Align the sentences of two texts in the languages `langs`; either text may be empty.

    `least` is the score, log odds, from which a sentence pair off the path is taken for moved. `unrelated` text in
    both languages is needed where the shipped background has none.
    """
    if not a or not b:
        beads = [Bead((at,), (), 1.0) for at in range(len(a))] + [Bead((), (at,), 1.0) for at in range(len(b))]
        return Alignment(langs, tuple(a), tuple(b), tuple(beads), ())
    sides = describe_sides(a, b, langs, encoder, unrelated)
    beads = _monotone(*sides, least)
    close = translations_closeness(*langs, encoder)
    scaled, moved = (
        tuple(replace(bead, closeness=bead.closeness / close) for bead in found)
        for found in (beads, _moved(*sides, beads, least))
    )
    return Alignment(langs, tuple(a), tuple(b), scaled, moved)


_closeness_of: dict[tuple[str, str, str], float] = {}
"""By model fingerprint and languages."""


def translations_closeness(lang_a: str, lang_b: str, encoder: Encoder) -> float:
    """How close a sentence and its translation are on the mean, of the background's, on a scale from unrelated text, 0, to the same, 1."""
    key = (encoder.fingerprint, lang_a, lang_b)
    if key not in _closeness_of:
        texts = [background().get(lang, background()["en"]) for lang in (lang_a, lang_b)]
        a, b = describe_sides(texts[0], texts[1], (lang_a, lang_b), encoder)
        found = [_closeness(a, b, (at, at + 1, at, at + 1)) for at in range(a.n)]
        _closeness_of[key] = max(sum(found) / len(found), 0.05)
    return _closeness_of[key]


def _monotone(a: Side, b: Side, least: float) -> list[Bead]:
    band = Band.whole(a.n, b.n) if (a.n + 1) * (b.n + 1) <= WHOLE_CELLS else _band_of_interest(a, b)
    scores = score_beads(a, b, band)
    path = best_path(band, scores)
    if displaced := _displaced(a, b, band, scores, path, least):
        scores = _without(band, scores, displaced)
        path = best_path(band, scores)
    sums = posterior(band, scores)
    return [
        Bead(tuple(range(span[0], span[1])), tuple(range(span[2], span[3])), sums.of_bead(span), _closeness(a, b, span))
        for span in path
    ]


def _closeness(a: Side, b: Side, span: Span) -> float:
    n, m = span[1] - span[0], span[3] - span[2]
    if not (n and m):
        return 0.0
    last_a, last_b = span[1] - 1, span[3] - 1
    unrelated = float(a.unrelated_similarity[n - 1, last_a] + b.unrelated_similarity[m - 1, last_b]) / 2
    cosine = float(a.windows[n - 1][last_a] @ b.windows[m - 1][last_b])
    return (cosine - unrelated) / max(1.0 - unrelated, 0.05)


def _band_of_interest(a: Side, b: Side) -> Band:
    """The cells near the path that runs of sentences take, found level by level."""
    levels = [(a.windows[0], b.windows[0])]
    while max(map(len, levels[-1])) > COARSEST:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    path: list[Span] | None = None
    for runs_a, runs_b in levels[::-1]:
        if path is None:
            band = Band.whole(len(runs_a), len(runs_b))
        else:
            ends = (len(runs_a), len(runs_b), len(runs_a), len(runs_b))
            finer = [
                tuple(min(2 * at, ends[0] if place < 2 else ends[1]) for place, at in enumerate(span)) for span in path
            ]
            band = Band.around([(span[0], span[1], span[2], span[3]) for span in finer], RADIUS)
        if len(runs_a) == a.n and len(runs_b) == b.n:
            return band
        path = best_path(band, _run_scores(runs_a, runs_b, band))
    raise AssertionError("the last level holds the sentences themselves")


def _halved(rows: Vectors) -> Vectors:
    """Each two neighbouring rows as one."""
    even = rows if len(rows) % 2 == 0 else np.concatenate([rows, rows[-1:]])
    return unit(even[0::2] + even[1::2])


def _run_scores(a: Vectors, b: Vectors, band: Band) -> dict[Shape, Scores]:
    """1-1 scores of runs of sentences: cosine above what runs at random have."""
    floor = float(a.mean(axis=0) @ b.mean(axis=0)) + COARSE_GAIN
    table = band.empty().astype(np.float32)
    for first, last in blocks_of(band):
        low, high = int(band.low[first:last].min()), int(band.high[first:last].max())
        block = a[max(0, first - 1) : last - 1] @ b[max(0, low - 1) : high - 1].T - floor
        for row in range(max(first, 1), last):
            start, end = max(int(band.low[row]), 1), int(band.high[row])
            here = int(band.starts[row] - band.low[row])
            corner = max(0, low - 1) + 1
            table[start + here : end + here] = block[row - max(first, 1), start - corner : end - corner]
    return {(1, 1): table}


def _moved(a: Side, b: Side, beads: Sequence[Bead], least: float) -> list[Bead]:
    """Beads among the sentences that `beads` leave alone on both sides."""
    alone_a = [bead.a[0] for bead in beads if not bead.b]
    alone_b = [bead.b[0] for bead in beads if not bead.a]
    runs_a, runs_b = _runs(alone_a), _runs(alone_b)
    run_of_a = {at: run for run in runs_a for at in run}
    run_of_b = {at: run for run in runs_b for at in run}
    found: list[Bead] = []
    done: set[tuple[str, int]] = set()
    for _, at_a, at_b in sorted(_seeds(a, b, alone_a, alone_b, least), reverse=True):
        if ("a", at_a) in done or ("b", at_b) in done:
            continue
        # A paragraph may have moved: all that is left of both runs is aligned like a text of its own.
        part_a = _around(at_a, run_of_a[at_a], {at for side, at in done if side == "a"})
        part_b = _around(at_b, run_of_b[at_b], {at for side, at in done if side == "b"})
        inner = _monotone(a.part(part_a[0], part_a[-1] + 1), b.part(part_b[0], part_b[-1] + 1), least)
        for bead in inner:
            if bead.a and bead.b and bead.score >= 0.5:
                shifted = replace(
                    bead,
                    a=tuple(at + part_a[0] for at in bead.a),
                    b=tuple(at + part_b[0] for at in bead.b),
                )
                found.append(shifted)
                done |= {("a", at) for at in shifted.a} | {("b", at) for at in shifted.b}
    return sorted(found, key=lambda bead: bead.a)


def _runs(alone: Sequence[int]) -> list[list[int]]:
    return [
        [at for _, at in group]
        for _, group in itertools.groupby(enumerate(alone), key=lambda placed: placed[1] - placed[0])
    ]


def _around(at: int, run: Sequence[int], done: set[int]) -> list[int]:
    """The part of `run` around `at` that is not done."""
    first = last = at
    while first - 1 in run and first - 1 not in done:
        first -= 1
    while last + 1 in run and last + 1 not in done:
        last += 1
    return list(range(first, last + 1))


def _seeds(
    a: Side, b: Side, alone_a: Sequence[int], alone_b: Sequence[int], least: float
) -> list[tuple[float, int, int]]:
    """Sentence pairs that are each other's best and clearly belong together: (score, a, b)."""
    best_of_a: dict[int, tuple[float, int]] = {}
    best_of_b: dict[int, tuple[float, int]] = {}
    for score, at_a, at_b in _near_pairs(a, b, alone_a, alone_b):
        best_of_a[at_a] = max(best_of_a.get(at_a, (-math.inf, 0)), (score, at_b))
        best_of_b[at_b] = max(best_of_b.get(at_b, (-math.inf, 0)), (score, at_a))
    return [
        (score, at_a, at_b)
        for at_a, (score, at_b) in best_of_a.items()
        if score >= least and best_of_b[at_b][1] == at_a
    ]


def _near_pairs(a: Side, b: Side, rows: Sequence[int], columns: Sequence[int]) -> Iterator[tuple[float, int, int]]:
    """Of the sentences `rows` of a and `columns` of b, each of a with some of the nearest of b: (score, a, b)."""
    if not rows or not columns:
        return
    weights = fitted_weights()["tokens" if a.words is not None else "vectors"]
    scale = scale_of(a, b)
    for start in range(0, len(rows), MOVED_BLOCK):
        block = rows[start : start + MOVED_BLOCK]
        similarity = a.windows[0][block] @ b.windows[0][columns].T
        nearest = np.argsort(-similarity, axis=1)[:, :CANDIDATES]
        near = sorted({columns[int(at)] for at in nearest.ravel()})
        ((_, found),) = evidence(a.pick(block), b.pick(near), scale, ((1, 1),))
        scores = weigh(found, weights)
        for place, at_a in enumerate(block):
            for other, at_b in enumerate(near):
                yield float(scores[place, other]), at_a, at_b


def _displaced(
    a: Side, b: Side, band: Band, scores: Mapping[Shape, Scores], path: Sequence[Span], least: float
) -> tuple[set[int], set[int]] | None:
    """Sentences of a and of b that are in beads of the path, but belong to a sentence elsewhere that it leaves alone.

    Without this a sentence that has moved away is joined to its neighbour's bead, because nothing else wants it.
    """
    alone_a = [span[0] for span in path if span[2] == span[3]]
    alone_b = [span[2] for span in path if span[0] == span[1]]
    together = [span for span in path if span[0] < span[1] and span[2] < span[3]]
    displaced: tuple[set[int], set[int]] = (set(), set())
    for own, alone, sides in ((0, alone_b, (b, a)), (1, alone_a, (a, b))):
        bead_of = {at: span for span in together for at in range(span[2 * own], span[2 * own + 1])}
        best: dict[int, float] = {}
        for score, _, at in _near_pairs(*sides, alone, sorted(bead_of)):
            best[at] = max(best.get(at, -math.inf), score)
        for at, score in best.items():
            if score >= least and score - _loss(band, scores, bead_of[at], own, at) >= least:
                displaced[own].add(at)
    return displaced if any(displaced) else None


def _loss(band: Band, scores: Mapping[Shape, Scores], span: Span, own: int, at: int) -> float:
    """What the bead `span` loses in score by losing the sentence `at` of side `own`, whatever becomes of its others."""

    def value(a_start: int, a_end: int, b_start: int, b_end: int) -> float:
        """The greatest score of the sentences in between."""
        if a_start == a_end or b_start == b_end:
            return 0.0
        found = max(value(a_start, a_end - 1, b_start, b_end), value(a_start, a_end, b_start, b_end - 1))
        if band.low[a_end] <= b_end < band.high[a_end]:
            cell = int(band.starts[a_end] + b_end - band.low[a_end])
            for (n, m), table in scores.items():
                if n <= a_end - a_start and m <= b_end - b_start:
                    found = max(found, float(table[cell]) + value(a_start, a_end - n, b_start, b_end - m))
        return found

    a_start, a_end, b_start, b_end = span
    if own == 0:
        rest = max(
            value(a_start, at, b_start, cut) + value(at + 1, a_end, cut, b_end) for cut in range(b_start, b_end + 1)
        )
    else:
        rest = max(
            value(a_start, cut, b_start, at) + value(cut, a_end, at + 1, b_end) for cut in range(a_start, a_end + 1)
        )
    return value(*span) - rest


def _without(band: Band, scores: Mapping[Shape, Scores], left: tuple[set[int], set[int]]) -> dict[Shape, Scores]:
    """The scores with no bead that holds one of the sentences `left` out of both texts."""
    rows = np.repeat(np.arange(band.n_rows), band.high - band.low)
    columns = np.arange(int(band.starts[-1])) - np.repeat(band.starts[:-1] - band.low, band.high - band.low)
    found = {}
    for (n, m), table in scores.items():
        ends_a = [at + after for at in left[0] for after in range(1, n + 1)]
        ends_b = [at + after for at in left[1] for after in range(1, m + 1)]
        barred = np.isin(rows, ends_a) | np.isin(columns, ends_b)
        found[n, m] = np.where(barred, np.float32(NONE), table)
    return found
