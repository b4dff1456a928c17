"""An alignment → what one version says, adds and leaves out, and whether its quantities agree.

Quantities, by value and unit, and names are compared inside aligned beads only.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from align.embedding import Encoder, StaticEncoder
from align.names import NameDifference, NameReader, compare_names
from align.quantities import Quantity, agree, quantities, split_range
from align.sentences import Alignment, Bead

Days = tuple[datetime.date | None, datetime.date | None]
"""The days that two versions were published on."""

TRANSLATED = 0.86
"""Least closeness of a translation's aligned sentences; chosen with the next three by ``python -m training.extents``.

By thresholds from the other half of the examples, balanced accuracy is 88.5 %: of 384 texts and their translations, which the model has not seen, 353 are
called full or partial translations rightly and 31 adaptations; of 371 adaptations 47 are called translations, of 397 independent texts three.
"""
COVERED = 0.95
"""Coverage from which a translation is a full one (both ways) or a partial one (one way)."""
RETOLD = 0.5
"""Least coverage, one way, of an adaptation."""
ADAPTED = 0.6
"""Least closeness of an adaptation."""
NAMES = {"en": "English", "ja": "Japanese", "de": "German", "it": "Italian"}


@dataclass(frozen=True)
class QuantityDifference:
    """A quantity in bead number `bead`: `verdict` is agree, contradict, or missing, where one of `a` and `b` is None."""

    bead: int
    verdict: str
    a: Quantity | None
    b: Quantity | None


@dataclass(frozen=True)
class Differences:
    """What differs between two versions.

    `left_out` are sentences of a that b lacks, `added` those of b that a lacks; `merged` and `split` are
    numbers of beads. `coverage` is the share of each text's characters, in [0, 1], that lies in beads with both sides.
    """

    aligned: int
    merged: int
    split: int
    left_out: tuple[int, ...]
    added: tuple[int, ...]
    quantities: tuple[QuantityDifference, ...]
    names: tuple[NameDifference, ...]
    coverage: tuple[float, float]
    kind: str
    summary: tuple[str, ...]


def differences(alignment: Alignment, encoder: Encoder | None = None) -> Differences:
    """Compare the two versions of an alignment; names only with a static `encoder`, whose token vectors know them."""
    together = [bead for bead in (*alignment.beads, *alignment.moved) if bead.a and bead.b]
    held_a = {place for bead in together for place in bead.a}
    held_b = {place for bead in together for place in bead.b}
    left_out = tuple(place for place in range(len(alignment.a)) if place not in held_a)
    added = tuple(place for place in range(len(alignment.b)) if place not in held_b)
    a, b = (
        [quantities(sentence, lang, day) for sentence in sentences]
        for sentences, lang, day in zip((alignment.a, alignment.b), alignment.langs, alignment.published, strict=True)
    )
    found = compare_quantities((*alignment.beads, *alignment.moved), (a, b), alignment.published)
    names = _names(alignment, encoder) if isinstance(encoder, StaticEncoder) else ()
    coverage = (_share(alignment.a, held_a), _share(alignment.b, held_b))
    return Differences(
        aligned=len(together),
        merged=sum(len(bead.a) > len(bead.b) for bead in together),
        split=sum(len(bead.a) < len(bead.b) for bead in together),
        left_out=left_out,
        added=added,
        quantities=found,
        names=names,
        coverage=coverage,
        kind=extent(closeness(alignment), coverage),
        summary=_summary(alignment, left_out, added, found, names),
    )


def compare_quantities(
    beads: Sequence[Bead],
    quantities: tuple[Sequence[Sequence[Quantity]], Sequence[Sequence[Quantity]]],
    days: Days,
    missing: bool = True,
) -> tuple[QuantityDifference, ...]:
    """The quantities of two texts, given by sentence, compared inside each bead that has both sides; without `missing`, those of both."""
    everywhere = [[found for sentence in side for found in sentence] for side in quantities]
    return tuple(
        difference
        for number, bead in enumerate(beads)
        if bead.a and bead.b
        for difference in _compared(
            number,
            [found for place in bead.a for found in quantities[0][place]],
            [found for place in bead.b for found in quantities[1][place]],
            everywhere,
            days,
            missing,
        )
    )


def _names(alignment: Alignment, encoder: StaticEncoder) -> tuple[NameDifference, ...]:
    a, b = (
        NameReader(sentences, lang, encoder)
        for sentences, lang in zip((alignment.a, alignment.b), alignment.langs, strict=True)
    )
    beads = enumerate((*alignment.beads, *alignment.moved))
    return tuple(
        found
        for number, bead in beads
        if bead.a and bead.b
        for found in compare_names(number, (bead.a, bead.b), (a, b))
    )


def _share(sentences: Sequence[str], held: set[int]) -> float:
    total = sum(map(len, sentences))
    return sum(len(sentences[place]) for place in held) / total if total else 0.0


def closeness(alignment: Alignment) -> float:
    """The mean closeness of the beads with both sides, by their characters; 0 where there are none."""
    beads = [bead for bead in (*alignment.beads, *alignment.moved) if bead.a and bead.b]
    sizes = [
        sum(len(alignment.a[place]) for place in bead.a) + sum(len(alignment.b[place]) for place in bead.b)
        for bead in beads
    ]
    return sum(size * bead.closeness for size, bead in zip(sizes, beads, strict=True)) / max(sum(sizes), 1)


def extent(near: float, coverage: tuple[float, float]) -> str:
    """What one version is to the other, by the closeness of what is aligned and the coverage of both texts."""
    if near >= TRANSLATED and max(coverage) >= COVERED:
        return "full_translation" if min(coverage) >= COVERED else "partial_translation"
    return "adaptation" if max(coverage) >= RETOLD and near >= ADAPTED else "independent"


def _compared(
    number: int,
    left: list[Quantity],
    right: list[Quantity],
    everywhere: Sequence[Sequence[Quantity]],
    days: Days,
    missing: bool,
) -> list[QuantityDifference]:
    """The quantities `left` and `right` of one bead; `everywhere` are those of all of a and of all of b."""
    verdicts = _agreeing(number, left, right, days)
    # A range here may be two numbers there.
    for side, others in ((left, right), (right, left)):
        if not any(other.end is not None for other in others):
            side[:] = [part for found in side for part in (split_range(found) if found.end is not None else [found])]
    verdicts += _agreeing(number, left, right, days)
    if not missing and not (left and right):
        return verdicts
    # Said again here, elsewhere there: neither a contradiction nor missing.
    left = [own for own in left if not _said(own, everywhere[1], days)]
    right = [other for other in right if not _said(other, everywhere[0], days[::-1])]
    # What is left over of one kind, in order, was meant to be the same; moments of two kinds cannot be compared.
    for own in list(left):
        for other in list(right):
            same = agree(own, other, days)
            if (same is None and not (own.moment and other.moment)) or own.slight or other.slight:
                continue
            left.remove(own)
            right.remove(other)
            if same is False:
                verdicts.append(QuantityDifference(number, "contradict", own, other))
            break
    if not missing:
        return verdicts
    verdicts += [QuantityDifference(number, "missing", own, None) for own in left if not own.slight]
    return verdicts + [QuantityDifference(number, "missing", None, other) for other in right if not other.slight]


def _agreeing(number: int, left: list[Quantity], right: list[Quantity], days: Days) -> list[QuantityDifference]:
    """Those that agree, taken out of `left` and `right`; what has the same unit first."""
    verdicts = []
    for same_unit in (True, False):
        for own in list(left):
            for other in right:
                if (own.unit == other.unit) is same_unit and agree(own, other, days):
                    left.remove(own)
                    right.remove(other)
                    verdicts.append(QuantityDifference(number, "agree", own, other))
                    break
    return verdicts


def _said(own: Quantity, others: Sequence[Quantity], days: Days) -> bool:
    """Whether a quantity, or each number of a range, is among `others`; a year may be part of a date there."""
    if own.end is not None and all(_said(part, others, days) for part in split_range(own)):
        return True
    for other in others:
        if other.end is None or own.end is not None:
            if agree(own, other, days):
                return True
        elif any(agree(own, part, days) for part in split_range(other)):
            return True
        if own.unit == "" and other.unit == "date" and other.value // 10_000 == own.value:
            return True
    return False


def version_names(langs: tuple[str, str]) -> tuple[str, str]:
    """What two versions are called in plain words: by language, or by their order where they are in one language."""
    if langs[0] == langs[1]:
        return "first version", "second version"
    one, other = (f"{NAMES.get(lang, lang)} version" for lang in langs)
    return one, other


def _summary(
    alignment: Alignment,
    left_out: Sequence[int],
    added: Sequence[int],
    found: Sequence[QuantityDifference],
    names: Sequence[NameDifference],
) -> tuple[str, ...]:
    """In plain words, what contradicts before what is missing and what agrees; names that agree only where they are written in two ways."""
    other = f"The {version_names(alignment.langs)[1]}"
    lines = [f"{other} leaves out: {alignment.a[place]}" for place in left_out]
    lines += [f"{other} adds: {alignment.b[place]}" for place in added]
    written = [(entry.verdict, entry.a and entry.a.text, entry.b and entry.b.text, "") for entry in found]
    written += [
        (entry.verdict, entry.a, entry.b, "the name ")
        for entry in names
        if entry.verdict != "agree" or entry.a != entry.b
    ]
    for wanted in ("contradict", "missing", "agree"):
        for verdict, a, b, what in written:
            if verdict != wanted:
                continue
            if a is not None and b is not None:
                lines.append(f"{a} against {b}: {verdict}")
            else:
                lines.append(f"{other} leaves out {what}{a}" if b is None else f"{other} adds {what}{b}")
    return tuple(lines)
