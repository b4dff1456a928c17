"""``python -m training.bigrams``: rows for bigrams and a hidden layer beside the token vectors of a static model (see ``align.token_table``).

Takes the pairs, the texts and the tokenizer that ``python -m training`` left in its work folder, the static model that it wrote, and the contextual tier
trained over that: this tier and the Universal Sentence Encoder, side by side, are what texts are drawn to (``training.ensemble``). Rows are kept in four bits, and
trained as they are kept: each step sees them rounded, and its gradient goes to what was rounded (Bengio et al. 2013, "Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation", section 4, the straight-through estimator). Saves its state every 500 steps and goes on from it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from align.contextual import ContextualEncoder
from align.embedding import StaticEncoder
from align.hidden_layer import HiddenLayer
from align.token_table import LEVELS, REACH, Bigrams, slots_of
from training.card import RECORD, model_card
from training.contextual import lessons
from training.development import development_accuracy, read_development
from training.ensemble import read_texts, turn_onto
from training.model_folder import write_bigram_model
from training.pairs import log
from training.prepare import DEVELOPMENT, READ, TrainingPairs, prepared
from training.train import Schedule, TextModel, add_schedule, chosen_schedule, train

EACH = 45_056
"""Bigrams of each distance."""
HIDDEN = 256
"""Units of the hidden layer."""
SHARE = 0.4
"""Weight of the encoder's cosines beside the contextual tier's; see ``training.ensemble``."""
SCHEDULE = Schedule(
    epochs=10,
    steps=3000,
    rate=0.0006,
    margin=0.0,
    teaching=3.0,
    dropout=0.05,
    kin_from=0,
)
FINEST = 36
"""Steps of a row's spread into which values are sorted before they are rounded to a level."""
_MIDDLES = torch.from_numpy((LEVELS[1:] + LEVELS[:-1]) / 2)
_LEVEL_OF = torch.bucketize((torch.arange(256) - 127.5) / FINEST, _MIDDLES)
"""Levels by sorted values: `bucketize` for each value takes several times as long."""


def frequent_bigrams(pairs: TrainingPairs, most: int, n_tokens: int) -> NDArray[np.int64]:
    """The bigrams (n, 3), first token, second token and distance, that training sees most often, at most `most` of each distance, by distance and then by tokens.

    Of two that share a place (``align.token_table.slots_of``) the more frequent one is taken.
    """
    sides = [(side.tokens.astype(np.int64), side.starts, pairs.weight) for side in (pairs.source, pairs.target)]
    keys: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.float64]] = []
    for distance in range(1, REACH + 1):
        distinct, count = counted_bigrams(sides, distance, n_tokens)
        top = np.argsort(-count, kind="stable")[:most]
        keys.append(distinct[top])
        counts.append(count[top])
    return named(ranked(keys, counts), n_tokens)


def ranked(keys: Sequence[NDArray[np.int64]], counts: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    """All the keys, those seen most often first; of two that share a place the first alone."""
    every = np.concatenate(keys)[np.argsort(-np.concatenate(counts), kind="stable")]
    _, firsts = np.unique(slots_of(every), return_index=True)
    return every[np.sort(firsts)]


def counted_bigrams(
    sides: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]], distance: int, n_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The keys of the bigrams of a distance in texts, and how often each is seen; a side has its texts' tokens end to end, their bounds and their weights."""
    held: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float32]] = []
    for tokens, bounds, weight in sides:
        lengths = np.diff(bounds)
        each = np.repeat(weight, lengths)
        place = np.arange(len(tokens)) - np.repeat(bounds[:-1], lengths)
        seen = np.flatnonzero((place + distance < np.repeat(lengths, lengths)) & (each > 0))
        held.append(Bigrams.key(tokens[seen], tokens[seen + distance], distance, n_tokens))
        weights.append(each[seen])
    distinct, places = np.unique(np.concatenate(held), return_inverse=True)
    return distinct, np.asarray(np.bincount(places, weights=np.concatenate(weights)), dtype=np.float64)


