"""Fit the verifier: ``python -m training.verifier``.

Labelled pairs come from two places, neither of which anything is measured on: the stories in
``training/stories`` (natively written versions, several stories about the same cast), and windows of
consecutive sentences of the parallel news and encyclopedic corpora, where a window and its translation
are one story and the windows nearest to it in meaning are others. The windows have no cast of rivals:
they inform the first opinion alone. What is said of held-out topics comes from models that saw neither
the topic's first opinions nor its margins.

The stories are dated as an archive dates them, versions within hours and other stories days away. So that time
does not become the whole of the evidence, each pair counts in three ways: as dated, without dates, and with
all stories of a topic crowded into two days.
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
from align.describing import Described, describe, in_columns
from align.embedding import StaticEncoder, load_encoder
from align.evidence import times_apart
from align.language import identify_language, lang_code
from align.measures import b_cubed
from align.neighbourhoods import FLOOR
from align.reading import read
from align.records import Document, Item, ItemVectors, Rejection
from align.relations import Comparison, compare, margins, opinions_of, settle
from align.segmenting import segment, segment_texts
from align.stacks import PlacedPairs, Places, Stack
from align.vectors import vectorise
from align.verifier import FEATURES, GROUPS, MARGINS, Verifier, groups_of
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
THINNED = 4
DATED = ("as written", "undated", "crowded")
"""How the stories are dated when pairs are fitted and judged."""
CROWD_DAYS = 2.0

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
    def groups(self) -> NDArray[np.int64]:
        return groups_of(*np.array([tuple(map(lang_code, pair.langs)) for pair in self.comparisons]).T)


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
    stack = Stack(encoder, encoder.dimension)
    stack.add(in_columns(described))
    views = stack.views.rows[: len(stack), 0]
    close = np.triu(views @ views.T >= FLOOR, 1)
    comparisons = [
        pair for place in range(len(stack)) for pair in _compared(stack, place, np.flatnonzero(close[place]))
    ]
    return Labelled(
        comparisons,
        np.array([story_of(pair.a) == story_of(pair.b) for pair in comparisons]),
        [topic_of(pair.a) for pair in comparisons],
    )


def dated(stories: Labelled, described: list[Described], way: str, seed: int) -> Labelled:
    """The pairs as they would be were the items dated in another `way`, one of ``DATED``."""
    chance = random.Random(seed)
    day = {entry.id: entry.day for entry in described}
    if way == "undated":
        day = dict.fromkeys(day)
    elif way == "crowded":
        first: dict[str, float] = {}
        for item_id, moment in day.items():
            first[story_of(item_id)] = min(first.get(story_of(item_id), np.inf), np.inf if moment is None else moment)
        moved = {story: chance.uniform(0.0, CROWD_DAYS) for story in sorted(first)}
        day = {
            item_id: None if moment is None else moment - first[story_of(item_id)] + moved[story_of(item_id)]
            for item_id, moment in day.items()
        }
    place = len(FEATURES) - 2  # time_apart and undated stand last

    sides = ([day[getattr(pair, side)] for pair in stories.comparisons] for side in ("a", "b"))
    times = np.stack(times_apart(*(np.array(side, dtype=np.float64) for side in sides)), axis=1).round(4)
    redated = (
        replace(pair, features=(*pair.features[:place], *own))
        for pair, own in zip(stories.comparisons, times.tolist(), strict=True)
    )
    return replace(stories, comparisons=list(redated))


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
        stack = Stack(encoder, encoder.dimension)
        stack.add(in_columns([*left, *right]))
        stories = stack.views.rows[: len(stack), 0]
        similarity = stories[: len(left)] @ stories.T
        within, across = similarity[:, : len(left)], similarity[:, len(left) :]
        np.fill_diagonal(within, -1.0)
        for number in range(len(left)):
            nearest = [other for other in np.argsort(-across[number])[:4].tolist() if other != number][:3]
            others = np.array([*(len(left) + place for place in (number, *nearest)), *np.argsort(-within[number])[:2]])
            comparisons += _compared(stack, number, others)
            same += [True] + [False] * (len(others) - 1)
    return Labelled(comparisons, np.array(same), [""] * len(same))


def _compared(stack: Stack, place: int, others: Places) -> list[Comparison]:
    """All comparisons of the text at a place with `others` (n,)."""
    return compare(PlacedPairs(stack, np.full_like(others, place), stack, others), BLANK)


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


def fit_first(
    stories: Sequence[Labelled], windows: Labelled, keep: Bools, window_weight: float, strength: float
) -> Verifier:
    """The first opinion's weights from the story pairs that `keep` marks, in every way of dating them, and all windows."""
    table = np.concatenate([*(way.table[keep] for way in stories), windows.table])
    same = np.concatenate([*(way.same[keep] for way in stories), windows.same])
    weight = np.concatenate(
        [np.full(len(stories) * int(keep.sum()), 1.0 / len(stories)), np.full(len(windows.same), window_weight)]
    )
    groups = np.concatenate([np.tile(stories[0].groups[keep], len(stories)), windows.groups])
    first = {
        group: fit(table[groups == place], same[groups == place], weight[groups == place], strength)
        for place, group in enumerate(GROUPS)
    }
    return Verifier(first, np.zeros(1 + len(MARGINS)))


