"""``python -m training.contextual``: convolutions over the token vectors of a static model (see ``align.contextual``).

Takes the pairs, the texts and the tokenizer that ``python -m training`` left in its work folder; the base's table stays as it is, so
that the tier adds little to it. Saves its state every 500 steps and goes on from it. With ``--start`` a trained tier goes on: its own vectors take the
base's place in the ensemble (Furlanello et al. 2018, "Born Again Neural Networks", section 3).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn import functional

from align.contextual import ContextualEncoder
from align.embedding import SHIPPED_MODEL, Encoder, StaticEncoder
from align.hidden_layer import SCALE
from training.card import RECORD, contextual_card
from training.development import development_accuracy, read_development
from training.ensemble import SHARE, all_other_vectors, read_texts, targets
from training.loss import FAST
from training.model_folder import quantised_matrices
from training.pairs import log
from training.prepare import DEVELOPMENT, READ, Side, TrainingPairs, prepared
from training.train import Schedule, TextModel, add_schedule, chosen_schedule, train

NEAR, FAR, HIDDEN = 384, 192, 384
"""Units of the first layer, of the second, and of the hidden layer."""
SCHEDULE = Schedule(
    epochs=10,
    steps=1800,
    rate=0.002,
    warmup=0.03,
    margin=0.0,
    teaching=10.0,
    dropout=0.05,
    kin_from=0,
    average_from=0.85,
)
MOST_TOKENS = 44
"""Of a side of a pair; longer ones cost more than they teach."""
UNREAD = 0.15
"""How often a pair of which the ensemble has read neither text is drawn, compared with the others: documentation mostly."""
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


class Convolutions(TextModel):
    """``align.contextual.ContextualEncoder`` as torch trains it; gives the base's vectors before the first step."""

    def __init__(
        self,
        base: StaticEncoder,
        near: int = NEAR,
        far: int = FAR,
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        n_tokens, d = base.tokenizer.get_vocab_size(), base.dimension
        table = base.rows(np.arange(n_tokens + (len(base.bigrams) if base.bigrams else 0)))
        self.length = float(np.sqrt((table[:n_tokens] ** 2).sum(axis=1).mean()))
        self.table = torch.from_numpy(table / self.length)
        self.rows = self.table[:n_tokens]
        self.bigrams = base.bigrams
        self.units = near, far

        def drawn(inputs: int, outputs: int, spread: float) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(inputs, outputs) * spread)

        def none(*shape: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.zeros(*shape))

        self.edge = none(1, d)
        self.near, self.near_bias = drawn(d, WINDOW * near, (WINDOW * d) ** -0.5), none(near)
        self.near_gate, self.near_out = none(near), none(near, d)
        # Both kinds of input together have the variance of one.
        self.far = drawn(d, WINDOW * far, (2 * WINDOW * d) ** -0.5)
        self.far_units = drawn(near, WINDOW * far, (WINDOW * near) ** -0.5)
        self.far_bias, self.far_gate, self.far_out = none(far), none(far), none(far, d)
        self.turn = torch.nn.Parameter(torch.eye(d))
        self.hidden, self.hidden_bias, self.hidden_out = drawn(d, hidden, 0.5 * d**-0.5), none(hidden), none(hidden, d)
        if base.head:
            units = len(base.head.bias)
            if hidden < units:
                raise SystemExit(
                    f"{base.name} has a hidden layer of {units} units, which this tier's goes on from; give --hidden at least {units}"
                )
            for mine, held in (
                (self.hidden, base.head.inward),
                (self.hidden_bias, base.head.bias),
                (self.hidden_out.T, base.head.outward.T),
            ):
                mine.data[..., :units] = torch.from_numpy(held)

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        near, far = self.units
        lengths = torch.diff(offsets, append=torch.tensor([len(ids)]))
        distinct, column = torch.unique(ids, return_inverse=True)
        rows = torch.cat([self.rows[distinct], self.edge])
        edge = torch.tensor(len(distinct))
        place = torch.arange(len(ids)) - torch.repeat_interleave(offsets, lengths)
        inner, outer = place > 0, place < torch.repeat_interleave(lengths, lengths) - 1
        before = torch.where(inner, torch.roll(column, 1), edge)
        after = torch.where(outer, torch.roll(column, -1), edge)
        window = torch.stack([before, column, after], 1) * WINDOW + torch.arange(WINDOW)

        def parts(matrix: torch.Tensor, units: int) -> torch.Tensor:  # each distinct token goes through the matrix once
            return functional.embedding_bag(
                window, (rows.to(FAST) @ matrix.to(FAST)).float().view(-1, units), mode="sum"
            )

        seen = functional.relu(parts(self.near, near) + self.near_bias)  # (t, h)
        onward, own, back = torch.tensor_split((seen.to(FAST) @ self.far_units.to(FAST)).float(), 3, dim=1)
        from_before = torch.roll(onward, 1, 0) * inner[:, None]
        from_after = torch.roll(back, -1, 0) * outer[:, None]
        wider = functional.relu(parts(self.far, far) + own + from_before + from_after + self.far_bias)  # (t, k)
        weight = seen @ self.near_gate + wider @ self.far_gate
        summed = self._base_sums(ids, offsets) + functional.embedding_bag(
            column, rows, offsets, mode="sum", per_sample_weights=weight
        )
        summed = summed + _SumOfTexts.apply(seen, lengths) @ self.near_out  # type: ignore[no-untyped-call]
        summed = summed + _SumOfTexts.apply(wider, lengths) @ self.far_out  # type: ignore[no-untyped-call]
        unit = functional.normalize(summed)
        hidden = functional.relu(unit @ self.hidden + self.hidden_bias)
        found: torch.Tensor = unit @ self.turn + hidden @ self.hidden_out
        return found

    def _base_sums(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        if self.bigrams:
            flat, bounds = self.bigrams.joined(ids.numpy().astype(np.int64), np.append(offsets.numpy(), len(ids)))
            ids, offsets = torch.from_numpy(flat), torch.from_numpy(bounds[:-1])
        return functional.embedding_bag(ids, self.table, offsets, mode="sum")

    def turn_by(self, turn: NDArray[np.float32]) -> None:
        """Give from now on the vectors that it has given, turned by `turn` (d, d)."""
        for matrix in (self.turn, self.hidden_out):
            matrix.data @= torch.from_numpy(turn)

    def token_vectors(self) -> NDArray[np.float32]:
        return np.asarray(self.rows.numpy(), dtype=np.float32)

    def load(self, folder: Path) -> None:
        """Take the parameters that `save` wrote of a tier with as many units or fewer; it gives the same vectors, and the units that it lacks stay as drawn.

        Raises SystemExit where it has more.
        """
        with safe_open(str(folder / WEIGHTS), framework="pt") as tensors:
            names = set(tensors.keys())
            for name, parameter in self.named_parameters():
                scale = tensors.get_tensor(name + SCALE) if name + SCALE in names else 1.0
                held = tensors.get_tensor(name).float() * scale
                # A unit's column stands once for each place in the window.
                places = WINDOW if name in ("near", "far", "far_units") else 1
                mine, held = (found.view(-1, places, found.shape[-1] // places) for found in (parameter.data, held))
                if held.shape[0] > mine.shape[0] or held.shape[2] > mine.shape[2]:
                    raise SystemExit(
                        f"{folder}: its `{name}` is {held.shape[0]} x {held.shape[2]}, larger than the {mine.shape[0]} x {mine.shape[2]} asked for; "
                        "give --near, --far and --hidden at least as many units as it has"
                    )
                mine[held.shape[0] :, :, : held.shape[2]] = 0.0  # so that its units do not see those that it lacks
                mine[: held.shape[0], :, : held.shape[2]] = held

    def save(self, folder: Path, base: str) -> None:
        """Write what ``ContextualEncoder`` reads; `base` is the fingerprint of the static model."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: found.detach().squeeze(0).numpy() for name, found in self.named_parameters()}
        tensors = {"length": np.array([self.length], dtype=np.float32), **quantised_matrices(held)}
        save_file(tensors, folder / WEIGHTS, metadata={"base": base})


def lessons(
    own: Encoder, share: float, pairs: TrainingPairs, work: Path, seed: int
) -> tuple[TrainingPairs, NDArray[np.float32]]:
    """The pairs with the ensemble's vectors to be drawn to, drawn as this tier needs them, and where the training begins: see ``training.ensemble.targets``."""
    texts = read_texts(work / READ)
    vectors, turn = targets(own, share, texts, all_other_vectors(texts, work / "other.npz"), seed)

    def taught(side: Side) -> Side:
        return replace(side, lesson=side.read)

    read = (pairs.source.read >= 0) | (pairs.target.read >= 0)
    weight = np.where(read, pairs.weight, UNREAD * pairs.weight)
    longest = np.maximum(np.diff(pairs.source.starts), np.diff(pairs.target.starts))
    weight[longest > MOST_TOKENS] = 0.0
    return replace(
        pairs,
        source=taught(pairs.source),
        target=taught(pairs.target),
        weight=weight.astype(np.float32),
        teacher=vectors,
    ), turn


def main() -> None:
    """Train, write the folder, measure on the development pairs."""
    parser = argparse.ArgumentParser(
        prog="python -m training.contextual", description="Train the contextual tier over a static model."
    )
    parser.add_argument(
        "--base", type=Path, default=SHIPPED_MODEL, help="the static model; its tokenizer made the work"
    )
    parser.add_argument("--out", type=Path, default=Path("training/work/contextual"), help="the folder to write")
    parser.add_argument("--near", type=int, default=NEAR, help="units of the first layer")
    parser.add_argument("--far", type=int, default=FAR, help="of the second layer")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="of the hidden layer")
    parser.add_argument(
        "--start",
        type=Path,
        default=None,
        help="the folder of a tier to train on, with as many units or fewer; it takes the base's place in the ensemble",
    )
    parser.add_argument(
        "--share", type=float, default=SHARE, help="weight of the ensemble's other model beside the first's 1"
    )
    add_schedule(parser, SCHEDULE)
    options = parser.parse_args()
    schedule = chosen_schedule(options, SCHEDULE)
    base = StaticEncoder(options.base)
    pairs = prepared(options.work, options.base / "tokenizer.json")
    torch.manual_seed(schedule.seed)
    model = Convolutions(base, options.near, options.far, options.hidden)
    own: Encoder = base
    before: list[dict[str, object]] = []
    if options.start:
        own = ContextualEncoder(options.start, options.base)
        model.load(options.start)
        before = json.loads((options.start / RECORD).read_text(encoding="utf-8"))["schedules"]
        before = [{"share": SHARE, **earlier} for earlier in before]  # earlier records name none
    if schedule.teaching:
        pairs, turn = lessons(own, options.share, pairs, options.work, schedule.seed)
        model.turn_by(turn)
    begun = f"{own.fingerprint}-{options.near}-{options.far}-{options.hidden}-{options.share:g}"
    train(model, pairs, schedule, options.work / f"contextual-{begun}.pt")
    model.save(options.out, base.fingerprint)
    megabytes = (options.out / WEIGHTS).stat().st_size / 1e6
    record = {
        "near": options.near,
        "far": options.far,
        "hidden": options.hidden,
        "megabytes": round(megabytes, 2),
        "read": len(pairs.teacher) if schedule.teaching else 0,
        "schedules": [*before, {**asdict(schedule), "share": options.share}],
    }
    (options.out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(contextual_card(record, None), encoding="utf-8")
    if not (kept_out := read_development(options.work / DEVELOPMENT)):
        return
    below, above = (
        development_accuracy(found, kept_out) for found in (base, ContextualEncoder(options.out, options.base))
    )
    for name, value in above.items():
        log(f"{name}: {below[name]} → {value}")


if __name__ == "__main__":
    main()
