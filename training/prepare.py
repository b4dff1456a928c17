"""Pairs → token arrays, kept on disk so that a training run starts at once."""

from __future__ import annotations

import hashlib
import json
import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from align.embedding import REMEMBERED
from training.bridging import bridge
from training.development import Text, cut_development, write_development
from training.ensemble import chosen, write_texts
from training.pairs import LANGUAGES, Decontamination, comparable, corpora, evaluation_sides, log, read_pairs
from training.segmentation import segmenter
from training.teacher import lessons, taught, teacher_folder
from training.vocabulary import train_vocabulary

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
DEVELOPMENT = "development.tsv"
"""The file of the development pairs in the work folder."""
ARRAYS = "pairs.npz"
READ = "read.jsonl"
"""The file of the texts that the ensemble reads, in the work folder."""
WORD_LISTS = {"jmdict_common", "jmdict_rare", "jmnedict_surname", "jmnedict_place"}
"""Corpora whose Japanese texts are words already."""


@dataclass
class Side:
    """The token ids of n texts, end to end: text i is ``tokens[starts[i]:starts[i + 1]]``; starts is (n + 1,)."""

    tokens: Int32
    starts: Int64
    keys: Int64  # (n,) one number a distinct text, to tell a repeated text from a negative
    lesson: Int32  # (n,) the row of the teacher's vector to which the text is drawn, or -1
    read: Int32  # (n,) the text's number among those that the ensemble reads, or -1


@dataclass
class TrainingPairs:
    """n pairs as tokens, with each pair's draw weight (n,) and language pair (n,), an index in `pair_names`, and the teacher's vectors (m, d)."""

    source: Side
    target: Side
    weight: NDArray[np.float32]
    pair: NDArray[np.int8]
    pair_names: list[str]
    teacher: NDArray[np.float16]


def _tokenise(tokenizer: Tokenizer, texts: list[str]) -> tuple[Int32, Int64, Int64]:
    tokenizer.model._resize_cache(REMEMBERED)
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


def _sample(texts: Sequence[Text], weights: dict[str, float], seed: int) -> dict[str, list[str]]:
    """The vocabulary's sample: each language's distinct texts, each as often as its corpus's weight says.

    Japanese comes as words with spaces between, except where a corpus lists words.
    """
    words = segmenter() if any("ja" in (corpus.source_lang, corpus.target_lang) for corpus, _, _ in texts) else str
    chance = random.Random(seed)
    by_lang: dict[str, list[str]] = {lang: [] for lang in LANGUAGES}
    drawn: set[tuple[str, str]] = set()
    for corpus, *sides in texts:
        for lang, text in zip((corpus.source_lang, corpus.target_lang), sides, strict=True):
            if (lang, text) not in drawn:
                drawn.add((lang, text))
                weight = weights.get(f"{corpus.name}.{lang}", weights.get(corpus.name, weights["default"]))
                times = int(weight) + (chance.random() < weight % 1)
                if times:
                    shown = words(text) if lang == "ja" and corpus.name not in WORD_LISTS else text
                    by_lang[lang] += [shown] * times
    return by_lang