def with_opinion(labelled: Labelled, verifier: Verifier) -> list[Comparison]:
    """The comparisons with the verifier's first opinion of them."""
    logits = verifier.first(labelled.table, labelled.groups)
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
    parser.add_argument(
        "--stories", type=Path, nargs="+", default=[Path("training/stories"), Path("training/development_stories")]
    )
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
    ways = [dated(stories, described, way, options.seed) for way in DATED]
    windows = window_pairs(options.data, encoder, options.seed)
    log(f"{len(stories.same)} story pairs, {stories.same.sum()} of one story; {len(windows.same)} window pairs")

    def fitted_without(topic: str | None) -> tuple[Verifier, list[list[Comparison]]]:
        keep = np.array([other != topic for other in stories.topics])
        first = fit_first(ways, windows, keep, options.window_weight, options.strength)
        return first, [with_opinion(way, first) for way in ways]

    topics = sorted(set(stories.topics))
    unseen = [list(way.comparisons) for way in ways]
    for topic in topics:
        _, opinions = fitted_without(topic)
        for way, found in zip(unseen, opinions, strict=True):
            way[:] = [new if of == topic else old for new, old, of in zip(found, way, stories.topics, strict=True)]
    tables = [thinned_margins(way, stories, options.seed + number) for number, way in enumerate(unseen)]
    table, same, of_topic = (np.concatenate(parts) for parts in zip(*tables, strict=True))

    def settled_without(topic: str | None) -> Verifier:
        keep = of_topic != topic if topic else np.ones(len(same), dtype=bool)
        return Verifier(BLANK.first_weights, fit(table[keep], same[keep], np.ones(int(keep.sum())), options.strength))

    held_out: dict[str, dict[str, dict[str, float]]] = {way: {} for way in DATED}
    for topic in topics:
        verifier = settled_without(topic)
        here = [entry for entry in described if topic_of(entry.id) == topic]
        for name, comparisons in zip(DATED, unseen, strict=True):
            inside = [pair for pair in comparisons if topic_of(pair.a) == topic_of(pair.b) == topic]
            held_out[name][topic] = judge(here, inside, verifier)
        log(f"held-out topic {topic}: {len(here)} items, B-cubed {[held_out[name][topic]['f1'] for name in DATED]}")
    means = {name: _mean(list(rows.values())) for name, rows in held_out.items()}
    log(f"held-out topics: B-cubed {means}")
    first, _ = fitted_without(None)
    fitted = Verifier(first.first_weights, settled_without(None).settled_weights)
    kept = {
        "model": encoder.fingerprint,
        "held_out": {"b_cubed_mean": means, "b_cubed": held_out[DATED[0]]},
        "first": {group: _named(weights, FEATURES) for group, weights in fitted.first_weights.items()},
        "settled": _named(fitted.settled_weights, MARGINS),
    }
    options.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    log(f"wrote {options.out}")
    for folder in options.judge:
        others = described_stories([folder], encoder)
        pairs = story_pairs(others, encoder)
        for name in DATED:
            found = with_opinion(dated(pairs, others, name, options.seed), fitted)
            log(f"{folder}, {name}: {len(others)} items, B-cubed {judge(others, found, fitted)}")


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 2) for name in rows[0]}


def _named(weights: Floats, names: Sequence[str]) -> dict[str, float]:
    return {"bias": float(weights[0]), **{name: float(value) for name, value in zip(names, weights[1:], strict=True)}}


if __name__ == "__main__":
    main()
