"""Contrastive training of text vectors: in-batch negatives, both ways, an English teacher beside.

A batch holds one language pair: negatives in another language would be told apart by language alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.loss import FAST, ranking_loss, repeated
from training.pairs import log
from training.prepare import Side, TrainingPairs

SEEN_BY_A_GROUP = 64
"""Pairs, for each group, that k-means looks at."""


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train. `rate` is Adam's learning rate at its peak, falling linearly to 0."""

    dimensions: int = 384
    epochs: int = 6
    steps: int = 0  # at most so many; 0: all of the epochs
    batch: int = 2048
    rate: float = 0.01
    warmup: float = 0.03  # share of the steps
    scale: float = 20.0  # inverse temperature of the softmax over cosines
    margin: float = 0.25  # by which a pair's cosine must stand above its negatives'
    teaching: float = 3.0  # weight of the teacher beside the ranking loss
    dropout: float = 0.15  # share of a text's tokens that a step does not see
    kin_from: int = 3  # the epoch, from 0, from which a batch holds pairs alike
    kin_groups: int = 4096  # groups of pairs alike, by k-means
    average_from: float = 0.8  # share of the steps after which the weights are averaged
    seed: int = 17


def add_schedule(parser: argparse.ArgumentParser, usual: Schedule) -> None:
    """Give a command the options that `chosen_schedule` reads, `usual` where they are left out, and the work folder that it trains from."""
    parser.add_argument(
        "--work", type=Path, default=Path("training/work/reduced"), help="what `python -m training` left for it"
    )
    parser.add_argument("--epochs", type=int, default=usual.epochs, help="at most so many")
    parser.add_argument("--steps", type=int, default=usual.steps, help="at most so many")
    parser.add_argument("--rate", type=float, default=usual.rate, help="Adam's learning rate at its peak")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--batch", type=int, default=usual.batch)
    parser.add_argument("--teaching", type=float, default=usual.teaching, help="weight of the ensemble; 0: none")


def chosen_schedule(options: argparse.Namespace, usual: Schedule) -> Schedule:
    """`usual` with what a command's options say."""
    names = ("epochs", "steps", "rate", "seed", "batch", "teaching")
    return replace(usual, **{name: vars(options)[name] for name in names})


def epoch_batches(
    pairs: TrainingPairs, schedule: Schedule, epoch: int, kin: NDArray[np.int64] | None = None
) -> list[NDArray[np.int64]]:
    """The batches of one epoch, each of one language pair: index arrays of at most `schedule.batch`.

    `kin` (n,) numbers groups of pairs alike; a batch then holds whole groups, so that a pair's negatives are its kin.
    """
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
            if kin is not None and len(order) > schedule.batch:
                places = chance.permutation(int(kin.max()) + 1)
                order = order[np.argsort(places[kin[order]], kind="stable")]
            batches += [order[start : start + schedule.batch] for start in range(0, len(order), schedule.batch)]
    batches = [batch for batch in batches if len(batch) >= 64]
    return [batches[number] for number in chance.permutation(len(batches))]


