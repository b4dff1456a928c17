"""How good the aligner's logic is on Text+Berg, German and French alpine yearbooks, beside Vecalign's on the same vectors.

``python bench/textberg.py --data DIR`` prints and writes ``results/textberg.json``: strict bead F1 of the seven test
documents (Volk et al. 2010, as Sennrich & Volk 2010 aligned them by hand; ``DIR/textberg_de-fr/alignments.jsonl``).

The shipped model knows no French, so that this says nothing of the model. French words get vectors of our own making:
the mean of what the shipped model gives their translations in FreeDict's French-German, French-English and
French-Italian dictionaries (Debian: ``apt-get install dict-freedict-fra-deu dict-freedict-fra-eng
dict-freedict-fra-ita``), looked up as written or by simplemma's lemma; a word without a translation is read as it is
spelled. No alignment of these texts is used, and the aligner's weights are the shipped ones.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import simplemma
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from align.alignment_eval import Beads, Tally
from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.records import Vectors
from align.sentences import align_sentences
from align.vecalign import PERCENTILES, vecalign

HERE = Path(__file__).parent
DICTIONARIES = ("freedict-fra-deu", "freedict-fra-eng", "freedict-fra-ita")
WORD = r"\w+|[^\w\s]"
FRENCH = "_"
"""Stands before each French word, so that it is not taken for a German one."""
ELIDED = {"l": "le", "d": "de", "qu": "que", "n": "ne", "s": "se", "j": "je", "c": "ce", "m": "me", "t": "te"}
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
"""Of the numbers in a dictd index, base 64."""
UNRELATED = 16
"""Sentences of other documents that a document is set against, as many as the shipped background has."""
DRAWS = 5
"""Both aligners set a text against text at random: figures are those of so many draws together."""


def read_dictionary(base: Path) -> dict[str, list[str]]:
    """The translations by lower-cased headword of a dictd dictionary, ``base.index`` and ``base.dict.dz``."""
    content = gzip.decompress(base.with_suffix(".dict.dz").read_bytes())
    found: dict[str, list[str]] = {}
    for line in base.with_suffix(".index").read_text(encoding="utf-8").splitlines():
        word, start, size = line.split("\t")
        if not word.startswith("00database"):
            begin = _number(start)
            entry = content[begin : begin + _number(size)].decode("utf-8")
            found.setdefault(word.lower(), []).extend(_translations(entry))
    return found


def _number(written: str) -> int:
    total = 0
    for digit in written:
        total = 64 * total + DIGITS.index(digit)
    return total


def _translations(entry: str) -> Iterator[str]:
    """What stands in numbered lines, or in the one line after the headword; other lines define, in French."""
    lines = entry.strip().split("\n")[1:]
    numbered = [line.partition(". ")[2] for line in lines if re.match(r"\d+\. ", line)]
    return (part.strip() for line in numbered or lines[:1] for part in line.split(",") if part.strip())


class WordVectors:
    """The vectors of German words by the shipped model, and of French ones by their translations."""

    def __init__(self, dictionaries: Sequence[dict[str, list[str]]]) -> None:
        self._shipped = StaticEncoder(SHIPPED_MODEL)
        self._dictionaries = dictionaries
        self.asked = self.translated = 0

    def german(self, text: str) -> Vectors:
        """(d,) the sum of the vectors of a text's tokens."""
        [ids] = self._shipped.token_ids([text])
        rows = self._shipped.rows(ids) if ids else np.zeros((1, self._shipped.dimension), np.float32)
        return np.asarray(rows.sum(axis=0))

    def french(self, word: str) -> Vectors:
        """(d,) the mean over the dictionaries of the mean direction of a word's translations, as long as they are."""
        low = word.lower()
        forms = (low, ELIDED.get(low, low), simplemma.lemmatize(low, lang="fr").lower())
        means = []
        for dictionary in self._dictionaries:
            if told := next((dictionary[form] for form in forms if dictionary.get(form)), None):
                rows = np.stack([self.german(translation) for translation in told])
                means.append(_as_long(rows.mean(axis=0), float(np.linalg.norm(rows, axis=1).mean())))
        self.asked += 1
        self.translated += bool(means)
        if not means:
            return self.german(word)
        return _as_long(np.mean(means, axis=0), float(np.mean([np.linalg.norm(mean) for mean in means])))


