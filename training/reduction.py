"""What a trained table is written as: its most used pieces, in the directions in which sentences differ most."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn import functional

from training.prepare import Int64, Side, TrainingPairs
from training.train import unit_means
from training.vocabulary import BYTE_PIECES, MARK

SAMPLE = 200_000


def principal(
    table: NDArray[np.float32], pairs: TrainingPairs, kept: int, evenness: float, seed: int
) -> NDArray[np.float32]:
    """The first `kept` principal directions (d, min(kept, d)) of the unit vectors that `table` (pieces, d) gives sentences.

    They are the eigenvectors of the second moment about 0, not about the mean: cosines are taken from 0, and
    these directions lose least of them. Sentences are the sources and targets of at most 200,000 pairs, each drawn as
    often as training draws it; the first column is the direction of most weight, so a reader may leave out the last ones.
    ``table @ directions`` is the smaller table. Each column is divided by the root mean square of sentences along it to the power of
    `evenness`, in [0, 1]: by 0 the directions stay of unit length, by 1 sentences spread alike along all (whitening; Su et al. 2021, "Whitening
    Sentence Representations for Better Semantics and Faster Retrieval", section 3). What a few directions hold, a language or a register, then counts for less.
    """
    chance = np.random.default_rng(seed)
    n = min(SAMPLE, len(pairs.weight))
    members = chance.choice(len(pairs.weight), n, replace=False, p=pairs.weight / pairs.weight.sum(dtype=np.float64))
    moment = torch.zeros(table.shape[1], table.shape[1], dtype=torch.float64)
    rows = torch.from_numpy(table)
    for part in np.array_split(members, max(1, n // 20_000)):
        for side in (pairs.source, pairs.target):
            unit = unit_means(side, part, rows)
            moment += (unit.T @ unit).double()
    weights, directions = torch.linalg.eigh(moment / (2 * n))  # ascending
    weights, directions = weights.flip(0)[:kept], directions.flip(1)[:, :kept]
    # An eigenvector's sign is the library's whim: the largest part of each is positive here.
    largest = directions.abs().argmax(0, keepdim=True)
    directions = directions * directions.gather(0, largest).sign() / weights.clamp_min(1e-12) ** (evenness / 2)
    return np.asarray(directions.float().numpy(), dtype=np.float32)


def turned(lessons: NDArray[np.float16], directions: NDArray[np.float32]) -> NDArray[np.float16]:
    """The teacher's vectors (n, d) in those directions (d, k), of unit length again, (n, k); none (0, d) stay none."""
    if not len(lessons):
        return lessons
    turned_lessons = functional.normalize(torch.from_numpy(lessons.astype(np.float32) @ directions))
    return np.asarray(turned_lessons.half().numpy(), dtype=np.float16)


def most_used(tokenizer: Tokenizer, pairs: TrainingPairs, kept: int) -> tuple[Tokenizer, Int64]:
    """The tokenizer with the `kept` pieces that stand most often in the pairs, and those pieces' numbers in the old one, ascending.

    A piece that training has hardly seen has learned nothing, and its parts know more. The unknown piece, bytes and single
    characters stay, so that every text still has pieces.
    """
    state = json.loads(tokenizer.to_str())
    pieces = state["model"]["vocab"]
    used = np.bincount(pairs.source.tokens, minlength=len(pieces)) + np.bincount(
        pairs.target.tokens, minlength=len(pieces)
    )
    needed = {pieces[0][0], *BYTE_PIECES}
    used[[piece in needed or len(piece.lstrip(MARK)) <= 1 for piece, _ in pieces]] = np.iinfo(np.int64).max
    numbers = np.sort(np.argsort(-used, kind="stable")[:kept])
    state["model"]["vocab"] = [pieces[number] for number in numbers]
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False)), numbers


def respelt(pairs: TrainingPairs, old: Tokenizer, new: Tokenizer, numbers: Int64) -> TrainingPairs:
    """The same pairs in the pieces of `new`, which are those of `old` with these `numbers`: another piece is spelt by its parts."""
    blank = Tokenizer.from_str(new.to_str())
    blank.pre_tokenizer = None  # a piece is not split again, nor marked as a word's beginning
    place = dict(zip(numbers.tolist(), range(len(numbers)), strict=True))
    spellings = [
        [place[number]] if number in place else blank.encode(old.id_to_token(number), add_special_tokens=False).ids
        for number in range(old.get_vocab_size())
    ]
    lengths = np.array(list(map(len, spellings)))
    flat = np.array([number for spelling in spellings for number in spelling], dtype=np.int32)
    begin = np.cumsum(lengths) - lengths

    def side(given: Side) -> Side:
        counts = lengths[given.tokens]
        ends = np.cumsum(counts)
        tokens = flat[np.arange(ends[-1]) - np.repeat(ends - counts - begin[given.tokens], counts)]
        return replace(given, tokens=tokens, starts=np.concatenate([[0], ends])[given.starts])

    return replace(pairs, source=side(pairs.source), target=side(pairs.target))
