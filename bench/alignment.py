"""How fast sentences are aligned: documents of 40 sentences, and one pair of 10,000, beside Vecalign's costs on the same vectors.

``python bench/alignment.py`` prints and writes ``results/alignment.json``: CPU seconds of one process, vectors
included, and its peak memory. The texts are made from the aligner's own background sentences, numbered and
shuffled, so that nothing outside the repository is needed.
"""

from __future__ import annotations

import os

# One thread: what one core does, undisturbed by threads that wait for one another.
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import json
import platform
import random
import resource
import time
from pathlib import Path

from align.alignment_eval import CutPair, Cutting, cut_pair
from align.bead_scores import background
from align.embedding import load_encoder
from align.sentences import align_sentences
from align.vecalign import vecalign

HERE = Path(__file__).parent
DOCUMENTS = 200
SENTENCES = 40
LONG = 10_000


def document(size: int, seed: int) -> CutPair:
    """An English and a German text of about `size` sentences, cut and merged."""
    chance = random.Random(seed)
    base = list(zip(background()["en"], background()["de"], strict=True))
    pairs = []
    for number in range(size):
        mark = (number + 1) * 7919 % 999_983
        first, second = chance.choice(base)
        pairs.append((f"{first[:-1]}, case {mark}.", f"{second[:-1]}, Fall {mark}."))
    return cut_pair(pairs, [], ("en", "de"), chance, Cutting(0.02, 0.05, 0.0))


def main() -> None:
    """Measure, print, write."""
    encoder = load_encoder()
    align_sentences(["A first text."], ["Ein erster Text."], ("en", "de"), encoder)
    documents = [document(SENTENCES, seed) for seed in range(DOCUMENTS)]
    wall, started = time.perf_counter(), time.process_time()
    for pair in documents:
        align_sentences(pair.a, pair.b, ("en", "de"), encoder)
    ours, wall = time.process_time() - started, time.perf_counter() - wall
    started = time.process_time()
    for pair in documents:
        vecalign(pair.a, pair.b, encoder)
    peer = time.process_time() - started
    long = document(LONG, 1)
    long_wall, started = time.perf_counter(), time.process_time()
    align_sentences(long.a, long.b, ("en", "de"), encoder)
    long_cpu, long_wall = time.process_time() - started, time.perf_counter() - long_wall
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "documents": DOCUMENTS,
        "sentences_a_document": SENTENCES,
        "cpu_seconds_for_1000_documents": round(ours * 1000 / DOCUMENTS, 1),
        "wall_seconds_for_1000_documents_one_process": round(wall * 1000 / DOCUMENTS, 1),
        "cpu_over_vecalign": round(ours / peer, 2),
        "long_pair": [len(long.a), len(long.b)],
        "long_pair_cpu_seconds": round(long_cpu, 1),
        "long_pair_wall_seconds": round(long_wall, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }
    print(json.dumps(result, indent=1))
    (HERE / "results" / "alignment.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
