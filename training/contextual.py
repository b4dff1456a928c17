"""``python -m training.contextual``: a convolution over the token vectors of a static model (see ``align.contextual``).

Takes the pairs and the tokenizer that ``python -m training`` left in its work folder; the base's table stays as it is, so
that the tier adds little to it. Saves its state every 500 steps and goes on from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn import functional

from align.contextual import ContextualEncoder
from align.embedding import SHIPPED_MODEL, StaticEncoder
from training.card import RECORD, contextual_card
from training.development import development_accuracy, read_development
from training.pairs import log
from training.prepare import DEVELOPMENT, prepared
from training.train import Schedule, TextModel, train

UNITS = 512
SCHEDULE = Schedule(
    epochs=2, steps=1000, rate=0.002, warmup=0.025, margin=0.0, dropout=0.05, kin_from=0, average_from=0.85
)
TRAININGS = (SCHEDULE, dataclasses.replace(SCHEDULE, steps=1200, dropout=0.0))
"""Trainings from one beginning, whose parameters are averaged (Wortsman et al. 2022, "Model soups", section 2): the first finds more translations, the
second, which sees every token beside its neighbours, tells word order better."""
WEIGHTS = "model.safetensors"
WINDOW = 3
"""Tokens that a unit sees: the one before, its own, the one after."""


class _SumOfTexts(torch.autograd.Function):
    """Rows (t, h) and the lengths of n texts → their sums (n, h)."""

    @staticmethod
    def forward(
        context: torch.autograd.function.FunctionCtx, rows: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        context.save_for_backward(lengths)
        return torch.segment_reduce(rows, "sum", lengths=lengths, unsafe=True)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (lengths,) = context.saved_tensors  # type: ignore[attr-defined]
        return torch.repeat_interleave(gradient, lengths, 0), None


class Convolution(TextModel):
    """``align.contextual.ContextualEncoder`` as torch trains it; gives the base's vectors before the first step."""

    def __init__(self, table: NDArray[np.float32], units: int) -> None:
        super().__init__()
        self.length = float(np.sqrt((table**2).sum(axis=1).mean()))
        self.table = torch.from_numpy(table / self.length)
        dimensions = table.shape[1]
        self.units = units
        self.into = torch.nn.Parameter(torch.randn(dimensions, WINDOW * units) / (WINDOW * dimensions) ** 0.5)
        self.edge = torch.nn.Parameter(torch.zeros(1, dimensions))
        self.bias = torch.nn.Parameter(torch.zeros(units))
        self.gate = torch.nn.Parameter(torch.zeros(units))
        self.out = torch.nn.Parameter(torch.zeros(units, dimensions))

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        lengths = torch.diff(offsets, append=torch.tensor([len(ids)]))
        distinct, column = torch.unique(ids, return_inverse=True)
        rows = torch.cat([self.table[distinct], self.edge])
        # Each distinct token goes through the matrix once; bfloat16 is twice as fast and trains as well.
        parts = (rows.bfloat16() @ self.into.bfloat16()).float().view(-1, self.units)
        edge = torch.tensor(len(distinct))
        place = torch.arange(len(ids)) - torch.repeat_interleave(offsets, lengths)
        before = torch.where(place > 0, torch.roll(column, 1), edge)
        after = torch.where(place < torch.repeat_interleave(lengths, lengths) - 1, torch.roll(column, -1), edge)
        window = torch.stack([before, column, after], 1) * WINDOW + torch.arange(WINDOW)
        seen = functional.relu(functional.embedding_bag(window, parts, mode="sum") + self.bias)
        pooled = functional.embedding_bag(column, rows, offsets, mode="sum", per_sample_weights=1.0 + seen @ self.gate)
        summed = _SumOfTexts.apply(seen, lengths)  # type: ignore[no-untyped-call]
        mean: torch.Tensor = (pooled + summed @ self.out) / lengths[:, None]
        return mean

    def token_vectors(self) -> NDArray[np.float32]:
        return np.asarray(self.table.numpy(), dtype=np.float32)

    def save(self, folder: Path, base: str) -> None:
        """Write what ``ContextualEncoder`` reads, in half precision; `base` is the fingerprint of the static model."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: found.detach().half().squeeze(0).contiguous() for name, found in self.named_parameters()}
        save_file(held | {"length": torch.tensor([self.length])}, folder / WEIGHTS, metadata={"base": base})


def main() -> None:
    """Train, write the folder, measure on the development pairs."""
    parser = argparse.ArgumentParser(
        prog="python -m training.contextual", description="Train the contextual tier over a static model."
    )
    parser.add_argument(
        "--work", type=Path, default=Path("training/work/reduced"), help="what `python -m training` left for it"
    )
    parser.add_argument(
        "--base", type=Path, default=SHIPPED_MODEL, help="the static model; its tokenizer made the work"
    )
    parser.add_argument("--out", type=Path, default=Path("training/work/contextual"), help="the folder to write")
    parser.add_argument("--units", type=int, default=UNITS, help="of the convolution")
    parser.add_argument("--steps", type=int, default=None, help="of each training, in place of as many as it has")
    parser.add_argument("--batch", type=int, default=SCHEDULE.batch)
    options = parser.parse_args()
    trainings = [dataclasses.replace(own, steps=options.steps or own.steps, batch=options.batch) for own in TRAININGS]
    base = StaticEncoder(options.base)
    pairs = prepared(options.work, options.base / "tokenizer.json")
    rows = base.rows(np.arange(base.tokenizer.get_vocab_size()))
    models = []
    for number, schedule in enumerate(trainings, 1):
        torch.manual_seed(schedule.seed)
        models.append(Convolution(rows, options.units))
        train(models[-1], pairs, schedule, options.work / f"contextual{number}.pt")
    model = models[0]
    with torch.no_grad():
        for same in zip(*(own.parameters() for own in models), strict=True):
            same[0].copy_(torch.stack(same).mean(dim=0))
    model.save(options.out, base.fingerprint)
    megabytes = (options.out / WEIGHTS).stat().st_size / 1e6
    record = {
        "units": options.units,
        "megabytes": round(megabytes, 2),
        "trainings": [dataclasses.asdict(schedule) for schedule in trainings],
    }
    (options.out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(contextual_card(record, None), encoding="utf-8")
    if not (kept_out := read_development(options.work / DEVELOPMENT)):
        return
    before, after = (
        development_accuracy(found, kept_out) for found in (base, ContextualEncoder(options.out, options.base))
    )
    for name, value in after.items():
        log(f"{name}: {before[name]} → {value}")


if __name__ == "__main__":
    main()
