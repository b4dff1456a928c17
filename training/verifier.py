"""Fit the verifier: ``python -m training.verifier``.

Labelled pairs come from two places, neither of which anything is measured on: the stories in
``training/stories`` (natively written versions, several stories about the same cast), and windows of
consecutive sentences of the parallel news and encyclopedic corpora, where a window and its translation
are one story and the windows nearest to it in meaning are others. The windows have no cast of rivals:
they inform the first opinion alone. What is said of held-out topics comes from models that saw neither
the topic's first opinions nor its margins.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.clustering import cluster_items
from align.describing import Described, describe
from align.embedding import StaticEncoder, load_encoder
from align.language import identify_language
from align.measures import b_cubed
from align.neighbourhoods import FLOOR
from align.reading import read
from align.records import Document, Item, ItemVectors, Rejection
from align.relations import JOINS, Comparison, compare, margins, opinions_of, settle
from align.segmenting import segment, segment_texts
from align.vectors import vectorise
from align.verifier import FEATURES, GROUPS, MARGINS, Verifier, group_of
from training.pairs import log

WINDOW_CORPORA = (
    "wmt_newstest.en-de",
    "wmt_newstest.en-it",
    "wmt_newstest.de-it",
    "wmt_newstest.en-ja",
    "kyoto_wiki.en-ja",
    "opennmt_wmt_sample.en-de",
)
WINDOWS_EACH = 250
THINNED = 12

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Compared pairs: their comparisons, whether each tells one story, and each one's topic ("" for a window)."""

    comparisons: list[Comparison]
    same: Bools
    topics: list[str]

    @property
    def table(self) -> Floats:
        return np.array([pair.features for pair in self.comparisons])

    @property
    def langs(self) -> list[tuple[str, str]]:
        return [pair.langs for pair in self.comparisons]


def topic_of(item_id: str) -> str:
    """The topic of a story's item: its id up to the story's number."""
    return story_of(item_id).rsplit("-", 1)[0]


def story_of(item_id: str) -> str:
    """The story of an item: its id up to the first dot."""
    return item_id.split(".")[0]


def _item(item_id: str, lang: str, title: str, text: str, published: str | None = None) -> Item:
    return Item(item_id, item_id, lang, 1.0, title, text, None, None, published, 0, len(text))


def _described(items: list[Item], encoder: StaticEncoder) -> list[Described]:
    vectors: list[ItemVectors] = vectorise(items, encoder)
    return describe(items, vectors, encoder)


def described_stories(folders: list[Path], encoder: StaticEncoder) -> list[Described]:
    """The items of the story files. Ends the program where one cannot be read."""
    items = []
    for document in read(folders):
        if isinstance(document, Rejection):
            raise SystemExit(f"{document.path}:{document.line}: {document.reason}")
        items.append(_from_document(document))
    return sorted(_described(items, encoder), key=lambda entry: entry.id)


def story_pairs(described: list[Described], encoder: StaticEncoder) -> Labelled:
    """Every pair of items that could be proposed."""
    views = np.stack([entry.vectors.views[0] for entry in described])
    close = views @ views.T >= FLOOR
    comparisons = [
        pair
        for number, entry in enumerate(described)
        for pair in compare(
            entry,
            [described[number + 1 + other] for other in np.flatnonzero(close[number, number + 1 :])],
            encoder,
            BLANK,
        )
    ]
    return Labelled(
        comparisons,
        np.array([story_of(pair.a) == story_of(pair.b) for pair in comparisons]),
        [topic_of(pair.a) for pair in comparisons],
    )


def _from_document(document: Document) -> Item:
    ((title, text),) = segment_texts(document, segment(document))
    lang, _ = identify_language(f"{title}\n{text}")
    return _item(document.external_id or document.name, lang, title, text, document.published)


