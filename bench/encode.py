"""How fast texts become vectors: samestory's reader beside sentence-transformers, in one run.

Four ways on the same sentences, in batches of 1,024: the shipped model by samestory's own reader; its contextual tier; the
shipped token vectors, without bigrams and hidden layer, by sentence-transformers' StaticEmbedding; and a transformer of multilingual-e5-small's size (12 layers, 384 wide, 12
heads; random weights, which cost the same time) fed with the shipped tokenizer's pieces. The sentences are those of the
bundled stories. Prints and writes ``results/encode.json``: sentences a second by wall and by processor time (other
work on the machine disturbs the first more), and the ratios.
"""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from align.embedding import BATCH, CONTEXTUAL_MODEL, SHIPPED_MODEL, StaticEncoder, load_encoder
from align.reading import read
from align.records import Rejection
from align.splitting import split_sentences

HERE = Path(__file__).parent
LEAST, MOST = 60, 400
"""Characters of a sentence that counts as an average news sentence; half of both in Japanese."""


def sentences() -> list[str]:
    """Sentences of the bundled stories in the four languages, each once."""
    found: dict[str, None] = {}
    for document in read([HERE.parent / "seeds"]):
        if isinstance(document, Rejection):
            continue
        lang = document.name.split(".")[-1] if "." in document.name else "en"
        for start, end in split_sentences(document.text, lang):
            text = document.text[start:end]
            share = 0.5 if any("\u3040" <= character <= "\u30ff" for character in text) else 1.0
            if LEAST * share <= len(text) <= MOST * share:
                found[text] = None
    return list(found)


def pace(encode: Callable[[Sequence[str]], object], texts: Sequence[str], runs: int) -> dict[str, float]:
    """Sentences a second, wall and processor time, the best of some runs after a warm-up. Each run's texts are new: texts are remembered."""
    encode(texts[:64])
    wall, cpu = [], []
    for run in range(runs):
        fresh = [f"{text} {run}" for text in texts]
        started, worked = time.perf_counter(), time.process_time()
        for first in range(0, len(fresh), BATCH):
            encode(fresh[first : first + BATCH])
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - worked)
    return {
        "per_second": round(len(texts) / min(wall)),
        "per_processor_second": round(len(texts) / min(cpu)),
    }


def static(encoder: StaticEncoder) -> Callable[[Sequence[str]], object]:
    """The encode of sentence-transformers' own static path, over the same pieces and token vectors: the mean, of unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    rows = encoder.rows(np.arange(encoder.tokenizer.get_vocab_size()))
    tokenizer = Tokenizer.from_file(str(SHIPPED_MODEL / "tokenizer.json"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows), Normalize()], device="cpu")
    return lambda texts: model.encode(list(texts), batch_size=BATCH, show_progress_bar=False)


def transformer() -> Callable[[Sequence[str]], object]:
    """The encode of an untrained transformer of e5-small's size, mean-pooled."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = StaticEncoder(SHIPPED_MODEL).tokenizer
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    model = BertModel(config).eval()

    def encode(texts: Sequence[str]) -> object:
        ids = [encoding.ids[:510] for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        vectors = np.zeros((len(ids), 384), dtype=np.float32)
        with torch.inference_mode():
            for first in range(0, len(order), 64):
                part = order[first : first + 64]
                longest = len(ids[part[-1]])
                batch = torch.zeros((len(part), longest), dtype=torch.long)
                mask = torch.zeros((len(part), longest))
                for row, number in enumerate(part):
                    batch[row, : len(ids[number])] = torch.tensor(ids[number])
                    mask[row, : len(ids[number])] = 1
                states = model(input_ids=batch, attention_mask=mask).last_hidden_state
                vectors[part] = ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
        return vectors

    return encode


def main() -> None:
    """Measure, print, write."""
    warnings.simplefilter("ignore")
    texts = sentences()
    ours = StaticEncoder(SHIPPED_MODEL)
    found = {
        "samestory": pace(ours.encode, texts, 7),
        "samestory_contextual": pace(load_encoder(CONTEXTUAL_MODEL.name).encode, texts, 5),
        "sentence_transformers_static": pace(static(ours), texts, 5),
        "transformer_of_e5_small_size": pace(transformer(), texts[:128], 1),
    }
    own = found["samestory"]
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "sentences": len(texts),
        "pieces_per_sentence": round(sum(map(len, ours.token_ids(texts))) / len(texts), 1),
        **found,
        "faster_than": {
            name: round(own["per_processor_second"] / other["per_processor_second"], 1)
            for name, other in found.items()
            if name != "samestory"
        },
    }
    print(json.dumps(result, indent=1))
    (HERE / "results" / "encode.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
