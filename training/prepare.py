"""Pairs → token arrays, kept on disk so that a training run starts at once."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.pairs import LANGUAGES, Corpus, Decontamination, corpora, evaluation_sides, log, read_pairs
from training.vocabulary import train_vocabulary

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass
class Side:
    """The token ids of n texts, end to end: text i is ``tokens[starts[i]:starts[i + 1]]``; starts is (n + 1,)."""

    tokens: Int32
    starts: Int64
    keys: Int64  # (n,) one number a distinct text, to tell a repeated text from a negative


@dataclass
class TrainingPairs:
    """n pairs as tokens, with each pair's draw weight (n,) and language pair (n,), an index in `pair_names`."""

    source: Side
    target: Side
    weight: NDArray[np.float32]
    pair: NDArray[np.int8]
    pair_names: list[str]


def _tokenise(tokenizer: Tokenizer, texts: list[str]) -> tuple[Int32, Int64, Int64]:
    lengths: list[int] = []
    chunks: list[Int32] = []
    keys: list[int] = []
    for start in range(0, len(texts), 20_000):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + 20_000], add_special_tokens=False):
            ids = np.asarray(encoding.ids, dtype=np.int32)
            chunks.append(ids)
            lengths.append(len(ids))
            keys.append(hash(ids.tobytes()))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.concatenate(chunks), starts, np.asarray(keys, dtype=np.int64)


def _sample(texts: list[tuple[Corpus, str, str]], seed: int) -> dict[str, list[str]]:
    """Texts of each language, each pair kept with its corpus weight (at most once): the vocabulary's sample."""
    chance = random.Random(seed)
    by_lang: dict[str, list[str]] = {lang: [] for lang in LANGUAGES}
    for corpus, source, target in texts:
        if chance.random() < corpus.weight:
            by_lang[corpus.source_lang].append(source)
            by_lang[corpus.target_lang].append(target)
    return by_lang


def prepare(
    data: Path, evaluation: Path, settings: Path, work: Path, options: dict[str, Any]
) -> tuple[Tokenizer, TrainingPairs, dict[str, Any]]:
    """Read, decontaminate, build the vocabulary and tokenise; reuse `work` when it was made with the same options.

    Returns the tokenizer, the pairs and a summary for the model card. `options` holds `vocabulary`
    (pieces), `characters` (of each language, for the vocabulary) and `seed`.
    """
    stamp, arrays, vocabulary = work / "prepared.json", work / "pairs.npz", work / "tokenizer.json"
    wanted = {**options, "settings": settings.read_text(encoding="utf-8")}
    if stamp.exists():
        kept = json.loads(stamp.read_text(encoding="utf-8"))
        if kept["options"] == wanted:
            log(f"reusing {work}")
            return Tokenizer.from_file(str(vocabulary)), _load(arrays), kept["summary"]
    work.mkdir(parents=True, exist_ok=True)
    count = Decontamination()
    forbidden = evaluation_sides(evaluation)
    seen: set[int] = set()
    texts: list[tuple[Corpus, str, str]] = []
    used: dict[str, int] = {}
    for corpus in corpora(data, settings):
        before = len(texts)
        texts.extend((corpus, source, target) for source, target in read_pairs(corpus, forbidden, seen, count))
        used[corpus.path.name.removesuffix(".tsv.xz")] = len(texts) - before
    log(count.line())
    tokenizer = train_vocabulary(
        _sample(texts, options["seed"]),
        options["vocabulary"],
        {lang: options["characters"] // (2 if lang == "ja" else 1) for lang in LANGUAGES},
        options["seed"],
    )
    log(f"vocabulary of {tokenizer.get_vocab_size()} pieces")
    names = sorted({f"{corpus.source_lang}-{corpus.target_lang}" for corpus, _, _ in texts})
    source = Side(*_tokenise(tokenizer, [source for _, source, _ in texts]))
    target = Side(*_tokenise(tokenizer, [target for _, _, target in texts]))
    pairs = TrainingPairs(
        source,
        target,
        np.array([corpus.weight for corpus, _, _ in texts], dtype=np.float32),
        np.array([names.index(f"{corpus.source_lang}-{corpus.target_lang}") for corpus, _, _ in texts], dtype=np.int8),
        names,
    )
    summary = {"decontamination": count.line(), "pairs_used": len(texts), "pairs_by_file": used}
    tokenizer.save(str(vocabulary), pretty=False)
    np.savez(
        arrays,
        source_tokens=source.tokens, source_starts=source.starts, source_keys=source.keys,
        target_tokens=target.tokens, target_starts=target.starts, target_keys=target.keys,
        weight=pairs.weight, pair=pairs.pair, pair_names=np.array(names),
    )  # fmt: skip
    stamp.write_text(json.dumps({"options": wanted, "summary": summary}, ensure_ascii=False), encoding="utf-8")
    return tokenizer, pairs, summary


def _load(arrays: Path) -> TrainingPairs:
    with np.load(arrays) as kept:
        return TrainingPairs(
            Side(kept["source_tokens"], kept["source_starts"], kept["source_keys"]),
            Side(kept["target_tokens"], kept["target_starts"], kept["target_keys"]),
            kept["weight"],
            kept["pair"],
            [str(name) for name in kept["pair_names"]],
        )