def named(keys: NDArray[np.int64], n_tokens: int) -> NDArray[np.int64]:
    """Keys (n,) → first token, second token and distance (n, 3), by distance and then by tokens."""
    found = np.stack([keys // REACH // n_tokens, keys // REACH % n_tokens, keys % REACH + 1], axis=1)
    return found[np.lexsort((found[:, 1], found[:, 0], found[:, 2]))]


def rounding(rows: torch.Tensor) -> torch.Tensor:
    """Rows (n, d) as four bits keep them, with the gradient of those given."""
    return _Rounded.apply(rows)  # type: ignore[no-any-return, no-untyped-call]


class _Rounded(torch.autograd.Function):
    """Rows (n, d) → the same as four bits keep them; the gradient passes as it is."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, rows: torch.Tensor) -> torch.Tensor:
        numbers, scales = rounded(rows)
        return torch.from_numpy(LEVELS)[numbers] * scales[:, None]

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


def rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers (n, d) of the levels nearest to rows (n, d) and the scale (n,) of each row, which loses least of it with those levels."""
    spread = rows.pow(2).mean(1, keepdim=True).sqrt().clamp_min(1e-9)
    sorted_values = (rows * (FINEST / spread)).add_(128).clamp_(0, 255).int()
    numbers = _LEVEL_OF.index_select(0, sorted_values.view(-1)).view_as(rows)
    level = torch.from_numpy(LEVELS)[numbers]
    return numbers, (rows * level).sum(1) / level.pow(2).sum(1)


class TokensAndBigrams(TextModel):
    """Rows (tokens + bigrams, d), of which a text's are added up, and the hidden layer that sees the sum's direction; bigrams and units give nothing at first."""

    def __init__(self, table: NDArray[np.float32], bigrams: NDArray[np.int64], hidden: int) -> None:
        super().__init__()
        n_tokens, d = table.shape
        self.names = bigrams
        firsts, seconds, distances = bigrams.T
        self.bigrams = Bigrams(firsts, seconds, distances, n_tokens)
        length = float(np.sqrt((table**2).sum(axis=1).mean()))
        self.rows = torch.nn.Parameter(torch.cat([torch.from_numpy(table / length), torch.zeros(len(bigrams), d)]))
        self.hidden = torch.nn.Parameter(torch.randn(d, hidden) * 0.5 * d**-0.5)
        self.hidden_bias = torch.nn.Parameter(torch.zeros(hidden))
        self.hidden_out = torch.nn.Parameter(torch.zeros(hidden, d))

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        bounds = np.append(offsets.numpy(), len(ids))
        flat, bounds = self.bigrams.joined(ids.numpy().astype(np.int64), bounds)
        distinct, column = torch.unique(torch.from_numpy(flat), return_inverse=True)
        rows = rounding(self.rows.index_select(0, distinct))
        unit = functional.normalize(functional.embedding_bag(column, rows, torch.from_numpy(bounds[:-1]), mode="sum"))
        found: torch.Tensor = unit + functional.relu(unit @ self.hidden + self.hidden_bias) @ self.hidden_out
        return found

    def token_vectors(self) -> NDArray[np.float32]:
        return np.asarray(self.rows.detach()[: self.bigrams.n_tokens].numpy(), dtype=np.float32)

    def save(self, folder: Path, base: StaticEncoder, card: str) -> None:
        """Write what ``StaticEncoder`` reads, with the pieces of `base`."""
        numbers, scales = rounded(self.rows.detach())
        layer = {name: getattr(self, name).detach().numpy() for name in HiddenLayer.NAMES}
        write_bigram_model(
            folder, base.tokenizer, numbers.numpy().astype(np.uint8), scales.numpy(), self.names, layer, card
        )


def main() -> None:
    """Train, write the folder, measure on the development pairs."""
    parser = argparse.ArgumentParser(
        prog="python -m training.bigrams", description="Train rows for bigrams beside those of a static model's tokens."
    )
    parser.add_argument(
        "--base",
        type=Path,
        default=Path("training/work/model"),
        help="the static model that `python -m training` wrote",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        default=Path("training/work/teacher"),
        help="the contextual tier trained over the base",
    )
    parser.add_argument("--out", type=Path, default=Path("training/work/bigrams"), help="the folder to write")
    parser.add_argument("--each", type=int, default=EACH, help="bigrams of each distance")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="units of the hidden layer")
    parser.add_argument(
        "--share", type=float, default=SHARE, help="weight of the encoder beside the contextual tier's 1"
    )
    add_schedule(parser, SCHEDULE)
    options = parser.parse_args()
    schedule = chosen_schedule(options, SCHEDULE)
    base = StaticEncoder(options.base)
    pairs = prepared(options.work, options.base / "tokenizer.json")
    torch.manual_seed(schedule.seed)
    rows = base.rows(np.arange(base.tokenizer.get_vocab_size()))
    if schedule.teaching:
        texts = read_texts(options.work / READ)
        pairs, _ = lessons(
            ContextualEncoder(options.teacher, options.base), options.share, pairs, options.work, schedule.seed
        )
        rows = rows @ turn_onto(base, texts, pairs.teacher, schedule.seed)
    bigrams = frequent_bigrams(pairs, options.each, len(rows))
    log(f"{len(bigrams)} bigrams")
    model = TokensAndBigrams(rows, bigrams, options.hidden)
    begun = f"{base.fingerprint}-{options.each}-{options.hidden}-{options.share:g}"
    train(model, pairs, schedule, options.work / f"bigrams-{begun}.pt")
    record = json.loads((options.base / RECORD).read_text(encoding="utf-8"))
    record["bigrams"] = {
        **asdict(schedule),
        "each": options.each,
        "kept": len(bigrams),
        "hidden": options.hidden,
        "share": options.share,
        "read": len(pairs.teacher) if schedule.teaching else 0,
    }
    model.save(options.out, base, model_card(record, None))
    (options.out / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if not (kept_out := read_development(options.work / DEVELOPMENT)):
        return
    below, above = (development_accuracy(found, kept_out) for found in (base, StaticEncoder(options.out)))
    for name, value in above.items():
        log(f"{name}: {below[name]} → {value}")


if __name__ == "__main__":
    main()
