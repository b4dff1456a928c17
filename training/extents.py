"""``python -m training.extents``: what one version is to another, judged on training stories and parallel news.

Full translations are runs of neighbouring lines of the parallel corpora, partial ones the same with lines left out on
one side. Versions of a training story in two languages tell the same in their own words: adaptations. Its "second"
reports, and two stories of one topic, are independent texts. The thresholds of ``align.differences`` are searched on
one half of topics and documents; the table is of the other half.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.differences import closeness, differences
from align.embedding import Encoder, load_encoder
from align.sentences import align_sentences
from align.splitting import split_sentences
from training.aligner import read_lines
from training.pairs import log

EXTENTS = ("full_translation", "partial_translation", "adaptation", "independent")
PARALLEL = {
    "en-de": "wmt_newstest.en-de", "en-it": "wmt_newstest.en-it", "en-ja": "wmt_newstest.en-ja",
    "de-it": "wmt_newstest.de-it", "de-ja": "ms_d365_docs.de-ja", "it-ja": "ms_d365_docs.it-ja",
}  # fmt: skip


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


def translations(data: Path, encoder: Encoder, number: int, seed: int) -> Iterator[Example]:
    """`number` documents of each language pair, once whole and once cut on either side."""
    chance = random.Random(seed)
    for pair, name in PARALLEL.items():
        lang_a, lang_b = pair.split("-")
        lines = read_lines(data / f"{name}.tsv.xz", 0, 2000)
        for at in range(number):
            size = chance.randint(6, 16)
            start = chance.randrange(len(lines) - size)
            a, b = (list(side) for side in zip(*lines[start : start + size], strict=True))
            yield measured(a, b, (lang_a, lang_b), EXTENTS[0], at % 2 == 0, encoder)
            kept = sorted(chance.sample(range(size), max(2, int(size * chance.uniform(0.35, 0.75)))))
            short = [[a, [b[place] for place in kept]], [[a[place] for place in kept], b]][at // 2 % 2]
            yield measured(short[0], short[1], (lang_a, lang_b), EXTENTS[1], at % 2 == 0, encoder)


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


def balanced(examples: list[Example], thresholds: tuple[float, float, float, float]) -> float:
    """The mean over the four extents of the share judged right."""
    right, total = Counter[str](), Counter[str]()
    for example in examples:
        total[example.extent] += 1
        right[example.extent] += judged(example, *thresholds) == example.extent
    return sum(right[extent] / total[extent] for extent in total) / len(total)


def main() -> None:
    """Search the thresholds, print them and the table of what was held out."""
    parser = argparse.ArgumentParser(prog="python -m training.extents", description="Thresholds of align.differences.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/parallel"))
    parser.add_argument("--stories", type=Path, default=Path("training/stories"))
    parser.add_argument("--documents", type=int, default=24, help="translations of each language pair")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    encoder = load_encoder(None)
    examples = [
        *translations(options.data, encoder, options.documents, options.seed),
        *stories(options.stories, encoder, options.seed),
    ]
    fitted = [example for example in examples if not example.held_out]
    held_out = [example for example in examples if example.held_out]
    grid = itertools.product(
        np.arange(0.7, 1.1, 0.02), (0.85, 0.9, 0.95), np.arange(0.2, 0.7, 0.1), np.arange(0.3, 0.8, 0.05)
    )
    best = max(grid, key=lambda thresholds: balanced(fitted, thresholds))
    names = ("TRANSLATED", "COVERED", "RETOLD", "ADAPTED")
    log(f"of {len(fitted)}: " + ", ".join(f"{name} {value:.2f}" for name, value in zip(names, best, strict=True)))
    log(
        f"balanced accuracy {balanced(fitted, best):.3f} fitted, {balanced(held_out, best):.3f} held out ({len(held_out)})"
    )
    table = Counter((example.extent, judged(example, *best)) for example in held_out)
    log("".ljust(20) + "".join(extent.rjust(22) for extent in EXTENTS))
    for extent in EXTENTS:
        log(extent.ljust(20) + "".join(str(table[extent, found]).rjust(22) for found in EXTENTS))


if __name__ == "__main__":
    main()
