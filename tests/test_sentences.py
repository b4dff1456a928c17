"""Sentences that say the same are found, whatever was joined, left out, added or moved."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.alignment_eval import Beads, CutPair, Cutting, MovedPair, Tally, cut_pair, moved_pair, tally
from align.bead_scores import background
from align.beads import Band, Span, best_path, posterior
from align.embedding import Encoder, StaticEncoder
from align.sentences import align_sentences


class Blinkered:
    """The shipped model behind the plain interface: a model that gives no token vectors."""

    def __init__(self, encoder: StaticEncoder) -> None:
        self.name, self.fingerprint, self.dimension = "blinkered", "blinkered", encoder.dimension
        self.encode = encoder.encode


def all_paths(n_a: int, n_b: int, shapes: list[tuple[int, int]]) -> list[list[Span]]:
    """Every monotone path, by brute force."""
    if (n_a, n_b) == (0, 0):
        return [[]]
    steps = [(n, m) for n, m in [*shapes, (1, 0), (0, 1)] if n <= n_a and m <= n_b]
    return [[*path, (n_a - n, n_a, n_b - m, n_b)] for n, m in steps for path in all_paths(n_a - n, n_b - m, shapes)]


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10_000))
def test_the_best_path_and_its_probability_are_those_of_brute_force(n_a: int, n_b: int, seed: int) -> None:
    """On small tables the dynamic programme finds what trying every path finds."""
    chance = np.random.default_rng(seed)
    shapes = [(1, 1), (1, 2), (2, 1), (2, 2)]
    scores = {shape: chance.normal(size=(n_a + 1) * (n_b + 1)).astype(np.float32) for shape in shapes}

    def total(path: list[Span]) -> float:
        beads = [(a1 - a0, b1 - b0, a1 * (n_b + 1) + b1) for a0, a1, b0, b1 in path]
        return sum(float(scores[n, m][cell]) for n, m, cell in beads if n and m)

    paths = all_paths(n_a, n_b, shapes)
    band = Band.whole(n_a, n_b)
    found = best_path(band, scores)
    assert total(found) == pytest.approx(max(map(total, paths)), abs=1e-4)
    sums = posterior(band, scores)
    everything = sum(math.exp(total(path)) for path in paths)
    for span in found:
        share = sum(math.exp(total(path)) for path in paths if span in path) / everything
        assert sums.of_bead(span) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("langs", list(itertools.combinations(["en", "de", "it", "ja"], 2)))
@pytest.mark.parametrize(("static", "least"), [(True, 95), (False, 90)])
def test_cut_and_merged_texts_are_aligned(
    langs: tuple[str, str], static: bool, least: int, encoder: StaticEncoder
) -> None:
    """Of unrelated sentences, some joined or dropped, 95 % of the beads are found, and 90 % without word evidence."""
    model: Encoder = encoder if static else Blinkered(encoder)
    pairs = list(zip(background()[langs[0]], background()[langs[1]], strict=True))
    beads, gaps = Tally(), Tally()
    for seed in range(12):
        document = cut_pair(pairs, [], langs, random.Random(seed), Cutting(0.1, 0.2, 0.0))
        found = align_sentences(document.a, document.b, langs, model)
        tally([(bead.a, bead.b) for bead in found.beads], document.beads, beads, gaps)
    assert beads.f1 >= least
    assert gaps.f1 >= 85


def test_each_sentence_stands_in_one_bead(encoder: StaticEncoder) -> None:
    """Nothing is lost, even of texts that share nothing, of marks, or of an empty side."""
    texts = [[], ["…", "—"], list(background()["en"][:5]), list(background()["ja"][5:])]
    for a, b in itertools.product(texts, texts):
        beads = align_sentences(a, b, ("en", "ja"), encoder).beads
        assert [at for bead in beads for at in bead.a] == list(range(len(a)))
        assert [at for bead in beads for at in bead.b] == list(range(len(b)))
        assert all(0.0 <= bead.score <= 1.0 and len(bead.a) + len(bead.b) <= 5 for bead in beads)


def test_a_moved_paragraph_is_reported_apart(encoder: StaticEncoder) -> None:
    """Three sentences that went to the end are moved beads; the path beside them stays monotone."""
    a, b = list(background()["en"][:12]), list(background()["de"][:12])
    moved = b[:2] + b[5:] + b[2:5]
    found = align_sentences(a, moved, ("en", "de"), encoder)
    assert [(bead.a, bead.b) for bead in found.moved] == [((at,), (at + 7,)) for at in (2, 3, 4)]
    assert [bead.b for bead in found.beads if bead.b] == [(at,) for at in range(12)]


def test_a_sentence_that_moved_away_is_not_left_to_its_neighbour(encoder: StaticEncoder) -> None:
    """What stands at the end of the other version is found there, though the sentence before says nearly the same."""
    a = [
        "The central bank said on Thursday that it would lend banks ten billion pounds for five weeks, to calm fears about thin markets.",
        "It is the first time that the bank has lent money to banks for as long as five weeks.",
        "Shares in London rose after the announcement.",
        "The two largest lenders had written to the governor in October.",
        "The finance minister will speak in parliament on Monday.",
    ]
    b = [
        "Die Zentralbank erklärte am Donnerstag, sie werde den Banken zehn Milliarden Pfund für fünf Wochen leihen, um die Furcht vor dünnen Märkten zu dämpfen.",
        "Die Aktien in London stiegen nach der Ankündigung.",
        "Die beiden größten Kreditgeber hatten dem Gouverneur im Oktober geschrieben.",
        "Der Finanzminister spricht am Montag im Parlament.",
        "Zum ersten Mal leiht die Bank den Banken Geld für so lange wie fünf Wochen.",
    ]
    found = align_sentences(a, b, ("en", "de"), encoder)
    assert [(bead.a, bead.b) for bead in found.moved] == [((1,), (4,))]
    assert [(bead.a, bead.b) for bead in found.beads if bead.a and bead.b] == [
        ((0,), (0,)), ((2,), (1,)), ((3,), (2,)), ((4,), (3,)),
    ]  # fmt: skip


@given(st.integers(0, 10_000))
def test_reordered_documents_hold_what_they_held(seed: int) -> None:
    """No sentence is lost, moved beads are the same pairs as before, and the others keep their order and are the longest that do."""
    chance = random.Random(seed)
    pairs = [(f"a{at}.", f"b{at}.") for at in range(chance.randint(10, 60))]
    document = cut_pair(pairs, [(f"x{at}.", f"y{at}.") for at in range(5)], ("en", "de"), chance)
    reordered = moved_pair(document, chance)

    def texts(one: CutPair | MovedPair, beads: Beads) -> Counter[tuple[tuple[str, ...], tuple[str, ...]]]:
        return Counter((tuple(one.a[at] for at in a), tuple(one.b[at] for at in b)) for a, b in beads)

    assert texts(document, document.beads) == texts(reordered, reordered.beads + reordered.moved)
    kept = [bead for bead in reordered.beads if all(bead)]
    assert kept == sorted(kept, key=lambda bead: bead[1])
    for a, b in reordered.moved:
        assert sum((other[0] < a) != (other[1] < b) for other in kept) > len(reordered.moved)


def test_a_long_text_takes_the_coarse_way_and_arrives(encoder: StaticEncoder) -> None:
    """Beyond the table that is looked at whole the path is found level by level, with a thousand sentences inserted."""
    chance = random.Random(5)
    base = list(zip(background()["en"], background()["it"], strict=True))
    numbered = [
        (f"{first} ({number * 7919 % 99_991})", f"{second} ({number * 7919 % 99_991})")
        for number in range(1200)
        for first, second in [base[chance.randrange(len(base))]]
    ]
    a = [first for first, _ in numbered]
    b = [second for _, second in numbered]
    b = b[:300] + b[900:]
    found = align_sentences(a, b, ("en", "it"), encoder)
    right = {((at,), (at if at < 300 else at - 600,)) for at in range(1200) if at < 300 or at >= 900}
    got = {(bead.a, bead.b) for bead in found.beads if bead.a and bead.b}
    assert len(got & right) >= 0.95 * len(right)


def test_the_background_is_its_own_translation() -> None:
    """Every language has as many unrelated sentences as the others."""
    assert {len(texts) for texts in background().values()} == {16}
    assert (Path(__file__).parent.parent / "align" / "background.toml").exists()
