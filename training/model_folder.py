"""Token vectors → a model folder that sentence-transformers loads: as it is, or with bigrams by a module of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from align.hidden_layer import SCALE
from align.token_table import REACH, packed

STATIC = "sentence_transformers.sentence_transformer.modules.StaticEmbedding"
BIGRAM = "align.transformers_module.BigramEmbedding"
"""Modules of sentence-transformers that read a folder."""


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows as int8 (n, d) and one float32 scale a row (n,): row ≈ int8 · scale, off by at most half a scale."""
    scales = (np.abs(vectors).max(axis=1) / 127.0).astype(np.float32)
    scales[scales == 0] = 1.0  # a row of zeros stays one
    return np.rint(vectors / scales[:, None]).clip(-127, 127).astype(np.int8), scales


def quantised_matrices(matrices: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    """Matrices as int8 with a scale for each column, by the names that ``align.hidden_layer.scaled`` reads; vectors stay as they are."""
    held: dict[str, NDArray[np.generic]] = {}
    for name, matrix in matrices.items():
        if matrix.ndim == 2:
            columns, held[name + SCALE] = quantise(np.ascontiguousarray(matrix.T))
            held[name] = np.ascontiguousarray(columns.T)
        else:
            held[name] = np.ascontiguousarray(matrix)
    return held


def write_model(folder: Path, tokenizer: Tokenizer, vectors: NDArray[np.float32], card: str) -> None:
    """A sentence-transformers folder: StaticEmbedding, then Normalize.

    The weights are stored the way model2vec stores quantised ones (`embeddings` int8, `weights` one
    scale a row); StaticEmbedding of sentence-transformers 6 folds them back to float32 on loading.
    """
    quantised, scales = quantise(vectors)
    _write(folder, tokenizer, {"embeddings": quantised, "weights": scales}, STATIC, card)


def write_bigram_model(
    folder: Path,
    tokenizer: Tokenizer,
    levels: NDArray[np.uint8],
    scales: NDArray[np.float32],
    bigrams: NDArray[np.int64],
    layer: Mapping[str, NDArray[np.float32]],
    card: str,
) -> None:
    """A folder that ``align.embedding.StaticEncoder`` reads.

    `levels` (tokens + bigrams, d) are the numbers of the levels of ``align.token_table``, `scales` (tokens + bigrams,) the rows' scales, `bigrams` (n, 3) each one's
    first token, second token and distance, by distance, `layer` the tensors of ``align.hidden_layer.HiddenLayer``.
    """
    counts = np.bincount(bigrams[:, 2], minlength=REACH + 1)[1:].astype(np.int32)
    tensors: dict[str, NDArray[np.generic]] = {
        "embeddings": packed(levels),
        "weights": scales.astype(np.float16),
        "bigrams": bigrams[:, :2].astype(np.int32),
        "bigram_counts": counts,
        **quantised_matrices(layer),
    }
    _write(folder, tokenizer, tensors, BIGRAM, card)


def _write(
    folder: Path, tokenizer: Tokenizer, tensors: Mapping[str, NDArray[np.generic]], kind: str, card: str
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, str(folder / "model.safetensors")
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": kind},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Normalize",
            "type": "sentence_transformers.sentence_transformer.modules.Normalize",
        },
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    (folder / "1_Normalize").mkdir(exist_ok=True)
    (folder / "1_Normalize" / "config.json").write_text("{}\n", encoding="utf-8")
    settings: dict[str, object] = {"similarity_fn_name": "cosine", "prompts": {}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
