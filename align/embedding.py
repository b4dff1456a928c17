"""Texts → vectors: our own light reader for static models, and sentence-transformers for any other.

The light reader needs tokenizers and numpy alone, so that a command starts in a fraction of a second;
importing sentence-transformers takes seconds and hundreds of megabytes, so it happens only where a
model really needs it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from align.errors import InputError
from align.hidden_layer import HiddenLayer
from align.records import Vectors
from align.threads import THREADS
from align.token_table import Bigrams, TokenTable

log = logging.getLogger("samestory")

SHIPPED_MODEL = Path(__file__).with_name("models") / "samestory-static"
CONTEXTUAL_MODEL = SHIPPED_MODEL.with_name("samestory-contextual")
BATCH = 1024
POOLED = 32
"""Texts pooled at a time in a small call: few enough that their token vectors stay in the processor's cache."""
LARGE = 256
"""Texts in a call from which scipy pools, so many at a time: a third of numpy's time, but its import takes longer than a small command."""
REMEMBERED = 200_000
"""Words whose pieces the tokenizer remembers, some 20 MB when full; its default of 10,000 holds one language's news."""
RECENT = 4096
"""About so many texts are remembered with their pieces: an item's sentences are embedded, and then described."""


class Encoder(Protocol):
    """What turns texts into vectors. `name` says which model; `fingerprint` which exact weights."""

    name: str
    fingerprint: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimension), float32, rows of unit length.

        Raises InputError naming the position of a text without a single letter, digit or sign.
        """
        ...


def weights_digest(*paths: Path) -> str:
    """What tells one model's files from another's."""
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        with path.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _refuse_blank(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"text {number + 1} of {len(texts)} is blank and has no vector; leave it out")


class StaticEncoder:
    """The sum of a text's token vectors, of unit length: a static model's folder, read without torch.

    Reads a StaticEmbedding folder, and gives the vectors that ``SentenceTransformer(folder)`` gives. Where the folder has them, to the sum come the vectors
    of the text's bigrams (``align.token_table``), and to the sum's direction what a hidden layer sees in it (``align.hidden_layer``). A text of any length is embedded whole.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open
        from tokenizers import Tokenizer

        weights, vocabulary = folder / "model.safetensors", folder / "tokenizer.json"
        for path in (weights, vocabulary):
            if not path.exists():
                raise InputError(f"{path}: no such file; {folder} is not a static model folder")
        self.tokenizer = Tokenizer.from_file(str(vocabulary))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        if hasattr(self.tokenizer.model, "_resize_cache"):  # a word-level model has none
            self.tokenizer.model._resize_cache(REMEMBERED)
        with safe_open(str(weights), framework="numpy") as held:
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 - no dict
        self._table = TokenTable(tensors)
        n_rows, self.dimension = self._table.shape
        self.bigrams = Bigrams.of(tensors, n_rows)
        self.head = HiddenLayer.of(tensors)
        self._recent: dict[str, list[int]] = {}
        self.name = folder.name
        self.fingerprint = weights_digest(weights, vocabulary)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The piece ids of each text."""
        if len(self._recent) > RECENT:
            self._recent = {}
        recent = self._recent  # another thread may begin a new one meanwhile
        fresh = [text for text in dict.fromkeys(texts) if text not in recent]
        encodings = self.tokenizer.encode_batch_fast(fresh, add_special_tokens=False)
        recent.update((text, encoding.ids) for text, encoding in zip(fresh, encodings, strict=True))
        return [recent[text] for text in texts]

    def rows(self, ids: Sequence[int] | NDArray[np.int64]) -> Vectors:
        """Token vectors (len(ids), d), not normalised: their lengths are the weights that training gave them. Those of bigrams come after the tokens'."""
        return self._table.rows(ids)

    def unit_rows(self, ids: Sequence[int] | NDArray[np.int32]) -> Vectors:
        """Token vectors (len(ids), d) of unit length; a row of zeros stays one."""
        return unit_rows(self.rows(np.asarray(ids, dtype=np.int64)))

    def encode(self, texts: Sequence[str]) -> Vectors:
        _refuse_blank(texts)
        out = np.empty((len(texts), self.dimension), dtype=np.float32)
        many = len(texts) >= LARGE
        with ThreadPoolExecutor(THREADS) if many else nullcontext() as beside:
            for start in range(0, len(texts), BATCH):
                flat, bounds = end_to_end(self.token_ids(texts[start : start + BATCH]))
                if not (lengths := np.diff(bounds)).all():
                    number = start + int(np.flatnonzero(lengths == 0)[0])
                    raise InputError(
                        f"text {number + 1} of {len(texts)} ({texts[number][:40]!r}) has no token and so no vector; leave it out"
                    )
                parts = [bounds[first : first + LARGE + 1] for first in range(0, len(lengths), LARGE)]
                tokens = [flat[part[0] : part[-1]] for part in parts]
                found = (beside.map if beside else map)(
                    self._vectors, tokens, [part - part[0] for part in parts], itertools.repeat(many)
                )
                np.concatenate(list(found), out=out[start : start + len(lengths)])
        return out

    def sums(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """The sums (n, d) of the vectors of texts' tokens and bigrams, not normalised; zeros for a text without a token."""
        held = np.flatnonzero([len(own) for own in ids])
        found = np.zeros((len(ids), self.dimension), dtype=np.float32)
        for start in range(0, len(held), LARGE):
            part = held[start : start + LARGE]
            found[part] = self._sums(*end_to_end([ids[number] for number in part]), len(held) >= LARGE)
        return found

    def finished(self, sums: Vectors) -> Vectors:
        """Vectors (n, d) of unit length from sums (n, d) of token vectors, those of any number of texts together; zeros stay zeros."""
        vectors = unit_rows(sums)
        if self.head is not None:
            vectors = unit_rows(vectors + self.head.added(vectors))
            vectors[~sums.any(axis=1)] = 0.0
        return vectors

    def _vectors(self, flat: NDArray[np.int64], bounds: NDArray[np.int64], many: bool) -> Vectors:
        """Vectors (n, d) of unit length of n texts of a call with `many`; text i has the tokens ``flat[bounds[i]:bounds[i + 1]]``, at least one."""
        return self.finished(self._sums(flat, bounds, many))

    def _sums(self, flat: NDArray[np.int64], bounds: NDArray[np.int64], many: bool) -> Vectors:
        if self.bigrams:
            flat, bounds = self.bigrams.joined(flat, bounds)
        return self._table.sums(flat, bounds) if many else self._sums_of_few(flat, bounds)

    def _sums_of_few(self, flat: NDArray[np.int64], bounds: NDArray[np.int64]) -> Vectors:
        """Row by row, as the sparse product adds them: the same to the last bit."""
        sums = np.empty((len(bounds) - 1, self.dimension), dtype=np.float32)
        for part in range(0, len(sums), POOLED):
            rows = self.rows(flat[bounds[part] : bounds[min(part + POOLED, len(sums))]])
            for number in range(part, min(part + POOLED, len(sums))):
                start, end = bounds[number : number + 2] - bounds[part]
                np.add.reduce(rows[start:end], axis=0, out=sums[number])
        return sums


def end_to_end(ids: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens of n texts one after the other, and where each text begins and the last one ends (n + 1,)."""
    bounds = np.concatenate([[0], np.cumsum(np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))])
    return np.fromiter(itertools.chain.from_iterable(ids), dtype=np.int64, count=int(bounds[-1])), bounds


def unit_rows(vectors: Vectors) -> Vectors:
    """The same rows (n, d) of unit length; one of zeros stays one."""
    found: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found


class SentenceTransformerEncoder:
    """Any sentence-transformers model by name or path: LaBSE, e5, bge-m3.

    A text longer than the model's window is embedded from its beginning, as the model does it, and
    a warning counts those texts.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise InputError(f"model {name!r} needs sentence-transformers: pip install 'samestory[models]'") from error
        # The library reports every retry of a name it cannot reach; the error below says it once.
        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
        try:
            self._model = SentenceTransformer(name, device="cpu")
        except (OSError, ValueError) as error:
            raise InputError(
                f"model {name!r} cannot be loaded ({str(error).splitlines()[0]}); give a folder, or a name that your network can reach"
            ) from error
        self.name = name
        dimension = self._model.get_embedding_dimension()
        self.dimension = int(dimension or len(self._model.encode("a")))
        state = hashlib.blake2b(json.dumps([name, self.dimension]).encode(), digest_size=8)
        for key, value in sorted(self._model.state_dict().items()):
            state.update(key.encode() + value.detach().float().flatten()[:64].numpy().tobytes())
        self.fingerprint = state.hexdigest()

    def encode(self, texts: Sequence[str]) -> Vectors:
        _refuse_blank(texts)
        self._warn_of_truncation(texts)
        found: Any = self._model.encode(
            list(texts), batch_size=64, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, dtype=np.float32)

    def _warn_of_truncation(self, texts: Sequence[str]) -> None:
        window = self._model.max_seq_length
        if window is None or window == float("inf"):
            return
        long = [text for text in texts if len(text) > window]  # a token has at least one character
        cut = sum(len(self._model.tokenizer(text, truncation=False)["input_ids"]) > window for text in long)
        if cut:
            log.warning(
                "%d of %d texts are longer than the %d tokens that %s reads; their ends are not in the vectors",
                cut,
                len(texts),
                window,
                self.name,
            )


def is_static_folder(folder: Path) -> bool:
    """Whether `folder` holds a StaticEmbedding, or a model with bigrams, that the light reader reads."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return False
    kinds = [entry["type"].rsplit(".", 1)[-1] for entry in json.loads(modules.read_text(encoding="utf-8"))]
    return kinds[:1] in (["StaticEmbedding"], ["BigramEmbedding"]) and kinds[1:] in ([], ["Normalize"])


def is_contextual_folder(folder: Path) -> bool:
    """Whether `folder` holds a contextual tier: weights that name the static model they were trained over."""
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return False
    from safetensors import safe_open

    with safe_open(str(weights), framework="numpy") as tensors:
        return "base" in (tensors.metadata() or {})


def load_encoder(model: str | None = None) -> Encoder:
    """The encoder of the model named, of SAMESTORY_MODEL, or of the shipped one.

    ``samestory-contextual`` is the shipped one's contextual tier. A folder that holds a StaticEmbedding or a contextual tier
    goes to a light reader, anything else to sentence-transformers. Raises InputError if there is no such model.
    """
    name = model or os.environ.get("SAMESTORY_MODEL") or ""
    if not name or name == SHIPPED_MODEL.name:
        return StaticEncoder(SHIPPED_MODEL)
    folder = CONTEXTUAL_MODEL if name == CONTEXTUAL_MODEL.name else Path(name)
    if is_static_folder(folder):
        return StaticEncoder(folder)
    if is_contextual_folder(folder):
        from align.contextual import ContextualEncoder

        return ContextualEncoder(folder, SHIPPED_MODEL)
    if not folder.is_dir() and (folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1):
        raise InputError(
            f"model {name!r}: no such folder; give a model folder, or a sentence-transformers name such as sentence-transformers/LaBSE"
        )
    return SentenceTransformerEncoder(name)
