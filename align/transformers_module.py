"""What sentence-transformers loads a model folder with bigrams by: ``SentenceTransformer(folder)`` gives the vectors that samestory gives.

The folder's ``modules.json`` names this class, so samestory must be installed beside sentence-transformers. It reads and does not train.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules.input_module import InputModule

from align.embedding import StaticEncoder


class BigramEmbedding(InputModule):
    """A ``StaticEncoder`` as a module that takes texts."""

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = folder
        self.encoder = StaticEncoder(folder)
        self.tokenizer = self.encoder.tokenizer

    def preprocess(self, inputs: Any, prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """The vectors (n, d) of texts, worked out here already: the encoder goes from text to vector in one step."""
        texts = self._prepend_prompt(inputs, prompt) if prompt else inputs
        return {"vectors": torch.from_numpy(self.encoder.encode(texts))}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        features["sentence_embedding"] = features["vectors"]
        return features

    @property
    def max_seq_length(self) -> float:
        """A text of any length is embedded whole."""
        return float("inf")

    def get_embedding_dimension(self) -> int:
        return int(self.encoder.dimension)

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Copy the folder's weights and pieces."""
        for name in ("model.safetensors", "tokenizer.json"):
            (Path(output_path) / name).write_bytes((self.folder / name).read_bytes())

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", *_: Any, **__: Any) -> BigramEmbedding:
        """Read a folder; raises InputError where it holds no such model."""
        return cls(Path(model_name_or_path) / subfolder)
