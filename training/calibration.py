"""Fit the calibration of similarities: ``python -m training.calibration``.

Looks at development pairs alone: sentences of them, and windows of consecutive ones as documents. Each text is looked
up twice among texts of the other language, once with its counterpart among them and once without; the nearest text
found is the counterpart or is not.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.calibration import ANY, BANDS, CALIBRATION, band, language_pair
from align.embedding import CONTEXTUAL_MODEL, SHIPPED_MODEL, Encoder, load_encoder
from align.records import Item, Vectors
from align.vectors import vectorise
from align.widths import width
from training.development import REGISTERS, DevelopmentPair, read_development
from training.pairs import comparable, log
from training.prepare import DEVELOPMENT

POOL = 500
"""Candidates of a lookup."""
WINDOWS = (4, 8, 16)
"""Sentences of the windows that stand for documents."""
FEWEST = 200
"""Lookups that a language pair's band needs for a curve of its own."""
GRID = 33
"""Points of a stored curve."""
TIMES = 10.0
"""By which cosines are multiplied for the regression, so that its penalty does not hold their weights back."""

Lookup = tuple[str, str, float, bool]
"""Language pair, band, similarity of the nearest text found, and whether it is the counterpart."""


def lookups(
    pair: str, left: Vectors, right: Vectors, widths: Sequence[int], keys: Sequence[tuple[str, str]], seed: int
) -> list[Lookup]:
    """Both lookups of each of n texts, from the left and from the right, among at most `POOL` others.

    `keys` (n) are the comparable texts: a candidate with the same text on either side is the counterpart as well.
    """
    chance = np.random.default_rng(seed)
    found: list[Lookup] = []
    order = chance.permutation(len(left))
    for start in range(0, len(order), POOL):
        part = order[start : start + POOL]
        similarity = left[part] @ right[part].T
        names = [(keys[i][0], keys[i][1]) for i in part]
        same = np.array([[a[0] == b[0] or a[1] == b[1] for b in names] for a in names])
        for cells, equal in ((similarity, same), (similarity.T, same.T)):
            without = np.where(equal, -1.0, cells)
            for number, member in enumerate(part):
                name = band(widths[member])
                best = int(cells[number].argmax())
                found.append((pair, name, float(cells[number, best]), bool(equal[number, best])))
                found.append((pair, name, float(without[number].max()), False))
    return found


def sentence_lookups(encoder: Encoder, pairs: Sequence[DevelopmentPair], seed: int) -> list[Lookup]:
    """The lookups of the single sentences, each among sentences of its own corpus."""
    groups: dict[tuple[str, str], list[DevelopmentPair]] = defaultdict(list)
    for pair in pairs:
        if REGISTERS[pair.corpus] == "headlines":
            continue  # each stands beside its own paraphrase there, which is no wrong answer
        groups[pair.corpus, language_pair(pair.source_lang, pair.target_lang)].append(pair)
    found: list[Lookup] = []
    for (_, name), members in sorted(groups.items()):
        left, right = encoder.encode([p.source for p in members]), encoder.encode([p.target for p in members])
        widths = [min(width(p.source), width(p.target)) for p in members]
        keys = [(comparable(p.source), comparable(p.target)) for p in members]
        found += lookups(name, left, right, widths, keys, seed)
    return found


def windows(pairs: Sequence[DevelopmentPair], size: int) -> list[tuple[str, Item, Item]]:
    """Windows of `size` consecutive sentences and their translations as items, with their corpus."""
    blocks: dict[tuple[str, str, str, int], list[DevelopmentPair]] = defaultdict(list)
    for pair in pairs:
        blocks[pair.corpus, pair.source_lang, pair.target_lang, pair.block].append(pair)
    found = []
    for (corpus, source_lang, target_lang, block), members in sorted(blocks.items()):
        for start in range(0, len(members) - size + 1, size):
            part = members[start : start + size]
            items = []
            for lang, texts in ((source_lang, [p.source for p in part]), (target_lang, [p.target for p in part])):
                text = ("" if lang == "ja" else " ").join(texts)
                name = f"{corpus}.{block}.{start}.{lang}"
                items.append(Item(name, name, lang, 1.0, "", text, None, None, None, 0, len(text)))
            found.append((corpus, items[0], items[1]))
    return found


def document_lookups(encoder: Encoder, pairs: Sequence[DevelopmentPair], seed: int) -> list[Lookup]:
    """The lookups of windows by their story views."""
    running = [pair for pair in pairs if pair.corpus in {"wmt_newstest", "kyoto_wiki", "opennmt_wmt_sample"}]
    found: list[Lookup] = []
    for size in WINDOWS:
        groups: dict[str, list[tuple[Item, Item]]] = defaultdict(list)
        for _, left, right in windows(running, size):
            groups[language_pair(left.lang, right.lang)].append((left, right))
        for name, members in sorted(groups.items()):
            views = [
                np.stack([vectors.views[0] for vectors in vectorise(side, encoder)])
                for side in zip(*members, strict=True)
            ]
            widths = [max(BANDS["document"], min(width(a.text), width(b.text))) for a, b in members]
            keys = [(comparable(a.text), comparable(b.text)) for a, b in members]
            found += lookups(name, views[0], views[1], widths, keys, seed)
    return found


