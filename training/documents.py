"""Choose how title, lead and body are weighed in a story view: ``python -m training.documents``.

Measures document matching on windows of development pairs: a document against the whole text of its translation,
a teaser of about forty words against a long text, both among windows of the same corpus (the same topic told on),
and a document against the nearest other windows of its own block. Prints a table; nothing is written.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from align.embedding import Encoder, load_encoder
from align.measures import retrieval_accuracy
from align.records import Item, ItemVectors, Vectors
from align.vectors import ViewWeights, full_text, story_views, vectorise
from training.calibration import windows
from training.development import read_development
from training.prepare import DEVELOPMENT

RUNNING = {"wmt_newstest", "kyoto_wiki", "opennmt_wmt_sample"}
"""The corpora whose consecutive lines are running text."""
TEASER = 220
"""Characters of a teaser, at least one sentence; half as many in Japanese."""


def teaser(item: Item, vectors: ItemVectors) -> tuple[Item, ItemVectors]:
    """The first sentences of an item, as far as a teaser goes."""
    most = TEASER // 2 if item.lang == "ja" else TEASER
    kept = [number for number, (_, end) in enumerate(vectors.sentence_spans) if end <= most] or [0]
    end = vectors.sentence_spans[kept[-1]][1]
    short = replace(item, text=full_text(item)[:end], end=end)
    return short, replace(
        vectors, sentences=vectors.sentences[: len(kept)], sentence_spans=vectors.sentence_spans[: len(kept)]
    )


def with_title(item: Item) -> Item:
    """An item whose first sentence is its title, where it is short enough for one."""
    head, _, rest = item.text.partition("。" if item.lang == "ja" else ". ")
    return replace(item, title=head, text=rest) if rest.strip() and len(head) < 120 else item


def views(documents: Sequence[tuple[Item, ItemVectors]], weights: ViewWeights) -> Vectors:
    """The story views (n, d) under `weights`."""
    found = []
    for item, own in documents:
        lengths = [end - start for start, end in own.sentence_spans]
        found.append(story_views(own.sentences, lengths, bool(item.title.strip()), weights)[0])
    return np.stack(found)


def measure(encoder: Encoder, development: Path) -> dict[ViewWeights, dict[str, float]]:
    """Accuracy in percent of each weighting: whole against whole, teaser against whole, both ways and their mean."""
    running = [pair for pair in read_development(development) if pair.corpus in RUNNING]
    prepared = []
    for size in (5, 10, 20):
        for corpus in sorted(RUNNING):
            found = [(with_title(a), with_title(b)) for name, a, b in windows(running, size) if name == corpus]
            for languages in sorted({(a.lang, b.lang) for a, b in found}):
                pairs = [(a, b) for a, b in found if (a.lang, b.lang) == languages]
                if len(pairs) < 20:
                    continue
                left, right = zip(*pairs, strict=True)
                sides = [[*zip(items, vectorise(items, encoder), strict=True)] for items in (left, right)]
                prepared.append((sides, [[teaser(*document) for document in side] for side in sides]))
    table = {}
    for title, lead, body, power in itertools.product((0.5, 1.0, 1.5), (0.0, 0.5, 1.0), (1.0, 2.0), (0.0, 0.5, 1.0)):
        weights = ViewWeights(title, lead, body, power)
        whole, short = [], []
        for sides, teasers in prepared:
            full = [views(side, weights) for side in sides]
            brief = [views(side, weights) for side in teasers]
            for a, b in ((0, 1), (1, 0)):
                whole.append(retrieval_accuracy(full[a], full[b]))
                short.append(retrieval_accuracy(brief[a], full[b]))
        table[weights] = {
            "whole": float(np.mean(whole)),
            "teaser": float(np.mean(short)),
            "mean": float(np.mean([*whole, *short])),
        }
    return table


def main() -> None:
    """Print the weightings, best first."""
    parser = argparse.ArgumentParser(prog="python -m training.documents", description="Compare story views.")
    parser.add_argument("--development", type=Path, default=Path("training/work") / DEVELOPMENT)
    parser.add_argument("--model", default=None)
    options: Any = parser.parse_args()
    table = measure(load_encoder(options.model), options.development)
    print("title  lead  body  power  whole  teaser  mean")
    for weights, found in sorted(table.items(), key=lambda row: -row[1]["mean"]):
        numbers = (weights.title, weights.lead, weights.body, weights.length_power)
        print("  ".join(f"{value:5.2f}" for value in (*numbers, *found.values())))


if __name__ == "__main__":
    main()
