"""``python -m training.aligner``: fit the weights of the sentence aligner on documents cut and merged at random.

A conditional random field over alignment paths (Lafferty, McCallum & Pereira 2001), fitted by L-BFGS to the
pairs of ``corpora`` below, which are contiguous prose. Two sets of weights: "tokens" uses all evidence,
"vectors" only what any model gives. Run it again when the shipped model changes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from align.alignment_eval import CutPair, Cutting, cut_pair
from align.bead_scores import Floats, Side, describe_sides, evidence, scale_of
from align.beads import Band, Shape, posterior
from align.embedding import Encoder, load_encoder
from training.pairs import log

# Corpus, pairs passed over at its beginning, pairs read: prose whose neighbouring lines belong together.
CORPORA = {
    "en-de": [("wmt_newstest.en-de", 0, 4000)],
    "en-it": [("wmt_newstest.en-it", 0, 3000)],
    "en-ja": [("wmt_newstest.en-ja", 0, 2000), ("kyoto_wiki.en-ja", 5000, 2000)],
    "de-it": [("wmt_newstest.de-it", 0, 3000)],
    "de-ja": [("ms_d365_docs.de-ja", 3000, 2500), ("tatoeba_hels.de-ja", 0, 2000), ("privacyguides.de-ja", 0, 900)],
    "it-ja": [("ms_d365_docs.it-ja", 3000, 2500), ("tatoeba_hels.it-ja", 0, 900), ("privacyguides.it-ja", 0, 900)],
}
WITHOUT_TOKENS = ("covered", "covered_mass", "least_covered", "least_covered_merged")


def read_lines(path: Path, skip: int, count: int) -> list[tuple[str, str]]:
    """`count` pairs of a corpus after the first `skip`, in order."""
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as handle:
        rows = [tuple(line.rstrip("\n").split("\t")) for line in itertools.islice(handle, skip, skip + count)]
    return [(row[0], row[1]) for row in rows if len(row) == 2 and all(side.strip() for side in row)]


def documents(data: Path, pair: str, number: int, seed: int) -> list[CutPair]:
    """`number` documents of 10 to 60 pairs in the language pair `pair`, cut and merged with varying chances."""
    chance = random.Random(f"{seed} {pair}")
    pools = [read_lines(data / f"{name}.tsv.xz", skip, count) for name, skip, count in CORPORA[pair]]
    lang_a, lang_b = pair.split("-")
    found = []
    for at in range(number):
        pool, size = pools[at % len(pools)], chance.randint(10, 60)
        start = chance.randrange(len(pool) - size)
        far = (start + len(pool) // 2) % (len(pool) - size)
        cutting = Cutting(chance.uniform(0.02, 0.15), chance.uniform(0.05, 0.3), chance.uniform(0.02, 0.15))
        found.append(cut_pair(pool[start : start + size], pool[far : far + size], (lang_a, lang_b), chance, cutting))
    return found


class Example:
    """One document's evidence: for each shape (names, cells), and the sum over the beads that are right."""

    def __init__(self, document: CutPair, sides: tuple[Side, Side], names: Sequence[str] | None) -> None:
        self.band = Band.whole(*(side.n for side in sides))
        self.evidence: dict[Shape, Floats] = {}
        for shape, found in evidence(*sides, scale_of(*sides)):
            self.names = list(names or found)
            block = np.stack([found[name] for name in self.names])  # (names, n_a - n + 1, n_b - m + 1)
            table = np.zeros((len(self.names), *(side.n + 1 for side in sides)), dtype=np.float32)
            table[:, shape[0] :, shape[1] :] = block
            self.evidence[shape] = table.reshape(len(self.names), -1)
        width = sides[1].n + 1
        self.right = np.zeros(len(self.names))
        for a, b in document.beads:
            if a and b:
                self.right += self.evidence[len(a), len(b)][:, (a[-1] + 1) * width + b[-1] + 1]

    def loss(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Minus the log probability of the right path, and its gradient."""
        scores = {}
        for shape, found in self.evidence.items():
            table = self.band.empty().astype(np.float32)
            runs = [self.band.shared(row, *shape) for row in range(shape[0], self.band.n_rows)]
            cells = np.concatenate([np.arange(run[0].start, run[0].stop) for run in runs if run])
            table[cells] = weights.astype(np.float32) @ found[:, cells]
            scores[shape] = table
        sums = posterior(self.band, scores)
        expected = np.zeros(len(weights))
        for shape, found in self.evidence.items():
            cells, chances = sums.of_shape(shape)
            expected += found[:, cells] @ chances
        return float(sums.log_total - weights @ self.right), expected - self.right


def fit(examples: Sequence[Example], penalty: float, steps: int) -> dict[str, float]:
    """The weights that make the right paths most probable, with an L2 `penalty` on the mean log loss."""
    n = len(examples)

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        losses, slopes = zip(*(example.loss(weights) for example in examples), strict=True)
        return sum(losses) / n + penalty * float(weights @ weights), sum(slopes) / n + 2 * penalty * weights

    found = minimize(
        objective, np.zeros(len(examples[0].names)), jac=True, method="L-BFGS-B", options={"maxiter": steps}
    )
    log(f"{n} documents, {found.nit} steps: loss {found.fun:.3f}")
    return {name: round(float(weight), 4) for name, weight in zip(examples[0].names, found.x, strict=True)}


def fit_aligner(
    data: Path, encoder: Encoder, number: int, seed: int, penalty: float, steps: int
) -> dict[str, dict[str, float]]:
    """Both sets of weights from `number` documents of each language pair."""
    described = []
    for pair in CORPORA:
        lang_a, lang_b = pair.split("-")
        for document in documents(data, pair, number, seed):
            described.append((document, describe_sides(document.a, document.b, (lang_a, lang_b), encoder)))
    everything = [Example(document, sides, None) for document, sides in described]
    names = [name for name in everything[0].names if name not in WITHOUT_TOKENS]
    vectors = [Example(document, sides, names) for document, sides in described]
    return {"tokens": fit(everything, penalty, steps), "vectors": fit(vectors, penalty, steps)}


def main() -> None:
    """Fit and write ``align/aligner.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m training.aligner", description="Fit the sentence aligner's weights."
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/parallel"), help="folder of <corpus>.<src>-<tgt>.tsv.xz"
    )
    parser.add_argument("--model", default=None, help="model folder; the shipped one if left out")
    parser.add_argument("--documents", type=int, default=24, help="of each language pair")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--penalty", type=float, default=0.002)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("align/aligner.json"))
    options = parser.parse_args()
    encoder = load_encoder(options.model)
    weights = fit_aligner(options.data, encoder, options.documents, options.seed, options.penalty, options.steps)
    record = {
        "fitted": {
            "documents": options.documents,
            "seed": options.seed,
            "penalty": options.penalty,
            "model": encoder.fingerprint,
        },
        "weights": weights,
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    log(f"wrote {options.out}")


if __name__ == "__main__":
    main()
