"""``python -m training.extents``: what one version is to another, judged on training stories and development pairs.

Full translations are runs of neighbouring development pairs of news and encyclopedic text, which no model has seen, partial ones the same with
lines left out on one side. Versions of a training story in two languages tell the same in their own words: adaptations. Its "second"
reports, and two stories of one topic, are independent texts. Of the thresholds of ``align.differences`` by which few adaptations are called
translations the best are searched on all; how good they are is said of each half of topics and documents by those searched on the other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.differences import closeness, differences
from align.embedding import Encoder, load_encoder
from align.sentences import align_sentences
from align.splitting import split_sentences
from training.development import REGISTERS, DevelopmentPair, read_development
from training.pairs import log
from training.prepare import DEVELOPMENT

EXTENTS = ("full_translation", "partial_translation", "adaptation", "independent")
PROSE = ("news", "encyclopedic")
"""The registers of development pairs whose lines follow one another as a text."""
LONGEST = 16
"""Most lines of a text."""
MOST_CALLED = 0.05
"""Largest share of adaptations that may be called a translation: that misleads an editor more than the reverse."""

Thresholds = tuple[float, float, float, float]
"""Of `judged`."""


@dataclass(frozen=True)
class Example:
    """Two texts: what one is to the other, whether it is held out, and what is measured of them."""

    extent: str
    held_out: bool
    near: float
    coverage: tuple[float, float]


def measured(
    a: list[str], b: list[str], langs: tuple[str, str], extent: str, held_out: bool, encoder: Encoder
) -> Example:
    """Two texts aligned."""
    alignment = align_sentences(a, b, langs, encoder)
    return Example(extent, held_out, closeness(alignment), differences(alignment).coverage)


def translations(pairs: Sequence[DevelopmentPair], encoder: Encoder, number: int, seed: int) -> Iterator[Example]:
    """`number` texts of each language pair, once whole and once cut on either side."""
    chance = random.Random(seed)
    blocks: dict[tuple[str, str], dict[tuple[str, int], list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for pair in pairs:
        if REGISTERS[pair.corpus] in PROSE:
            texts = pair.source, pair.target
            blocks[pair.source_lang, pair.target_lang][pair.corpus, pair.block].append(texts)
    for langs, by_block in sorted(blocks.items()):
        runs = [lines for _, lines in sorted(by_block.items()) if len(lines) >= LONGEST]
        for at in range(number):
            lines = chance.choice(runs)
            size = chance.randint(6, LONGEST)
            start = chance.randrange(len(lines) - size + 1)
            a, b = (list(side) for side in zip(*lines[start : start + size], strict=True))
            yield measured(a, b, langs, EXTENTS[0], at % 2 == 0, encoder)
            kept = sorted(chance.sample(range(size), max(2, int(size * chance.uniform(0.35, 0.75)))))
            short = [[a, [b[place] for place in kept]], [[a[place] for place in kept], b]][at // 2 % 2]
            yield measured(short[0], short[1], langs, EXTENTS[1], at % 2 == 0, encoder)


def stories(folder: Path, encoder: Encoder, seed: int) -> Iterator[Example]:
    """Versions of each training story, and of two stories of one topic; every second topic is held out."""
    chance = random.Random(seed)
    for at, path in enumerate(sorted(folder.glob("*.jsonl"))):
        texts: dict[str, dict[str, list[str]]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            story, _, version = item["id"].partition(".")
            spans = split_sentences(item["text"], version.split(".")[0])
            texts.setdefault(story, {})[version] = [item["title"], *(item["text"][start:end] for start, end in spans)]
        for story, versions in texts.items():
            for one, other in itertools.combinations(versions, 2):
                langs = (one.split(".")[0], other.split(".")[0])
                roles = {role for name in (one, other) for role in name.split(".")[1:]}
                if langs[0] != langs[1] and roles <= {"second"}:
                    extent = EXTENTS[3] if roles else EXTENTS[2]
                    yield measured(versions[one], versions[other], langs, extent, at % 2 == 0, encoder)
            other_story = chance.choice([name for name in texts if name != story])
            for one, other in itertools.product(versions, texts[other_story]):
                langs = (one.split(".")[0], other.split(".")[0])
                if langs[0] < langs[1] and one == langs[0] and other == langs[1]:
                    yield measured(versions[one], texts[other_story][other], langs, EXTENTS[3], at % 2 == 0, encoder)


def judged(example: Example, translated: float, covered: float, retold: float, adapted: float) -> str:
    """``align.differences.extent`` with other thresholds."""
    low, high = sorted(example.coverage)
    if example.near >= translated and high >= covered:
        return EXTENTS[0] if low >= covered else EXTENTS[1]
    return EXTENTS[2] if high >= retold and example.near >= adapted else EXTENTS[3]


def called(examples: list[Example], thresholds: Thresholds) -> float:
    """The share of adaptations that are judged to be translations."""
    others = [example for example in examples if example.extent == EXTENTS[2]]
    return sum(judged(example, *thresholds) in EXTENTS[:2] for example in others) / len(others)


def searched(examples: list[Example]) -> Thresholds:
    """The best thresholds by which at most `MOST_CALLED` of the adaptations are called translations."""
    grid = itertools.product(
        np.arange(0.7, 1.1, 0.02).round(2).tolist(),
        (0.85, 0.9, 0.95),
        np.arange(0.2, 0.7, 0.1).round(2).tolist(),
        np.arange(0.3, 0.8, 0.05).round(2).tolist(),
    )
    fair = (thresholds for thresholds in grid if called(examples, thresholds) <= MOST_CALLED)
    return max(fair, key=lambda thresholds: balanced(examples, thresholds))


def balanced(examples: list[Example], thresholds: Thresholds) -> float:
    """The mean over the four extents of the share judged right."""
    right, total = Counter[str](), Counter[str]()
    for example in examples:
        total[example.extent] += 1
        right[example.extent] += judged(example, *thresholds) == example.extent
    return sum(right[extent] / total[extent] for extent in total) / len(total)


def main() -> None:
    """Search the thresholds, print them and the table of what was held out."""
    parser = argparse.ArgumentParser(prog="python -m training.extents", description="Thresholds of align.differences.")
    parser.add_argument("--development", type=Path, default=Path("training/work") / DEVELOPMENT)
    parser.add_argument("--stories", type=Path, default=Path("training/stories"))
    parser.add_argument("--documents", type=int, default=48, help="translations of each language pair")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    encoder = load_encoder(None)
    examples = [
        *translations(read_development(options.development), encoder, options.documents, options.seed),
        *stories(options.stories, encoder, options.seed),
    ]
    names = ("TRANSLATED", "COVERED", "RETOLD", "ADAPTED")
    chosen = searched(examples)
    log(", ".join(f"{name} {value:.2f}" for name, value in zip(names, chosen, strict=True)))
    halves = [[example for example in examples if example.held_out == half] for half in (False, True)]
    table = Counter[tuple[str, str]]()
    for half, other in (halves, halves[::-1]):
        thresholds = searched(other)
        table.update((example.extent, judged(example, *thresholds)) for example in half)
    right = [table[extent, extent] / sum(table[extent, found] for found in EXTENTS) for extent in EXTENTS]
    log(
        f"balanced accuracy {balanced(examples, chosen):.3f} fitted, {sum(right) / len(right):.3f} held out, of {len(examples)}; "
        f"of adaptations called translations {called(examples, chosen):.3f} fitted"
    )
    log("".ljust(20) + "".join(extent.rjust(22) for extent in EXTENTS))
    for extent in EXTENTS:
        log(extent.ljust(20) + "".join(str(table[extent, found]).rjust(22) for found in EXTENTS))


if __name__ == "__main__":
    main()
