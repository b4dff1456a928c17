"""``python -m training.moved``: choose how sure the aligner must be of a moved sentence.

Prints precision, recall and F1 of moved sentence pairs by the least score asked for, on training documents that
were cut, merged and reordered with another seed than the aligner's weights were fitted on; nothing is written.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from align.alignment_eval import Tally, linked, moved_pair
from align.embedding import load_encoder
from align.sentences import align_sentences
from training.aligner import CORPORA, documents

LEAST = (2.0, 3.0, 4.0, 5.0)


def main() -> None:
    """Print a line for each score."""
    parser = argparse.ArgumentParser(prog="python -m training.moved", description="Moved sentences by the least score.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/parallel"))
    parser.add_argument("--model", default=None, help="model folder; the shipped one if left out")
    parser.add_argument("--documents", type=int, default=24, help="of each language pair")
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    encoder = load_encoder(options.model)
    tallies = {least: Tally() for least in LEAST}
    for pair in CORPORA:
        lang_a, lang_b = pair.split("-")
        chance = random.Random(f"{options.seed} {pair}")
        for document in documents(options.data, pair, options.documents, options.seed):
            reordered = moved_pair(document, chance)
            for least, tally in tallies.items():
                found = align_sentences(reordered.a, reordered.b, (lang_a, lang_b), encoder, least).moved
                tally.add(linked([(bead.a, bead.b) for bead in found]), linked(reordered.moved))
    print("least  precision  recall  F1")
    for least, tally in tallies.items():
        print(f"{least:5.1f}  {tally.precision:9.1f}  {tally.recall:6.1f}  {tally.f1:.1f}")


if __name__ == "__main__":
    main()
