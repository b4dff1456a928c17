"""Two versions side by side: their alignment, and what the desk's pages show of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from align.differences import Differences, differences
from align.embedding import Encoder
from align.records import Item
from align.sentences import Alignment, Bead
from align.versions import align_versions, version_of_item

MOST_WORK = 4_000.0
"""What one page may cost, as `_work` counts it: some two seconds. A story's dozen versions of usual length cost a tenth of it."""


@dataclass(frozen=True)
class Contradiction:
    """A quantity or name that the two sides give differently, and the sentences that say so."""

    a: str
    b: str
    said_a: str
    said_b: str


@dataclass(frozen=True)
class Compared:
    """An alignment and what differs.

    `mates` are, for each sentence of b, those of a in its bead, `moved` those of b that moved; `titled` says
    of a and of b whether the first sentence is a title.
    """

    alignment: Alignment
    differences: Differences
    mates: tuple[tuple[int, ...], ...]
    moved: frozenset[int]
    titled: tuple[bool, bool]

    @property
    def a(self) -> tuple[str, ...]:
        return self.alignment.a

    @property
    def b(self) -> tuple[str, ...]:
        return self.alignment.b

    @property
    def matched(self) -> frozenset[int]:
        """The sentences of a that b has."""
        return frozenset(range(len(self.a))) - set(self.differences.left_out)

    def between(self, side: int) -> str:
        """What stands between two sentences of a (0) or b (1): a space, which Japanese does without."""
        return "" if self.alignment.langs[side] == "ja" else " "

    @property
    def body_a(self) -> list[int]:
        """The sentences of a without its title, also where the text begins with the title once more."""
        return _body(self.a, self.titled[0])

    @property
    def body_b(self) -> list[int]:
        """The same of b."""
        return _body(self.b, self.titled[1])

    @property
    def contradictions(self) -> list[Contradiction]:
        """Figures and names that differ."""
        found = [
            (entry.bead, entry.a.text, entry.b.text)
            for entry in self.differences.quantities
            if entry.verdict == "contradict" and entry.a and entry.b
        ]
        found += [
            (entry.bead, entry.a, entry.b)
            for entry in self.differences.names
            if entry.verdict == "contradict" and entry.a and entry.b
        ]
        beads = _all_beads(self.alignment)
        return [Contradiction(a, b, _said(self.a, beads[bead].a), _said(self.b, beads[bead].b)) for bead, a, b in found]

    @property
    def missing_in_b(self) -> list[str]:
        """Figures and names of aligned sentences that b lacks."""
        return [entry.a.text for entry in self.differences.quantities if entry.a and not entry.b] + [
            entry.a for entry in self.differences.names if entry.a and not entry.b
        ]


def compare_items(a: Item, others: Sequence[Item], encoder: Encoder) -> list[Compared | None]:
    """`a` aligned with each of `others`; None for one that is not, because texts so long are not compared while a reader waits."""
    first = version_of_item(a)
    found: list[Compared | None] = []
    left = MOST_WORK
    for other in others:
        second = version_of_item(other)
        work = _work(len(first.sentences), len(second.sentences))
        if work > left:
            found.append(None)
            continue
        left -= work
        titled = (bool(a.title), bool(other.title))
        found.append(_compared(align_versions(first, second, encoder), titled, encoder))
    return found


def _work(n: int, m: int) -> float:
    """What it costs to align so many sentences with so many, counted in sentences of short texts."""
    return n + m + n * m / 60


def _compared(alignment: Alignment, titled: tuple[bool, bool], encoder: Encoder) -> Compared:
    mates: list[tuple[int, ...]] = [()] * len(alignment.b)
    for bead in _all_beads(alignment):
        for place in bead.b if bead.a else ():
            mates[place] = bead.a
    moved = frozenset(place for bead in alignment.moved for place in bead.b)
    return Compared(alignment, differences(alignment, encoder), tuple(mates), moved, titled)


def _body(sentences: Sequence[str], titled: bool) -> list[int]:
    begin = 1 if titled else 0
    if titled and len(sentences) > 2 and sentences[1].split() == sentences[0].split():
        begin = 2
    return list(range(begin, len(sentences)))


def _all_beads(alignment: Alignment) -> tuple[Bead, ...]:
    """Beads as differences count them."""
    return (*alignment.beads, *alignment.moved)


def _said(sentences: Sequence[str], places: Sequence[int]) -> str:
    return " ".join(sentences[place] for place in places)