def prepare(
    data: Sequence[Path],
    evaluation: Path,
    settings: Path,
    work: Path,
    options: dict[str, Any],
    ready: Path | None = None,
) -> tuple[Tokenizer, TrainingPairs, dict[str, Any]]:
    """Read, decontaminate, cut the development pairs, bridge, build the vocabulary and tokenise.

    Reuses `work` when it was made with the same options. Returns the tokenizer, the pairs and a summary for the
    model card. `options` holds `vocabulary` (pieces), `characters` (of each spaced language, for the vocabulary),
    `teaching` (0: no teacher) and `seed`. `ready` is a tokenizer to take instead of building one.
    """
    stamp, arrays, vocabulary = work / "prepared.json", work / ARRAYS, work / "tokenizer.json"
    learned = "learned" if ready is None else hashlib.blake2b(ready.read_bytes(), digest_size=8).hexdigest()
    wanted = {**options, "tokenizer": learned, "settings": settings.read_text(encoding="utf-8")}
    if stamp.exists():
        kept = json.loads(stamp.read_text(encoding="utf-8"))
        if kept["options"] == wanted:
            log(f"reusing {work}")
            return Tokenizer.from_file(str(vocabulary)), _load(arrays), kept["summary"]
    work.mkdir(parents=True, exist_ok=True)
    if options["teaching"]:
        teacher_folder()
    tables = tomllib.loads(wanted["settings"])
    count = Decontamination()
    forbidden = evaluation_sides(evaluation)
    seen: set[int] = set()
    texts: list[Text] = []
    used: dict[str, int] = {}
    for corpus in corpora(data, settings):
        before = len(texts)
        texts.extend((corpus, source, target) for source, target in read_pairs(corpus, forbidden, seen, count))
        used[corpus.path.name.removesuffix(".tsv.xz")] = len(texts) - before
    texts, development = cut_development(texts)
    write_development(work / DEVELOPMENT, development)
    implied = bridge(texts)
    log(f"{count.line()}; {len(development)} kept for development; {len(implied)} more by bridging")
    if ready is not None:
        tokenizer = Tokenizer.from_file(str(ready))
    else:
        tokenizer = train_vocabulary(
            _sample(texts, tables.get("vocabulary", {"default": 1.0}), options["seed"]),
            options["vocabulary"],
            {lang: options["characters"] // (2 if lang == "ja" else 1) for lang in LANGUAGES},
            options["seed"],
        )
    tokenizer.save(str(vocabulary), pretty=False)
    log(f"vocabulary of {tokenizer.get_vocab_size()} pieces, in {vocabulary}")
    texts += implied
    names = sorted({f"{corpus.source_lang}-{corpus.target_lang}" for corpus, _, _ in texts})
    english = taught(texts, tables.get("teacher", {})) if options["teaching"] else {}
    places = {key: number for number, key in enumerate(english)}
    # A pair is drawn to what the teacher says of its English side, both texts alike.
    lesson = np.array(
        [
            places.get(comparable(source), -1) if places and corpus.source_lang == "en" else -1
            for corpus, source, _ in texts
        ],
        dtype=np.int32,
    )
    read = chosen(texts[: len(texts) - len(implied)], tables.get("ensemble", {}))
    write_texts(work / READ, read)
    numbers = {text: number for number, text in enumerate(read)}

    def side(texts: list[str]) -> Side:
        return Side(
            *_tokenise(tokenizer, texts), lesson, np.array([numbers.get(text, -1) for text in texts], dtype=np.int32)
        )

    pairs = TrainingPairs(
        side([source for _, source, _ in texts]),
        side([target for _, _, target in texts]),
        np.array([corpus.weight for corpus, _, _ in texts], dtype=np.float32),
        np.array([names.index(f"{corpus.source_lang}-{corpus.target_lang}") for corpus, _, _ in texts], dtype=np.int8),
        names,
        lessons(english, work / "teacher.npz"),
    )
    summary = {
        "decontamination": count.line(),
        "development": len(development),
        "bridged": len(implied),
        "taught": len(english),
        "pairs_used": len(texts),
        "pairs_by_file": used,
    }
    save_pairs(arrays, pairs)
    stamp.write_text(json.dumps({"options": wanted, "summary": summary}, ensure_ascii=False), encoding="utf-8")
    return tokenizer, pairs, summary


def save_pairs(path: Path, pairs: TrainingPairs) -> None:
    """Write what `prepared` reads."""
    sides = {
        f"{name}_{part}": array
        for name, side in (("source", pairs.source), ("target", pairs.target))
        for part, array in vars(side).items()
    }
    names = np.array(pairs.pair_names)
    np.savez(path, **sides, weight=pairs.weight, pair=pairs.pair, pair_names=names, teacher=pairs.teacher)


def prepared(work: Path, tokenizer: Path) -> TrainingPairs:
    """The pairs that `prepare` left in `work`; ends the program where there are none, or another tokenizer's."""
    if not (work / ARRAYS).is_file():
        raise SystemExit(f"{work / ARRAYS}: no such file; `python -m training` prepares the pairs")
    if (work / "tokenizer.json").read_bytes() != tokenizer.read_bytes():
        raise SystemExit(f"{work}: its pairs are in the pieces of another tokenizer than {tokenizer}")
    return _load(work / ARRAYS)


def _load(arrays: Path) -> TrainingPairs:
    with np.load(arrays) as kept:
        if "source_read" not in kept:
            raise SystemExit(
                f"{arrays}: prepared by an earlier version; delete its folder and run `python -m training`"
            )
        source, target = (
            Side(**{field.name: kept[f"{name}_{field.name}"] for field in fields(Side)})
            for name in ("source", "target")
        )
        names = [str(name) for name in kept["pair_names"]]
        return TrainingPairs(source, target, kept["weight"], kept["pair"], names, kept["teacher"])
