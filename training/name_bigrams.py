"""``python -m training.name_bigrams``: rows for the bigrams of names, beside those of a model that ``python -m training.bigrams`` wrote.

A rare name is spelt by pieces that say nothing by themselves, in both scripts (▁ 石 破, ▁ i shiba). The bigrams that lists of names hold most often get rows, trained on the lists alone; everything else
stays as it is, so that a text without such a bigram keeps its vector.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch.nn import functional

from align.embedding import StaticEncoder, end_to_end
from align.measures import retrieval_accuracy
from align.token_table import REACH, Bigrams, packed, slots_of
from training.bigrams import counted_bigrams, named, ranked, rounded, rounding
from training.card import RECORD, model_card
from training.loss import FAST, ranking_loss, repeated
from training.pairs import log

MOST = 11_000
STEPS, BATCH, RATE, SCALE = 600, 2048, 0.003, 20.0
HELD_OUT = 2_000
WEIGHTS = "model.safetensors"


def new_bigrams(texts: Sequence[Sequence[int]], base: Bigrams, most: int) -> NDArray[np.int64]:
    """The bigrams (n, 3), as ``training.bigrams.frequent_bigrams`` gives them, that texts (token ids) hold most often and `base` does not; of those that share a place, also with one of `base`, the first."""
    flat, bounds = end_to_end(texts)
    counted = [
        counted_bigrams([(flat, bounds, np.ones(len(texts), dtype=np.float32))], distance, base.n_tokens)
        for distance in range(1, REACH + 1)
    ]
    every = ranked([keys for keys, _ in counted], [counts for _, counts in counted])
    every = every[~np.isin(slots_of(every), slots_of(base.keys))][:most]
    return named(np.sort(every), base.n_tokens)


def main() -> None:
    """Train, write the folder, measure on names kept out."""
    parser = argparse.ArgumentParser(
        prog="python -m training.name_bigrams", description="Train rows for the bigrams of names."
    )
    parser.add_argument("--base", type=Path, required=True, help="the model that `python -m training.bigrams` wrote")
    parser.add_argument("--lists", type=Path, nargs="+", required=True, help="name<tab>name files, xz")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--most", type=int, default=MOST, help="bigrams")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument(
        "--rate", type=float, default=RATE, help="Adam's learning rate at first; it falls linearly to 0"
    )
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="names to measure on and not to train on")
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    base = StaticEncoder(options.base)
    if base.bigrams is None or base.head is None:
        raise SystemExit(f"{options.base}: a model without bigrams; `python -m training.bigrams` makes one")
    chance = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    lines = [line for path in options.lists for line in lzma.decompress(path.read_bytes()).decode("utf-8").split("\n")]
    names = sorted({tuple(line.split("\t")) for line in lines if line})
    order = chance.permutation(len(names))
    sides = [base.token_ids([pair[side] for pair in names]) for side in (0, 1)]
    kept_out, taught = order[: options.held_out], order[options.held_out :]
    bigrams = new_bigrams([side[number] for side in sides for number in taught.tolist()], base.bigrams, options.most)
    firsts, seconds, distances = bigrams.T
    found = Bigrams(firsts, seconds, distances, base.bigrams.n_tokens)
    log(f"{len(names)} names, {len(bigrams)} bigrams")
    sums = [base.sums(side) for side in sides]
    keys = [np.array([hash(tuple(text)) for text in side]) for side in sides]
    rows = torch.nn.Parameter(torch.zeros(len(bigrams), base.dimension))
    layer = [torch.from_numpy(part) for part in (base.head.inward, base.head.bias, base.head.outward)]
    average, n_averaged = torch.zeros_like(rows), 0
    optimiser = torch.optim.Adam([rows], lr=options.rate, betas=(0.9, 0.99), eps=1e-10)

    def vectors(side: int, members: NDArray[np.int64]) -> torch.Tensor:
        flat, bounds = found.joined(*end_to_end([sides[side][number] for number in members.tolist()]))
        of_bigram = flat >= found.n_tokens
        starts = np.concatenate([[0], np.cumsum(of_bigram)])[bounds[:-1]]
        own = functional.embedding_bag(
            torch.from_numpy(flat[of_bigram] - found.n_tokens), rounding(rows), torch.from_numpy(starts), mode="sum"
        )
        unit = functional.normalize(torch.from_numpy(sums[side][members]) + own)
        return functional.normalize(unit + functional.relu(unit @ layer[0] + layer[1]) @ layer[2])

    def accuracy() -> list[float]:
        with torch.no_grad():
            both = [vectors(side, kept_out).numpy() for side in (0, 1)]
        return [round(retrieval_accuracy(*pair), 2) for pair in (both, both[::-1])]

    log(f"of {len(kept_out)} names kept out the other script's is the nearest, % from either side: {accuracy()}")
    for step in range(options.steps):
        members = chance.choice(taught, options.batch, replace=False)
        for group in optimiser.param_groups:
            group["lr"] = options.rate * (1 - step / options.steps)
        a, b = (vectors(side, members) for side in (0, 1))
        same = [repeated(keys[side][members]) for side in (0, 1)]
        loss, *gradients = ranking_loss(a.detach(), b.detach(), SCALE, 0.0, same, FAST)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward([a, b], gradients)
        optimiser.step()
        if step >= 0.8 * options.steps:
            n_averaged += 1
            average += (rows.data - average) / n_averaged
        if step % 50 == 0:
            log(f"step {step}/{options.steps} loss {loss:.4f}")
    rows.data.copy_(average)
    log(f"then: {accuracy()}")
    write(options.base, options.out, bigrams, rows.detach())
    record = json.loads((options.base / RECORD).read_text(encoding="utf-8"))
    record["names"] = {"names": len(taught), "kept": len(bigrams), "steps": options.steps, "rate": options.rate}
    (options.out / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(model_card(record, None), encoding="utf-8")


def write(base: Path, out: Path, bigrams: NDArray[np.int64], rows: torch.Tensor) -> None:
    """The folder `base` again in `out`, with rows (n, d) for more bigrams (n, 3), by distance."""
    shutil.copytree(base, out, dirs_exist_ok=True)
    tensors = load_file(base / WEIGHTS)
    numbers, scales = rounded(rows)
    counts = tensors["bigram_counts"]
    held = np.column_stack([tensors["bigrams"], np.repeat(np.arange(1, REACH + 1), counts)])
    every = np.concatenate([held, bigrams.astype(np.int32)])
    order = np.lexsort((every[:, 1], every[:, 0], every[:, 2]))
    n_tokens = len(tensors["embeddings"]) - len(held)
    place = np.concatenate([np.arange(n_tokens), n_tokens + order])
    tensors["embeddings"] = np.concatenate([tensors["embeddings"], packed(numbers.numpy().astype(np.uint8))])[place]
    tensors["weights"] = np.concatenate([tensors["weights"], scales.numpy().astype(np.float16)])[place]
    tensors["bigrams"] = np.ascontiguousarray(every[order, :2].astype(np.int32))
    tensors["bigram_counts"] = np.bincount(every[:, 2], minlength=REACH + 1)[1:].astype(np.int32)
    save_file(tensors, out / WEIGHTS)


if __name__ == "__main__":
    main()
