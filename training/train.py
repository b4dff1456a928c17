"""Contrastive training of token vectors: mean pooling, in-batch negatives, both ways.

The loss is the multiple negatives ranking loss of Henderson et al. 2017 ("Efficient Natural
Language Response Suggestion", section 4.2) in both directions, each direction's denominator also
holding the other texts of the anchor's own language, so that a vector learns what a text says
rather than which language says it. A batch holds one language pair: negatives in another
language would be told apart by language alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.pairs import log
from training.prepare import Side, TrainingPairs


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train. `rate` is Adam's learning rate at its peak, falling linearly to 0."""

    dimensions: int = 384
    epochs: int = 8
    batch: int = 2048
    rate: float = 0.01
    warmup: float = 0.03  # share of the steps
    scale: float = 25.0  # inverse temperature of the softmax over cosines
    same_side: bool = True
    average_from: float = 0.8  # share of the steps after which the weights are averaged
    seed: int = 17


def epoch_batches(pairs: TrainingPairs, schedule: Schedule, epoch: int) -> list[NDArray[np.int64]]:
    """The batches of one epoch, each of one language pair: index arrays of at most `schedule.batch`."""
    chance = np.random.default_rng([schedule.seed, epoch])
    whole = np.floor(pairs.weight)
    times = (whole + (chance.random(len(pairs.weight)) < pairs.weight - whole)).astype(np.int64)
    batches = []
    for pair in range(len(pairs.pair_names)):
        members = np.flatnonzero(pairs.pair == pair)
        # A pair drawn twice goes into two rounds, never twice into one batch.
        for drawn in range(1, int(times[members].max(initial=0)) + 1):
            order = members[times[members] >= drawn]
            chance.shuffle(order)
            batches += [order[start : start + schedule.batch] for start in range(0, len(order), schedule.batch)]
    batches = [batch for batch in batches if len(batch) >= 64]
    return [batches[number] for number in chance.permutation(len(batches))]


def gather(side: Side, members: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """The token ids of `members` end to end, and where each text starts: the input of ``embedding_bag``."""
    first, last = side.starts[members], side.starts[members + 1]
    lengths = last - first
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    positions = np.arange(lengths.sum()) - np.repeat(offsets - first, lengths)
    return torch.from_numpy(side.tokens[positions].astype(np.int64)), torch.from_numpy(offsets)


def _logits(left: torch.Tensor, right: torch.Tensor, scale: float) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return scale * (left @ right.T)


def batch_loss(
    weights: torch.Tensor, pairs: TrainingPairs, members: NDArray[np.int64], schedule: Schedule
) -> torch.Tensor:
    """The loss of one batch; two members with the same text on a side are never each other's negatives."""
    sides = []
    masks = []
    for side in (pairs.source, pairs.target):
        tokens, offsets = gather(side, members)
        pooled = functional.embedding_bag(tokens, weights, offsets, mode="mean")  # (b, d)
        sides.append(functional.normalize(pooled, dim=1))
        keys = torch.from_numpy(side.keys[members])
        masks.append(keys[:, None] == keys[None, :])
    a, b = sides
    same = masks[0] | masks[1]
    gold = torch.arange(len(members))
    off_diagonal = same & ~torch.eye(len(members), dtype=torch.bool)
    across = _logits(a, b, schedule.scale).float().masked_fill(off_diagonal, -1e4)  # (b, b)
    if not schedule.same_side:
        return 0.5 * (functional.cross_entropy(across, gold) + functional.cross_entropy(across.T, gold))
    within_a = _logits(a, a, schedule.scale).float().masked_fill(same, -1e4)
    within_b = _logits(b, b, schedule.scale).float().masked_fill(same, -1e4)
    forward = torch.logsumexp(torch.cat([across, within_a], dim=1), dim=1)
    backward = torch.logsumexp(torch.cat([across.T, within_b], dim=1), dim=1)
    hit = across.diagonal()
    return 0.5 * ((forward - hit).mean() + (backward - hit).mean())


def _steps(pairs: TrainingPairs, schedule: Schedule) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for epoch in range(schedule.epochs):
        for members in epoch_batches(pairs, schedule, epoch):
            yield epoch, members


def train(pairs: TrainingPairs, n_pieces: int, schedule: Schedule, checkpoint: Path) -> NDArray[np.float32]:
    """Token vectors of shape (n_pieces, schedule.dimensions), float32.

    Every 500 steps the state goes to `checkpoint`; a run finding one there goes on from it, step for
    step as if it had not been stopped, provided the schedule is the same.
    """
    torch.manual_seed(schedule.seed)
    weights = torch.nn.Parameter(torch.randn(n_pieces, schedule.dimensions) * 0.05)
    average = torch.zeros_like(weights)
    n_averaged = 0
    done = 0
    optimiser = torch.optim.Adam([weights], lr=schedule.rate, betas=(0.9, 0.99), eps=1e-10)
    total = sum(len(epoch_batches(pairs, schedule, epoch)) for epoch in range(schedule.epochs))
    warmup = max(1, int(schedule.warmup * total))
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["schedule"] == str(schedule):
            weights.data.copy_(state["weights"])
            optimiser.load_state_dict(state["optimiser"])
            average, n_averaged, done = state["average"], state["n_averaged"], state["done"]
            log(f"resuming at step {done}")
    started, running = time.monotonic(), 0.0
    first = done
    for step, (epoch, members) in enumerate(_steps(pairs, schedule)):
        if step < done:
            continue
        rate = schedule.rate * min((step + 1) / warmup, (total - step) / (total - warmup + 1))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = batch_loss(weights, pairs, members, schedule)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step >= schedule.average_from * total and step % 5 == 0:
            n_averaged += 1
            average += (weights.data - average) / n_averaged
        running = 0.98 * running + 0.02 * loss.item() if step > first else loss.item()
        if step % 50 == 0:
            pace = (time.monotonic() - started) / (step - first + 1)
            log(
                f"epoch {epoch} step {step}/{total} loss {running:.4f} {pace:.2f} s/step, {pace * (total - step) / 60:.0f} min left"
            )
        if step % 500 == 499:
            part = checkpoint.with_suffix(".part")
            torch.save({"schedule": str(schedule), "weights": weights.data, "optimiser": optimiser.state_dict(),
                        "average": average, "n_averaged": n_averaged, "done": step + 1}, part)  # fmt: skip
            part.replace(checkpoint)
    final = average if n_averaged else weights.data
    return final.numpy().astype(np.float32)