def _as_long(row: Vectors, length: float) -> Vectors:
    return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9) * length)


def make_encoder(texts: Sequence[str], vectors: WordVectors, folder: Path) -> StaticEncoder:
    """A static model in `folder` of all words in `texts`."""
    words = sorted({word for text in texts for word in re.findall(WORD, text)})
    rows = [vectors.french(word[1:]) if word[0] == FRENCH and word[1:] else vectors.german(word) for word in words]
    vocabulary = {word: number for number, word in enumerate([*words, "[UNK]"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.stack([*rows, np.zeros_like(rows[0])]).astype(np.float32)
    save_file({"embedding.weight": table}, str(folder / "model.safetensors"))
    return StaticEncoder(folder)


def marked(text: str) -> str:
    """A French text with `FRENCH` before each word."""
    return re.sub(r"\w+", lambda word: FRENCH + word.group(), text)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python bench/textberg.py", description="Measure the aligner on Text+Berg.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public evaluation sets")
    parser.add_argument("--dictionaries", type=Path, default=Path("/usr/share/dictd"))
    options = parser.parse_args()
    lines = (options.data / "textberg_de-fr" / "alignments.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    for document in documents:
        document["fr"] = [marked(text) for text in document["fr"]]
    vectors = WordVectors([read_dictionary(options.dictionaries / name) for name in DICTIONARIES])
    ours = [Tally() for _ in range(DRAWS)]
    peers = {percentile: [Tally() for _ in range(DRAWS)] for percentile in PERCENTILES}
    with tempfile.TemporaryDirectory() as folder:
        texts = [text for document in documents for text in (*document["de"], *document["fr"])]
        encoder = make_encoder(texts, vectors, Path(folder))
        for document, draw in itertools.product(documents, range(DRAWS)):
            if document["split"] != "test":
                continue
            chance = random.Random(f"{document['doc']} {draw}")
            others = [other for other in documents if other is not document]
            de, fr = ([chance.choice(chance.choice(others)[lang]) for _ in range(UNRELATED)] for lang in ("de", "fr"))
            expected = _matched([(tuple(a), tuple(b)) for a, b in document["gold"]])
            alignment = align_sentences(document["de"], document["fr"], ("de", "fr"), encoder, unrelated=(de, fr))
            ours[draw].add(_matched([(bead.a, bead.b) for bead in alignment.beads]), expected)
            for percentile, tallies in peers.items():
                found = vecalign(document["de"], document["fr"], encoder, percentile, draw)
                tallies[draw].add(_matched(found), expected)
    best = max(peers, key=lambda percentile: sum(tally.f1 for tally in peers[percentile]))
    result = {
        "model": StaticEncoder(SHIPPED_MODEL).fingerprint,
        "beads": ours[0].expected,
        "draws": DRAWS,
        "french_words_with_a_translation": f"{vectors.translated} of {vectors.asked}",
        "ours": _figures(ours),
        "vecalign_percentile_0.2": _figures(peers[PERCENTILES[0]]),
        f"vecalign_best_percentile_{best}": _figures(peers[best]),
    }
    print(json.dumps(result, indent=1))
    (HERE / "results" / "textberg.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _matched(beads: Beads) -> set[object]:
    """The beads with text on both sides."""
    return {bead for bead in beads if all(bead)}


def _figures(tallies: Sequence[Tally]) -> dict[str, float]:
    """The means over the draws in percent, and the least and greatest F1."""
    found = {
        name: round(sum(getattr(tally, name) for tally in tallies) / len(tallies), 1)
        for name in ("precision", "recall", "f1")
    }
    scores = [round(tally.f1, 1) for tally in tallies]
    return {**found, "least_f1": min(scores), "greatest_f1": max(scores)}


if __name__ == "__main__":
    main()