def kindred(weights: NDArray[np.float32], pairs: TrainingPairs, n_groups: int, seed: int) -> NDArray[np.int64]:
    """The group (n,) of each pair: k-means over the directions of the pairs' two texts together.

    A pair's negatives then are what the model itself takes for nearly the same (Morris & Rush 2024, "Contextual
    Document Embeddings", section 4.1, batches from clusters). There is at most one group for every 8 pairs.
    """
    import faiss

    n_groups = min(n_groups, max(1, len(pairs.pair) // 8))

    table = torch.from_numpy(weights)

    def directions(members: NDArray[np.int64]) -> NDArray[np.float32]:
        both = unit_means(pairs.source, members, table) + unit_means(pairs.target, members, table)
        return np.asarray(functional.normalize(both).numpy(), dtype=np.float32)

    n = len(pairs.pair)
    sample = np.sort(np.random.default_rng(seed).permutation(n)[: n_groups * SEEN_BY_A_GROUP])
    means = faiss.Kmeans(weights.shape[1], n_groups, niter=6, seed=seed, spherical=True)
    means.train(directions(sample))
    groups = [
        means.index.search(directions(part), 1)[1][:, 0] for part in np.array_split(np.arange(n), n // 65_536 + 1)
    ]
    return np.concatenate(groups).astype(np.int64)


def gather(side: Side, members: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """The token ids of `members` end to end, and where each text starts: the input of ``embedding_bag``."""
    first, last = side.starts[members], side.starts[members + 1]
    lengths = last - first
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    positions = np.arange(lengths.sum()) - np.repeat(offsets - first, lengths)
    return torch.from_numpy(side.tokens[positions].astype(np.int64)), torch.from_numpy(offsets)


def unit_means(side: Side, members: NDArray[np.int64], table: torch.Tensor) -> torch.Tensor:
    """The vectors (len(members), d) that a table of token vectors (pieces, d) gives the texts of `members`, of unit length."""
    ids, offsets = gather(side, members)
    return functional.normalize(functional.embedding_bag(ids, table, offsets, mode="mean"))


def thinned(ids: torch.Tensor, offsets: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The same texts without `share` of their tokens, drawn by chance; each keeps its first."""
    if not share:
        return ids, offsets
    kept = torch.rand(len(ids)) >= share
    kept[offsets] = True
    before = torch.cumsum(kept, 0) - kept.long()
    return ids[kept], before[offsets]


def batch_texts(pairs: TrainingPairs, members: NDArray[np.int64], dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The b sources, then the b targets of one batch: token ids end to end, and where each of the 2b texts starts."""
    ids, offsets = zip(
        *(thinned(*gather(side, members), dropout) for side in (pairs.source, pairs.target)), strict=True
    )
    return torch.cat(ids), torch.cat([offsets[0], offsets[1] + len(ids[0])])


def batch_loss(
    pooled: torch.Tensor, pairs: TrainingPairs, members: NDArray[np.int64], schedule: Schedule
) -> tuple[float, torch.Tensor]:
    """The loss of one batch with the vectors `pooled` (2b, d) of its texts, of any length, and its gradient with respect to them.

    Two members with the same text on a side are never each other's negatives. A text for which there is a lesson
    is also drawn to the teacher's vector, by ``schedule.teaching`` times one minus the cosine.
    """
    n = len(members)
    lengths = pooled.detach().norm(dim=1, keepdim=True).clamp_min(1e-9)
    unit = pooled.detach() / lengths
    same = [repeated(side.keys[members]) for side in (pairs.source, pairs.target)]
    loss, *gradients = ranking_loss(unit[:n], unit[n:], schedule.scale, schedule.margin, same, FAST)
    gradient = torch.cat(gradients)
    rows = np.concatenate([side.lesson[members] for side in (pairs.source, pairs.target)])  # (2b,)
    known = np.flatnonzero(rows >= 0)
    if schedule.teaching and len(known):
        lesson = torch.from_numpy(pairs.teacher[rows[known]].astype(np.float32))
        gradient[torch.from_numpy(known)] -= schedule.teaching / n * lesson
    # Through the division by the length: the part along the vector falls away.
    return loss, (gradient - (gradient * unit).sum(1, keepdim=True) * unit) / lengths


class TextModel(torch.nn.Module):
    """What a training makes: token ids of n texts, end to end, and where each starts (n,) → vectors (n, d) of any length."""

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def token_vectors(self) -> NDArray[np.float32]:
        """(pieces, d), by which pairs alike are found."""
        raise NotImplementedError


class MeanOfTokens(TextModel):
    """The static model: a table of token vectors (pieces, d), random at first."""

    def __init__(self, n_pieces: int, dimensions: int) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(n_pieces, dimensions) * 0.05)

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return functional.embedding_bag(ids, self.table, offsets, mode="mean")

    def token_vectors(self) -> NDArray[np.float32]:
        return np.asarray(self.table.detach().numpy(), dtype=np.float32)


def train(model: TextModel, pairs: TrainingPairs, schedule: Schedule, checkpoint: Path) -> None:
    """Train `model`, whose parameters are those averaged over the last steps in the end.

    Every 500 steps the state goes to `checkpoint`; a run finding one there goes on from it, step for
    step as if it had not been stopped, provided the schedule is the same.
    """
    parameters = dict(model.named_parameters())
    average = {name: torch.zeros_like(found) for name, found in parameters.items()}
    n_averaged = 0
    done = 0
    kin: NDArray[np.int64] | None = None
    optimiser = torch.optim.Adam(parameters.values(), lr=schedule.rate, betas=(0.9, 0.99), eps=1e-10, fused=True)
    total = sum(len(epoch_batches(pairs, schedule, epoch)) for epoch in range(schedule.epochs))
    total = min(total, schedule.steps or total)
    warmup = max(1, int(schedule.warmup * total))
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["schedule"] == str(schedule):
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            average, n_averaged, done = state["average"], state["n_averaged"], state["done"]
            kin = None if state["kin"] is None else state["kin"].numpy()
            torch.set_rng_state(state["chance"])
            log(f"resuming at step {done}")
    started, running, first, step = time.monotonic(), 0.0, done, -1
    for epoch in range(schedule.epochs):
        if step + 1 >= total:
            break
        if epoch >= schedule.kin_from and kin is None:
            kin = kindred(model.token_vectors(), pairs, schedule.kin_groups, schedule.seed)
            log(f"{schedule.kin_groups} groups of pairs alike")
        for members in epoch_batches(pairs, schedule, epoch, kin):
            step += 1
            if step >= total:
                break
            if step < done:
                continue
            rate = schedule.rate * min((step + 1) / warmup, (total - step) / (total - warmup + 1))
            for group in optimiser.param_groups:
                group["lr"] = rate
            pooled = model(*batch_texts(pairs, members, schedule.dropout))
            loss, gradient = batch_loss(pooled, pairs, members, schedule)
            optimiser.zero_grad(set_to_none=True)
            pooled.backward(gradient)
            optimiser.step()
            if step >= schedule.average_from * total and step % 5 == 0:
                n_averaged += 1
                for name, found in parameters.items():
                    average[name] += (found.data - average[name]) / n_averaged
            running = 0.98 * running + 0.02 * loss if step > first else loss
            if step % 50 == 0:
                pace = (time.monotonic() - started) / (step - first + 1)
                left = pace * (total - step) / 60
                log(f"epoch {epoch} step {step}/{total} loss {running:.4f} {pace:.2f} s/step, {left:.0f} min left")
            if step % 500 == 499:
                part = checkpoint.with_suffix(".part")
                torch.save({"schedule": str(schedule), "model": model.state_dict(), "optimiser": optimiser.state_dict(),
                            "average": average, "n_averaged": n_averaged, "done": step + 1,
                            "kin": None if kin is None else torch.from_numpy(kin), "chance": torch.get_rng_state()}, part)  # fmt: skip
                part.replace(checkpoint)
    if n_averaged:
        for name, found in parameters.items():
            found.data.copy_(average[name])
