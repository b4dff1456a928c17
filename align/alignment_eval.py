"""How well sentences are aligned: documents cut and merged at random with a seed, strict bead F1, beside Vecalign."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 5
"""Most sentences of both sides together in one bead."""
Beads = list[tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class CutPair:
    """Two versions of a document, cut and merged at random: their sentences, and the beads that are right."""

    a: list[str]
    b: list[str]
    beads: Beads


@dataclass(frozen=True)
class Cutting:
    """Chances that a sentence of either side is dropped, is joined to the next, or is followed by a foreign one."""

    drop: float = 0.08
    join: float = 0.15
    insert: float = 0.08


def cut_pair(
    pairs: Sequence[tuple[str, str]],
    foreign: Sequence[tuple[str, str]],
    langs: tuple[str, str],
    chance: random.Random,
    cutting: Cutting | None = None,
) -> CutPair:
    """Cut and merge a document of sentence `pairs`; inserted sentences are drawn from `foreign`, each at most once.

    Each side is treated alone: sentences are dropped, then neighbours joined, two at a time. A bead is
    a smallest group of both sides that shares content; one of more than `LARGEST` sentences is taken
    apart again. Foreign sentences go between beads.
    """
    cutting = cutting or Cutting()
    kept = [[number for number in range(len(pairs)) if chance.random() >= cutting.drop] for _ in (0, 1)]
    joined = [_joined(numbers, cutting.join, chance) for numbers in kept]
    for group in _groups(joined):
        if len(group[0]) + len(group[1]) > LARGEST:
            apart = {number for side in group for held in side for number in held}
            joined = [
                [part for held in side for part in ([(n,) for n in held] if apart.issuperset(held) else [held])]
                for side in joined
            ]
    strangers = list(foreign)
    chance.shuffle(strangers)
    texts: tuple[list[str], list[str]] = ([], [])
    beads: Beads = []
    for group in _groups(joined):
        places: list[tuple[int, ...]] = []
        for side in (0, 1):
            glue = "" if langs[side] == "ja" else " "
            places.append(tuple(range(len(texts[side]), len(texts[side]) + len(group[side]))))
            texts[side].extend(glue.join(pairs[number][side] for number in held) for held in group[side])
        beads.append((places[0], places[1]))
        for side in (0, 1):
            if strangers and chance.random() < cutting.insert:
                here = (len(texts[side]),)
                beads.append((here, ()) if side == 0 else ((), here))
                texts[side].append(strangers.pop()[side])
    return CutPair(texts[0], texts[1], beads)


def _joined(numbers: Sequence[int], join: float, chance: random.Random) -> list[tuple[int, ...]]:
    """`numbers` with some neighbours joined, two at a time."""
    found: list[tuple[int, ...]] = []
    for number in numbers:
        if found and len(found[-1]) == 1 and chance.random() < join:
            found[-1] = (*found[-1], number)
        else:
            found.append((number,))
    return found


def _groups(sides: Sequence[Sequence[tuple[int, ...]]]) -> list[tuple[list[tuple[int, ...]], list[tuple[int, ...]]]]:
    """The joined sentences of both sides in smallest groups that share content, in order."""
    found = []
    a, b = (list(side) for side in sides)
    while a or b:
        group: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
        queue, own = (a, group[0]) if a and (not b or a[0][0] <= b[0][0]) else (b, group[1])
        own.append(queue.pop(0))
        last = own[0][-1]
        grown = True
        while grown:
            grown = False
            for queue, own in ((a, group[0]), (b, group[1])):
                while queue and queue[0][0] <= last:
                    own.append(queue.pop(0))
                    last = max(last, own[-1][-1])
                    grown = True
        found.append(group)
    return found