def window_pairs(data: Path, encoder: StaticEncoder, seed: int) -> Labelled:
    """Windows of consecutive sentences: a window's translation is one story; the nearest other windows are not."""
    chance = random.Random(seed)
    comparisons: list[Comparison] = []
    same: list[bool] = []
    for corpus in WINDOW_CORPORA:
        source_lang, target_lang = corpus.split(".")[1].split("-")
        with lzma.open(data / f"{corpus}.tsv.xz", "rt", encoding="utf-8") as handle:
            rows = [tuple(line.rstrip("\n").split("\t")) for line in itertools.islice(handle, 60_000)]
        rows = [row for row in rows if len(row) == 2 and len(row[0]) > 20]
        starts = sorted(chance.sample(range(0, len(rows) - 20, 20), min(WINDOWS_EACH, len(rows) // 20 - 1)))
        lefts, rights = [], []
        for number, start in enumerate(starts):
            window = rows[start : start + chance.randint(3, 15)]
            lefts.append(_cut(f"{corpus}.{number}.a", source_lang, [row[0] for row in window], chance))
            rights.append(_cut(f"{corpus}.{number}.b", target_lang, [row[1] for row in window], chance))
        left, right = _described(lefts, encoder), _described(rights, encoder)
        across = _similarity(left, right)
        within = _similarity(left, left)
        np.fill_diagonal(within, -1.0)
        for number in range(len(left)):
            nearest = [other for other in np.argsort(-across[number])[:4].tolist() if other != number][:3]
            others = [
                right[number],
                *(right[other] for other in nearest),
                *(left[int(other)] for other in np.argsort(-within[number])[:2]),
            ]
            comparisons += compare(left[number], others, encoder, BLANK)
            same += [True] + [False] * (len(others) - 1)
    return Labelled(comparisons, np.array(same), [""] * len(same))


def _similarity(left: list[Described], right: list[Described]) -> NDArray[np.float32]:
    stories = [np.stack([entry.vectors.views[0] for entry in side]) for side in (left, right)]
    return np.asarray(stories[0] @ stories[1].T, dtype=np.float32)


def _cut(item_id: str, lang: str, sentences: list[str], chance: random.Random) -> Item:
    """A version of a text: half the time whole, else with some sentences dropped; one in five a teaser."""
    share = chance.choice((0.0, 0.0, 0.15, 0.3))
    kept = [sentence for sentence in sentences if chance.random() >= share] or sentences[:1]
    if chance.random() < 0.2:
        kept = kept[:2]
    title = kept.pop(0) if len(kept) > 2 and len(kept[0]) < 120 and chance.random() < 0.7 else ""
    return _item(item_id, lang, title, ("" if lang == "ja" else " ").join(kept))


BLANK = Verifier({group: np.zeros(1 + len(FEATURES)) for group in GROUPS}, np.zeros(1 + len(MARGINS)))
"""A verifier without an opinion: what compares the pairs that one is fitted on."""


def fit(table: Floats, same: Bools, weight: Floats, strength: float) -> Floats:
    """Bias and weights (1 + features,) of a logistic model in the features' own units, L2-regularised on standardised features."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = table.mean(axis=0), table.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=strength, max_iter=5000)
    model.fit((table - mean) / spread, same, sample_weight=weight)
    scaled = model.coef_[0] / spread
    return np.concatenate([[model.intercept_[0] - (scaled * mean).sum()], scaled]).round(5)


def fit_first(stories: Labelled, windows: Labelled, keep: Bools, window_weight: float, strength: float) -> Verifier:
    """The first opinion's weights from the story pairs that `keep` marks, and all windows."""
    table = np.concatenate([stories.table[keep], windows.table])
    same = np.concatenate([stories.same[keep], windows.same])
    weight = np.concatenate([np.ones(int(keep.sum())), np.full(len(windows.same), window_weight)])
    langs = [pair for pair, kept in zip(stories.langs, keep, strict=True) if kept] + windows.langs
    groups = np.array([group_of(pair) for pair in langs])
    first = {
        group: fit(table[groups == group], same[groups == group], weight[groups == group], strength) for group in GROUPS
    }
    return Verifier(first, np.zeros(1 + len(MARGINS)))


def with_opinion(labelled: Labelled, verifier: Verifier) -> list[Comparison]:
    """The comparisons with the verifier's first opinion of them."""
    logits = verifier.first(labelled.table, labelled.langs)
    return [
        replace(pair, logit=round(float(logit), 4)) for pair, logit in zip(labelled.comparisons, logits, strict=True)
    ]


def thinned_margins(
    comparisons: list[Comparison], stories: Labelled, seed: int
) -> tuple[Floats, Bools, NDArray[np.str_]]:
    """Margins, labels and topics of the pairs among all items, and among thinned-out ones.

    In the story files nearly every item has a version in another language; in an archive most have none, and
    each of those is still somebody's best match. So margins are also learned where stories were thinned out
    at random, `THINNED` times: a share of three in ten to all of them to a single item, the rest by four in ten.
    """
    chance = random.Random(seed)
    stories_of: dict[str, list[str]] = defaultdict(list)
    for item_id in sorted({item_id for pair in comparisons for item_id in (pair.a, pair.b)}):
        stories_of[story_of(item_id)].append(item_id)
    opinions = opinions_of(comparisons, {}, {})
    tables, kept_rows = [margins(opinions, opinions)], [np.arange(len(comparisons))]
    for _ in range(THINNED):
        lone = chance.uniform(0.3, 1.0)
        present: set[str] = set()
        for items in stories_of.values():
            if chance.random() < lone:
                present.add(chance.choice(items))
            else:
                present.update(item_id for item_id in items if chance.random() < 0.6)
        rows = np.array([row for row, pair in enumerate(comparisons) if pair.a in present and pair.b in present])
        tables.append(margins(opinions[rows], opinions[rows]))
        kept_rows.append(rows)
    every = np.concatenate(kept_rows)
    return np.concatenate(tables), stories.same[every], np.array(stories.topics)[every]


def judge(described: list[Described], comparisons: list[Comparison], verifier: Verifier) -> dict[str, float]:
    """B-cubed of the clusters that the settled relations of `comparisons` give, in percent."""
    ids = [entry.id for entry in described]
    groups = cluster_items(ids, settle(comparisons, verifier))
    predicted = {item_id: number for number, group in enumerate(groups) for item_id in group}
    precision, recall, f1 = b_cubed(predicted, {item_id: story_of(item_id) for item_id in ids})
    return {"precision": round(100 * precision, 2), "recall": round(100 * recall, 2), "f1": round(100 * f1, 2)}


def main() -> None:
    """Fit, judge on held-out topics, and write ``align/verifier.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m training.verifier", description="Fit the verifier that decides relations."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/parallel"))
    parser.add_argument("--stories", type=Path, nargs="+", default=[Path("training/stories")])
    parser.add_argument("--judge", type=Path, nargs="*", default=[], help="folders of stories to report B-cubed on")
    parser.add_argument("--model", default=None, help="model whose evidence is fitted")
    parser.add_argument("--strength", type=float, default=0.3, help="inverse of the L2 penalty")
    parser.add_argument("--window-weight", type=float, default=0.1, help="weight of a window pair beside a story pair")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=Path("align/verifier.json"))
    options: Any = parser.parse_args()
    encoder = load_encoder(options.model)
    if not isinstance(encoder, StaticEncoder):
        raise SystemExit(f"{options.model}: the verifier's word evidence needs a static model")
    described = described_stories(options.stories, encoder)
    stories = story_pairs(described, encoder)
    windows = window_pairs(options.data, encoder, options.seed)
    log(f"{len(stories.same)} story pairs, {stories.same.sum()} of one story; {len(windows.same)} window pairs")
    topics = np.array(stories.topics)
    unseen: list[Comparison] = list(stories.comparisons)
    for topic in sorted(set(topics)):
        chosen = topics == topic
        first = fit_first(stories, windows, ~chosen, options.window_weight, options.strength)
        opinions = with_opinion(stories, first)
        for number in np.flatnonzero(chosen):
            unseen[number] = opinions[number]
    table, same, of_topic = thinned_margins(unseen, stories, options.seed)
    settled = np.zeros(len(same))
    figures: dict[str, Any] = {}
    for topic in sorted(set(topics)):
        chosen = of_topic == topic
        weights = fit(table[~chosen], same[~chosen], np.ones(int((~chosen).sum())), options.strength)
        settled[chosen] = weights[0] + table[chosen] @ weights[1:]
        here = [entry for entry in described if topic_of(entry.id) == topic]
        ids = {entry.id for entry in here}
        inside = [pair for pair in unseen if pair.a in ids and pair.b in ids]
        figures[topic] = judge(here, inside, Verifier(BLANK.first_weights, weights))
        log(f"held-out topic {topic}: {len(here)} items, B-cubed {figures[topic]}")
    predicted = settled >= np.log(JOINS / (1 - JOINS))
    hits = int((predicted & same).sum())
    figures = {
        "pairs": {"precision": round(hits / int(predicted.sum()), 4), "recall": round(hits / int(same.sum()), 4)},
        "b_cubed_mean": {name: round(float(np.mean([row[name] for row in figures.values()])), 2) for name in ("precision", "recall", "f1")},
        "b_cubed": figures,
    }  # fmt: skip
    log(f"held-out topics: pairs {figures['pairs']}, B-cubed {figures['b_cubed_mean']}")
    first = fit_first(stories, windows, np.ones(len(topics), dtype=bool), options.window_weight, options.strength)
    final = fit(table, same, np.ones(len(same)), options.strength)
    kept = {
        "model": encoder.fingerprint,
        "held_out": figures,
        "first": {group: _named(weights, FEATURES) for group, weights in first.first_weights.items()},
        "settled": _named(final, MARGINS),
    }
    options.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    log(f"wrote {options.out}")
    fitted = Verifier(first.first_weights, final)
    for folder in options.judge:
        others = described_stories([folder], encoder)
        log(f"{folder}: {len(others)} items, B-cubed {judge(others, with_opinion(story_pairs(others, encoder), fitted), fitted)}")  # fmt: skip


def _named(weights: Floats, names: Sequence[str]) -> dict[str, float]:
    return {"bias": float(weights[0]), **{name: float(value) for name, value in zip(names, weights[1:], strict=True)}}


if __name__ == "__main__":
    main()
