"""What pairs of texts show is worked out over arrays, and is what plain loops over the two texts give."""

from __future__ import annotations

import errno
import itertools
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest

from align.describing import Described, describe, in_columns
from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.evidence import features
from align.reading import read
from align.records import Document, Item
from align.relations import weigh
from align.stacks import PlacedPairs, Stack
from align.vectors import vectorise
from align.verifier import FEATURES, FLOOR_LOGIT, load_verifier


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    """The shipped model."""
    return StaticEncoder(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def described(encoder: StaticEncoder) -> list[Described]:
    """Two dozen bundled items, some undated, two of one length, one of few words."""
    documents = [found for found in read(["seeds/expected.toml", "seeds"]) if isinstance(found, Document)][:96:4]
    items = [
        Item(
            found.name, found.name, found.lang or "en", 1.0, found.title, found.text, None, None,
            None if place % 5 == 0 else found.published, 0, 0,
        )
        for place, found in enumerate(documents)
    ]  # fmt: skip
    items += [
        Item(f"twin{n}", "twin", "en", 1.0, "", f"Rain in Kobe on day {n}.", None, None, None, 0, 0) for n in (1, 2)
    ]
    return describe(items, vectorise(items, encoder), encoder)


def number_weight(value: float) -> float:
    """What one number weighs."""
    return 0.2 if value <= 12 and value.is_integer() else 0.3 if value <= 31 or 1990 <= value <= 2039 else 1.0


def shown(left: Described, right: Described, encoder: StaticEncoder) -> list[float]:
    """The features of two texts by their definition, without rounding."""
    short, long = sorted((left, right), key=lambda entry: (entry.traits.length, [-ord(sign) for sign in entry.id]))
    story = float(left.vectors.views[0] @ right.vectors.views[0])
    lead = max(float(a.vectors.views[1] @ b.vectors.views[0]) for a, b in ((left, right), (right, left)))
    covered = []
    for one, other in ((short, long), (long, short)):
        weights = [math.sqrt(max(end - start, 1)) for start, end in one.vectors.sentence_spans]
        best = [max(float(row @ column) for column in other.vectors.sentences) for row in one.vectors.sentences]
        covered.append(sum(w * value for w, value in zip(weights, best, strict=True)) / sum(weights))
    highest = max(float(a @ b) for a in left.vectors.sentences for b in right.vectors.sentences)
    words = []
    for one, other in ((short, long), (long, short)):
        rows, columns = encoder.unit_rows(one.traits.words), encoder.unit_rows(other.traits.words)
        best = [max(float(row @ column) for column in columns) for row in rows]
        words.append(sum(float(w) * value for w, value in zip(one.traits.word_weights, best, strict=True)))
    agreement = []
    for name, weight in (("numbers", number_weight), ("names", lambda _: 1.0)):
        held = [set(getattr(entry.traits, name).tolist()) for entry in (left, right)]
        common = sum(map(weight, held[0] & held[1]))
        agreement += [common / (min(sum(map(weight, own)) for own in held) + 1), math.log1p(common)]
    undated = left.day is None or right.day is None
    days = 1.0 if left.day is None or right.day is None else min(abs(left.day - right.day), 15.0)
    return [story, lead, *covered, highest, *words, *agreement, math.log2(1 + days), float(undated)]


def test_evidence_is_that_of_plain_loops(described: list[Described], encoder: StaticEncoder) -> None:
    """For every pair: cosines of stories, sentences and words, what numbers and names agree, and the time between."""
    stack = Stack(encoder, encoder.dimension)
    stack.add(in_columns(described))
    ones, others = np.array(list(itertools.permutations(range(len(described)), 2))).T
    found = features(PlacedPairs(stack, ones, stack, others))
    expected = [shown(described[one], described[other], encoder) for one, other in zip(ones, others, strict=True)]
    np.testing.assert_allclose(found, expected, atol=6e-5)


def test_evidence_does_not_depend_on_what_else_is_compared(described: list[Described], encoder: StaticEncoder) -> None:
    """A pair shows the same in a stack of its own, either text first, as in one that has grown by and by in another order."""
    shuffled = random.Random(3).sample(described, len(described))
    stack = Stack(encoder, encoder.dimension)
    for start in range(0, len(shuffled), 5):
        stack.add(in_columns(shuffled[start : start + 5]))
    place_of = {stack.id_at(place): place for place in range(len(stack))}
    for left, right in itertools.pairwise(described):
        alone = Stack(encoder, encoder.dimension)
        alone.add(in_columns([right, left]))
        places = np.array([place_of[left.id]]), np.array([place_of[right.id]])
        among = features(PlacedPairs(stack, places[0], stack, places[1]))
        apart = features(PlacedPairs(alone, np.array([0]), stack, places[0]))
        together = features(PlacedPairs(alone, np.array([0]), alone, np.array([1])))
        np.testing.assert_allclose(together, among, atol=1.1e-4)
        np.testing.assert_allclose(apart, among, atol=1.1e-4)


def test_evidence_is_the_same_from_files(
    described: list[Described], encoder: StaticEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that grow as texts come give what memory gives, also to one who maps them and to one who goes on; they say where the disk has no room."""
    monkeypatch.setattr("align.stacks.FILE_ROWS", 2)
    in_memory, written = Stack(encoder, encoder.dimension), Stack(encoder, encoder.dimension, tmp_path)
    read = Stack(encoder, encoder.dimension, tmp_path, writable=False)
    in_memory.add(in_columns(described))
    for start in range(0, len(described), 5):
        written.add(in_columns(described[start : start + 5]))
        read.show(written.sizes())
        assert len(read) == len(written)
        before = written.sizes()
    written.show(before)
    further = Stack(encoder, encoder.dimension, tmp_path)
    further.show(before)
    ones, others = np.array(list(itertools.permutations(range(len(described)), 2))).T
    expected = features(PlacedPairs(in_memory, ones, in_memory, others))
    for stack in (written, read, further):
        # Features have four decimals: where the last one is a matter of rounding, it may differ with the number of texts read at once.
        found = features(PlacedPairs(stack, ones, stack, others))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1.01e-4)
        assert (found != expected).sum() <= expected.size / 1000
    further.add(in_columns(described))
    assert further.sizes()["pieces"] == before["pieces"]
    with pytest.raises(ValueError, match="rows"):
        read.show({name: 10 * rows for name, rows in further.sizes().items()})

    def is_full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", is_full)
    with pytest.raises(OSError, match="No space"):
        written.add(in_columns(described * 20))


def test_hopeless_pairs_are_not_looked_at_to_the_end(described: list[Described], encoder: StaticEncoder) -> None:
    """The words of some pairs are left out where a logit is asked for, and the pairs that reach it show the same as ever."""
    stack, verifier = Stack(encoder, encoder.dimension), load_verifier()
    stack.add(in_columns(described))
    ones, others = np.array(list(itertools.permutations(range(len(described)), 2))).T
    table, logits, copies = weigh(PlacedPairs(stack, ones, stack, others), verifier)
    found, opinions, same = weigh(PlacedPairs(stack, ones, stack, others), verifier, FLOOR_LOGIT)
    kept = logits > FLOOR_LOGIT
    assert 0 < kept.sum() < (found[:, FEATURES.index("short_words")] > 0).sum() < len(ones)
    assert ((opinions > FLOOR_LOGIT) == kept).all()
    np.testing.assert_array_equal(found[kept], table[kept])
    assert same == copies
