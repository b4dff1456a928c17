"""Fit the verifier: ``python -m training.verifier``.

Labelled pairs come from two places, neither of which anything is measured on: the stories in
``training/stories`` (natively written versions, several stories about the same cast), and windows of
consecutive sentences of the parallel news and encyclopedic corpora, where a window and its translation
are one story and the windows nearest to it in meaning are others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.embedding import StaticEncoder, load_encoder
from align.language import identify_language
from align.reading import read
from align.records import Document, Item, ItemVectors, Rejection
from align.relations import CANDIDATE_FLOOR, FEATURES, JOINS, Described, describe, features
from align.segmenting import segment, segment_texts
from align.vectors import vectorise
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

Pair = tuple[Described, Described, bool, float]
"""Two items, whether they tell one story, and the pair's weight in the fit."""


def _item(item_id: str, lang: str, title: str, text: str, published: str | None = None) -> Item:
    return Item(item_id, item_id, lang, 1.0, title, text, None, None, published, 0, len(text))


def _described(items: list[Item], encoder: StaticEncoder) -> list[Described]:
    vectors: list[ItemVectors] = vectorise(items, encoder)
    return describe(items, vectors, encoder)


def story_pairs(folder: Path, encoder: StaticEncoder) -> list[Pair]:
    """Every pair of items in the story files that the index would propose; the story is the id up to its first dot."""
    items = []
    for document in read([folder]):
        if isinstance(document, Rejection):
            raise SystemExit(f"{document.path}:{document.line}: {document.reason}")
        items.append(_from_document(document))
    described = _described(items, encoder)
    pairs = []
    for left, right in itertools.combinations(described, 2):
        if float((left.vectors.views @ right.vectors.views.T).max()) >= CANDIDATE_FLOOR:
            pairs.append((left, right, _story(left.item) == _story(right.item), 1.0))
    return pairs


def _from_document(document: Document) -> Item:
    ((title, text),) = segment_texts(document, segment(document))
    lang, _ = identify_language(f"{title}\n{text}")
    return _item(document.external_id or document.name, lang, title, text, document.published)


def _story(item: Item) -> str:
    return item.id.split(".")[0]


def window_pairs(data: Path, encoder: StaticEncoder, seed: int) -> list[Pair]:
    """Windows of consecutive sentences: a window's translation is one story; the nearest other windows are not."""
    chance = random.Random(seed)
    pairs: list[Pair] = []
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
            pairs.append((left[number], right[number], True, 1.0))
            nearest = [other for other in np.argsort(-across[number])[:4].tolist() if other != number][:3]
            pairs += [(left[number], right[other], False, 1.0) for other in nearest]
            pairs += [(left[number], left[int(other)], False, 1.0) for other in np.argsort(-within[number])[:2]]
    return pairs


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


def table(pairs: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Evidence (n, features), label (n,), across languages (n,), weight (n,)."""
    rows = [features(left, right) for left, right, _, _ in pairs]
    return (
        np.array([[row[name] for name in FEATURES] for row in rows]),
        np.array([same for _, _, same, _ in pairs]),
        np.array([left.item.lang != right.item.lang for left, right, _, _ in pairs]),
        np.array([weight for _, _, _, weight in pairs]),
    )


def fit(
    evidence: NDArray[np.float64], same: NDArray[np.bool_], weight: NDArray[np.float64], strength: float
) -> dict[str, float]:
    """Weights of a logistic model in the features' own units, classes balanced, L2-regularised on standardised features."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = evidence.mean(axis=0), evidence.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=strength, max_iter=5000)
    model.fit((evidence - mean) / spread, same, sample_weight=weight)
    scaled = model.coef_[0] / spread
    weights = {name: round(float(value), 5) for name, value in zip(FEATURES, scaled, strict=True)}
    return {"bias": round(float(model.intercept_[0] - (scaled * mean).sum()), 5), **weights}


def folds_by_topic(pairs: list[Pair]) -> NDArray[np.int64]:
    """For each story pair its topic's number; a pair across topics goes with its first item's."""
    topics = {
        topic: number for number, topic in enumerate(sorted({left.item.id.rsplit("-", 1)[0] for left, *_ in pairs}))
    }
    return np.array([topics[left.item.id.rsplit("-", 1)[0]] for left, *_ in pairs])


def main() -> None:
    """Fit, cross-validate over topics, and write ``align/verifier.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m training.verifier", description="Fit the verifier that decides relations."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/parallel"))
    parser.add_argument("--stories", type=Path, default=Path("training/stories"))
    parser.add_argument("--model", default=None, help="model whose evidence is fitted")
    parser.add_argument("--strength", type=float, default=0.3, help="inverse of the L2 penalty")
    parser.add_argument("--window-weight", type=float, default=0.1, help="weight of a window pair beside a story pair")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=Path("align/verifier.json"))
    options: Any = parser.parse_args()
    encoder = load_encoder(options.model)
    if not isinstance(encoder, StaticEncoder):
        raise SystemExit(f"{options.model}: the verifier's token evidence needs a static model")
    stories = story_pairs(options.stories, encoder)
    windows = window_pairs(options.data, encoder, options.seed)
    log(
        f"{len(stories)} story pairs, {sum(same for _, _, same, _ in stories)} of one story; {len(windows)} window pairs"
    )
    story_table, window_table = table(stories), table(windows)
    topic = folds_by_topic(stories)
    figures: dict[str, dict[str, float]] = defaultdict(dict)
    weights = {}
    for name, across in (("across", True), ("within", False)):
        evidence, same, is_across, weight = (
            np.concatenate([a, b]) for a, b in zip(story_table, window_table, strict=True)
        )
        n_stories = len(stories)
        weight[n_stories:] *= options.window_weight
        fold = np.concatenate([topic, np.full(len(windows), -1)])
        chosen = is_across == across
        held = np.zeros(len(fold))
        for number in sorted(set(topic)):
            learn, judge = chosen & (fold != number), chosen & (fold == number)
            found = fit(evidence[learn], same[learn], weight[learn], options.strength)
            held[judge] = found["bias"] + evidence[judge] @ np.array([found[feature] for feature in FEATURES])
        judged = chosen & (fold >= 0)
        predicted = held[judged] >= np.log(JOINS / (1 - JOINS))
        hits = int((predicted & same[judged]).sum())
        figures[name] = {
            "pairs": int(judged.sum()),
            "precision": round(hits / max(int(predicted.sum()), 1), 4),
            "recall": round(hits / max(int(same[judged].sum()), 1), 4),
        }
        log(f"{name}, held-out topics: {figures[name]}")
        weights[name] = fit(evidence[chosen], same[chosen], weight[chosen], options.strength)
    options.out.write_text(
        json.dumps({"model": encoder.fingerprint, "held_out": figures, "weights": weights}, indent=1) + "\n",
        encoding="utf-8",
    )
    log(f"wrote {options.out}")


if __name__ == "__main__":
    main()