def curve(similarity: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, list[float]]:
    """A monotone curve through n lookups: isotonic regression of `right` on `similarity`, on a grid of quantiles.

    Precision at a similarity is that of the lookups from there up, with one wrong one added (so that a handful of
    hits never promises 1.0), and never falls as the similarity rises.
    """
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(similarity, right)
    grid = np.unique(np.round(np.quantile(similarity, np.linspace(0, 1, 4 * GRID)), 4))
    ordered = np.sort(similarity)
    hits = np.concatenate([[0], np.cumsum(right[np.argsort(similarity)][::-1])])
    above = len(ordered) - np.searchsorted(ordered, grid)  # lookups of at least that similarity
    precision = np.maximum.accumulate(hits[above] / (above + 1.0))
    keep = np.unique(np.linspace(0, len(grid) - 1, GRID).round().astype(int))
    return {
        "similarity": [round(float(value), 4) for value in grid[keep]],
        "probability": [round(float(value), 4) for value in model.predict(grid[keep])],
        "precision": [round(float(value), 4) for value in precision[keep]],
    }


def curves_of(found: Sequence[Lookup]) -> dict[str, dict[str, Any]]:
    """Language pair → band → curve with its number of lookups; `ANY` stands for all pairs together.

    A pair with fewer than `FEWEST` lookups in a band takes those of all pairs there, each moved by as much as its pair lies apart from this one:
    two languages that are less alike have lower cosines at any length.
    """
    places, slopes = apart(found)
    in_band: dict[str, list[Lookup]] = defaultdict(list)
    for lookup in found:
        in_band[lookup[1]].append(lookup)
    curves: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, members in sorted(in_band.items()):
        for pair in (ANY, *sorted(places)):
            own = [lookup for lookup in members if pair in (ANY, lookup[0])]
            shift = dict.fromkeys(places, 0.0)
            if len(own) >= FEWEST or pair == ANY:
                used = own
            else:
                shift = {other: (places[other] - places[pair]) / slopes[name] for other in places}
                used = members
            similarity = np.array([lookup[2] + shift[lookup[0]] for lookup in used])
            curves[pair][name] = {"lookups": len(own), **curve(similarity, np.array([lookup[3] for lookup in used]))}
    return curves


def apart(found: Sequence[Lookup]) -> tuple[dict[str, float], dict[str, float]]:
    """The log-odds by which a language pair stands above others at one similarity, and what a band's log-odds rise by with the cosine.

    A logistic regression on the pair, the band, and the similarity within each band.
    """
    from sklearn.linear_model import LogisticRegression

    pairs, bands = sorted({lookup[0] for lookup in found}), sorted({lookup[1] for lookup in found})
    table = np.zeros((len(found), len(pairs) + 2 * len(bands)))
    rows = np.arange(len(found))
    table[rows, [pairs.index(lookup[0]) for lookup in found]] = 1.0
    own = np.array([bands.index(lookup[1]) for lookup in found]) + len(pairs)
    table[rows, own] = 1.0
    table[rows, own + len(bands)] = TIMES * np.array([lookup[2] for lookup in found])
    model = LogisticRegression(C=10.0, fit_intercept=False, max_iter=3000)
    weights = model.fit(table, [lookup[3] for lookup in found]).coef_[0].tolist()
    slopes = (TIMES * weight for weight in weights[len(pairs) + len(bands) :])
    return dict(zip(pairs, weights, strict=False)), dict(zip(bands, slopes, strict=True))


def main() -> None:
    """Fit and write ``calibration.json`` beside the model."""
    parser = argparse.ArgumentParser(prog="python -m training.calibration", description="Calibrate similarities.")
    parser.add_argument("--development", type=Path, default=Path("training/work") / DEVELOPMENT)
    parser.add_argument("--model", default=None, help="model whose similarities are calibrated")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=None, help="calibration.json in the model's folder if left out")
    options: Any = parser.parse_args()
    encoder = load_encoder(options.model)
    pairs = read_development(options.development)
    found = sentence_lookups(encoder, pairs, options.seed) + document_lookups(encoder, pairs, options.seed)
    curves = curves_of(found)
    for pair, bands in curves.items():
        for name, own in bands.items():
            log(f"{pair} {name}: {own['lookups']} lookups")
    shipped = {None: SHIPPED_MODEL, SHIPPED_MODEL.name: SHIPPED_MODEL, CONTEXTUAL_MODEL.name: CONTEXTUAL_MODEL}
    out = options.out or shipped.get(options.model, Path(options.model or "")) / CALIBRATION
    out.write_text(json.dumps({"model": encoder.fingerprint, "curves": curves}, indent=1) + "\n")
    log(f"wrote {out}")


if __name__ == "__main__":
    main()
