"""Token vectors → a model folder that sentence-transformers loads as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows as int8 (n, d) and one float32 scale a row (n,): row ≈ int8 · scale, off by at most half a scale."""
    scales = (np.abs(vectors).max(axis=1) / 127.0).astype(np.float32)
    scales[scales == 0] = 1.0  # a row of zeros stays one
    return np.rint(vectors / scales[:, None]).clip(-127, 127).astype(np.int8), scales


def write_model(folder: Path, tokenizer: Tokenizer, vectors: NDArray[np.float32], card: str) -> None:
    """A sentence-transformers folder: StaticEmbedding, then Normalize.

    The weights are stored the way model2vec stores quantised ones (`embeddings` int8, `weights` one
    scale a row); StaticEmbedding of sentence-transformers 6 folds them back to float32 on loading.
    """
    folder.mkdir(parents=True, exist_ok=True)
    quantised, scales = quantise(vectors)
    save_file({"embeddings": quantised, "weights": scales}, str(folder / "model.safetensors"))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    modules = [
        {
            "idx": 0,
            "name": "0",
            "path": "",
            "type": "sentence_transformers.sentence_transformer.modules.StaticEmbedding",
        },
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
