"""Sentence pairs kept out of training, on which choices are made and similarities are calibrated.

The public evaluation sets only measure; whatever is chosen or fitted looks at these pairs instead. They are blocks
of consecutive lines, so that windows of them are documents the model has not seen.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.embedding import Encoder
from align.measures import retrieval_accuracy
from training.pairs import Corpus, comparable

REGISTERS = {
    "wmt_newstest": "news",
    "opennmt_wmt_sample": "news",
    "ud_pud": "news",
    "stsb_mt": "headlines",
    "tatoeba_manythings": "everyday",
    "tatoeba_hels": "everyday",
    "kyoto_wiki": "encyclopedic",
    "mt_geneval_wiki": "encyclopedic",
    "mlqe_pe_wiki": "encyclopedic",
}
"""The corpora that development pairs are cut from, and what each stands for."""
BLOCK = 40
"""Consecutive pairs cut together."""
EVERY = {"kyoto_wiki": 100, "tatoeba_manythings": 60}
EVERY_OTHER = 20
"""Of so many blocks one is cut."""


@dataclass(frozen=True)
class DevelopmentPair:
    """One pair kept out: its corpus and languages, its block's number, and the two texts."""

    corpus: str
    source_lang: str
    target_lang: str
    block: int
    source: str
    target: str


Text = tuple[Corpus, str, str]


def is_development(corpus: Corpus, number: int) -> bool:
    """Whether pair `number` of `corpus`, counted from 0, is kept out of training."""
    every = EVERY.get(corpus.name, EVERY_OTHER)
    return corpus.name in REGISTERS and number // BLOCK % every == every // 2


def cut_development(texts: Sequence[Text]) -> tuple[list[Text], list[DevelopmentPair]]:
    """`texts` without the development pairs and without every pair that shares a side with one; and the pairs cut."""
    counts: dict[Path, int] = defaultdict(int)
    cut: list[DevelopmentPair] = []
    rest: list[Text] = []
    for corpus, source, target in texts:
        number = counts[corpus.path]
        counts[corpus.path] += 1
        if is_development(corpus, number):
            cut.append(
                DevelopmentPair(corpus.name, corpus.source_lang, corpus.target_lang, number // BLOCK, source, target)
            )
        else:
            rest.append((corpus, source, target))
    sides = {comparable(text) for pair in cut for text in (pair.source, pair.target)}
    return [text for text in rest if comparable(text[1]) not in sides and comparable(text[2]) not in sides], cut


def write_development(path: Path, pairs: Sequence[DevelopmentPair]) -> None:
    """Tab-separated, a pair a line: corpus, languages, block, texts."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        for pair in pairs:
            writer.writerow(
                [pair.corpus, pair.source_lang, pair.target_lang, pair.block, pair.source, pair.target]
            )  # no side holds a tab: it would have been a third column


def read_development(path: Path) -> list[DevelopmentPair]:
    """The pairs of a file that `write_development` wrote."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; `python -m training` cuts the development pairs")
    with path.open(encoding="utf-8", newline="") as handle:
        return [
            DevelopmentPair(corpus, source_lang, target_lang, int(block), source, target)
            for corpus, source_lang, target_lang, block, source, target in csv.reader(
                handle, delimiter="\t", quoting=csv.QUOTE_NONE
            )
        ]


def development_accuracy(encoder: Encoder, pairs: Sequence[DevelopmentPair]) -> dict[str, float]:
    """Retrieval accuracy in percent, mean of both directions, by "register languages", among that group's own pairs.

    A pair that shares a text with an earlier one of its group is left out: of two translations of one sentence neither is the wrong one.
    """
    groups: dict[str, list[DevelopmentPair]] = defaultdict(list)
    for pair in pairs:
        groups[f"{REGISTERS[pair.corpus]} {pair.source_lang}-{pair.target_lang}"].append(pair)
    found = {}
    for name, members in sorted(groups.items()):
        distinct = _without_shared_texts(members)
        source, target = encoder.encode([p.source for p in distinct]), encoder.encode([p.target for p in distinct])
        found[name] = round((retrieval_accuracy(source, target) + retrieval_accuracy(target, source)) / 2, 2)
    found["mean"] = round(float(np.mean(list(found.values()))), 2)
    return found


def _without_shared_texts(pairs: Sequence[DevelopmentPair]) -> list[DevelopmentPair]:
    """Those of `pairs` of which no text stands in an earlier one that is kept."""
    kept: list[DevelopmentPair] = []
    sources: set[str] = set()
    targets: set[str] = set()
    for pair in pairs:
        source, target = comparable(pair.source), comparable(pair.target)
        if source not in sources and target not in targets:
            kept.append(pair)
            sources.add(source)
            targets.add(target)
    return kept
