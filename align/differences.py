"""An alignment → what one version says, adds and leaves out, and whether its quantities agree.

Quantities are compared inside aligned beads only, by value and unit; names are not compared yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from align.quantities import Quantity, quantities
from align.sentences import Alignment, Bead

FULL, PARTIAL, ADAPTED = 0.9, 0.9, 0.4
"""Coverage from which a text is a full translation (both ways), a partial one (one way), an adaptation (one way). Set by hand, not fitted."""
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
    coverage: tuple[float, float]
    kind: str
    summary: tuple[str, ...]


def differences(alignment: Alignment) -> Differences:
    """Compare the two versions of an alignment."""
    together = [bead for bead in (*alignment.beads, *alignment.moved) if bead.a and bead.b]
    held_a = {place for bead in together for place in bead.a}
    held_b = {place for bead in together for place in bead.b}
    left_out = tuple(place for place in range(len(alignment.a)) if place not in held_a)
    added = tuple(place for place in range(len(alignment.b)) if place not in held_b)
    everywhere = [
        [found for sentence in sentences for found in quantities(sentence, lang)]
        for sentences, lang in zip((alignment.a, alignment.b), alignment.langs, strict=True)
    ]
    found = tuple(
        difference
        for number, bead in enumerate((*alignment.beads, *alignment.moved))
        if bead.a and bead.b
        for difference in _compared(number, bead, alignment, everywhere)
    )
    coverage = (_share(alignment.a, held_a), _share(alignment.b, held_b))
    return Differences(
        aligned=len(together),
        merged=sum(len(bead.a) > len(bead.b) for bead in together),
        split=sum(len(bead.a) < len(bead.b) for bead in together),
        left_out=left_out,
        added=added,
        quantities=found,
        coverage=coverage,
        kind=_kind(coverage),
        summary=_summary(alignment, left_out, added, found),
    )


def _share(sentences: Sequence[str], held: set[int]) -> float:
    total = sum(map(len, sentences))
    return sum(len(sentences[place]) for place in held) / total if total else 0.0


def _kind(coverage: tuple[float, float]) -> str:
    if min(coverage) >= FULL:
        return "full_translation"
    if max(coverage) >= PARTIAL:
        return "partial_translation"
    return "adaptation" if max(coverage) >= ADAPTED else "independent"


def _compared(
    number: int, bead: Bead, alignment: Alignment, everywhere: Sequence[Sequence[Quantity]]
) -> list[QuantityDifference]:
    """The quantities of one bead; `everywhere` are those of all of a and of all of b."""
    left = [found for place in bead.a for found in quantities(alignment.a[place], alignment.langs[0])]
    right = [found for place in bead.b for found in quantities(alignment.b[place], alignment.langs[1])]
    verdicts = []
    for own in list(left):
        same = next((other for other in right if _same(own, other)), None)
        if same is not None:
            left.remove(own)
            right.remove(same)
            verdicts.append(QuantityDifference(number, "agree", own, same))
    # Said again here, elsewhere there: neither a contradiction nor missing.
    left = [own for own in left if not any(_same(own, other) for other in everywhere[1])]
    right = [other for other in right if not any(_same(own, other) for own in everywhere[0])]
    # What is left over in the same unit, in order, was meant to be the same.
    for own in list(left):
        rival = next((other for other in right if other.unit == own.unit), None)
        if rival is not None:
            left.remove(own)
            right.remove(rival)
            verdicts.append(QuantityDifference(number, "contradict", own, rival))
    verdicts += [QuantityDifference(number, "missing", own, None) for own in left]
    return verdicts + [QuantityDifference(number, "missing", None, other) for other in right]


def _same(a: Quantity, b: Quantity) -> bool:
    units = a.unit == b.unit or ("date" not in (a.unit, b.unit) and "" in (a.unit, b.unit))
    return units and abs(a.value - b.value) <= 1e-9 * max(abs(a.value), abs(b.value), 1.0)


def _summary(
    alignment: Alignment, left_out: Sequence[int], added: Sequence[int], found: Sequence[QuantityDifference]
) -> tuple[str, ...]:
    one, other = (f"The {NAMES.get(lang, lang)} version" for lang in alignment.langs)
    if one == other:
        one, other = "The first version", "The second version"
    lines = [f"{other} leaves out: {alignment.a[place]}" for place in left_out]
    lines += [f"{other} adds: {alignment.b[place]}" for place in added]
    for entry in found:
        if entry.a is not None and entry.b is not None:
            lines.append(f"{entry.a.text} against {entry.b.text}: {entry.verdict}")
        elif entry.a is not None:
            lines.append(f"{entry.a.text}: missing in {other[0].lower()}{other[1:]}")
        elif entry.b is not None:
            lines.append(f"{entry.b.text}: missing in {one[0].lower()}{one[1:]}")
    return tuple(lines)
