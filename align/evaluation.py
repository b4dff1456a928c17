"""How good the model and the clusters are, measured: the benchmark behind ``samestory eval``.

Retrieval is bitext retrieval as MTEB counts it: each source sentence's nearest target by plain
cosine, accuracy in percent. Clusters are judged by B-cubed (Bagga & Baldwin 1998).
"""

from __future__ import annotations

import csv
import itertools
import time
import tomllib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np

from align.alignment_eval import evaluate_alignment
from align.embedding import Encoder
from align.errors import InputError
from align.figures import Figure
from align.memories import read_tmx
from align.records import Vectors
from align.vectors import unit

LANGUAGES = ("en", "de", "it", "ja")

# MTEB's published figures, accuracy in percent on Tatoeba v1, x→en.
PUBLISHED_TATOEBA: dict[str, dict[str, float]] = {
    "LaBSE (471M)": {"de": 99.4, "it": 94.0, "ja": 96.5},
    "multilingual-e5-large (560M)": {"de": 99.3, "it": 94.6, "ja": 96.4},
    "multilingual-e5-small (118M)": {"de": 98.0, "it": 90.9, "ja": 87.5},
    "paraphrase-multilingual-MiniLM-L12-v2 (118M)": {"de": 97.7, "it": 94.5, "ja": 92.5},
    "static-similarity-mrl-multilingual-v1 (108M static)": {"de": 96.5, "it": 93.7, "ja": 89.8},
    "potion-multilingual-128M (128M static)": {"de": 70.1, "it": 57.1, "ja": 54.8},
}


def retrieval_accuracy(source: Vectors, target: Vectors) -> float:
    """Percent of the rows of `source` (n, d) whose nearest row of `target` (n, d) is the one at the same place."""
    hits = 0
    for start in range(0, len(source), 1024):
        nearest = (source[start : start + 1024] @ target.T).argmax(axis=1)
        hits += int((nearest == np.arange(start, start + len(nearest))).sum())
    return 100.0 * hits / len(source)


def b_cubed(predicted: Mapping[str, Hashable], expected: Mapping[str, Hashable]) -> tuple[float, float, float]:
    """B-cubed precision, recall and F1, in [0, 1], of two labellings of the same things.

    Raises InputError where they do not label the same things.
    """
    if predicted.keys() != expected.keys():
        odd = sorted(predicted.keys() ^ expected.keys())
        raise InputError(f"the two labellings differ in {len(odd)} things, first {odd[0]!r}")
    if not expected:
        raise InputError("nothing to compare: no labelled things")
    members: dict[tuple[str, Hashable], set[str]] = {}
    for side, labels in (("predicted", predicted), ("expected", expected)):
        for thing, label in labels.items():
            members.setdefault((side, label), set()).add(thing)
    precision = recall = 0.0
    for thing in expected:
        ours, theirs = members["predicted", predicted[thing]], members["expected", expected[thing]]
        both = len(ours & theirs)
        precision += both / len(ours)
        recall += both / len(theirs)
    precision, recall = precision / len(expected), recall / len(expected)
    return precision, recall, 2 * precision * recall / (precision + recall)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def evaluate_tatoeba(encoder: Encoder, folder: Path) -> list[Figure]:
    """Tatoeba v1 (Artetxe & Schwenk 2019), 1,000 pairs a language, both directions."""
    goals = {"de": 97.0, "it": 90.0, "ja": 92.0}
    figures = []
    for lang, goal in goals.items():
        rows = _table(folder / f"tatoeba_{lang}-en.tsv")
        other, english = encoder.encode([row[lang] for row in rows]), encoder.encode([row["en"] for row in rows])
        figures.append(Figure("Tatoeba v1", f"{lang}→en", retrieval_accuracy(other, english), "%", goal))
        figures.append(Figure("Tatoeba v1", f"en→{lang}", retrieval_accuracy(english, other), "%"))
    return figures


def evaluate_flores(encoder: Encoder, path: Path) -> list[Figure]:
    """FLORES-200 devtest (NLLB team 2022): 1,012 sentences, every direction; and its 281 short documents."""
    rows = _table(path)
    vectors = {lang: encoder.encode([row[lang] for row in rows]) for lang in LANGUAGES}
    figures = [
        Figure("FLORES-200 devtest", f"{source}→{target}", retrieval_accuracy(vectors[source], vectors[target]), "%")
        for source, target in itertools.permutations(LANGUAGES, 2)
    ]
    urls = [row["url"] for row in rows]
    documents = [list(group) for _, group in itertools.groupby(range(len(rows)), key=lambda number: urls[number])]
    means = {lang: unit(np.stack([vectors[lang][group].mean(axis=0) for group in documents])) for lang in LANGUAGES}
    for source, target in itertools.combinations(LANGUAGES, 2):
        figures.append(
            Figure("FLORES-200 documents", f"{source}→{target}", retrieval_accuracy(means[source], means[target]), "%")
        )
    return figures


def evaluate_sts(encoder: Encoder, path: Path) -> list[Figure]:
    """STS benchmark, dev, machine-translated: Spearman's ρ · 100 of cosine and the human score, for each language pair."""
    from scipy.stats import spearmanr

    rows = _table(path)
    gold = [float(row["score"]) for row in rows]
    first = {lang: encoder.encode([row[f"s1_{lang}"] for row in rows]) for lang in LANGUAGES}
    second = {lang: encoder.encode([row[f"s2_{lang}"] for row in rows]) for lang in LANGUAGES}
    return [
        Figure("STS dev", f"{a}–{b}", 100.0 * float(spearmanr((first[a] * second[b]).sum(axis=1), gold).statistic), "ρ")
        for a, b in itertools.combinations_with_replacement(LANGUAGES, 2)
    ]


def expected_stories(path: Path) -> dict[str, str]:
    """External id → story, from a file of expected stories (TOML, ``[stories]``: story = [ids])."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["stories"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path}: not a file of expected stories ({error})") from error
    return {item: story for story, items in table.items() for item in items}


def evaluate_stories(encoder: Encoder, folder: Path, name: str) -> list[Figure]:
    """B-cubed of the clusters of the stories in `folder` against its ``expected.toml``, in a throw-away index."""
    import tempfile

    from align.pipeline import Pipeline

    expected = expected_stories(folder / "expected.toml")
    with tempfile.TemporaryDirectory() as scratch, Pipeline(Path(scratch), encoder) as pipeline:
        report = pipeline.ingest([folder])
        if report.rejected:
            raise InputError(
                f"{folder}: {report.rejected[0].path}:{report.rejected[0].line}: {report.rejected[0].reason}"
            )
        predicted = {item.document: cluster.id for cluster in pipeline.clusters() for item in pipeline.members(cluster)}
    precision, recall, f1 = b_cubed(predicted, expected)
    group = f"{name}: {len(expected)} items, {len(set(expected.values()))} stories"
    return [
        Figure(group, "B-cubed precision", 100 * precision, "%"),
        Figure(group, "B-cubed recall", 100 * recall, "%"),
        Figure(group, "B-cubed F1", 100 * f1, "%", 95.0),
    ]


def evaluate_memory(encoder: Encoder, path: Path) -> list[Figure]:
    """Sentence retrieval both ways on the pairs of a TMX file, by language pair."""
    figures = []
    for (lang_a, lang_b), pairs in read_tmx(path).items():
        first, second = (encoder.encode([pair[side] for pair in pairs]) for side in (0, 1))
        group = f"{path.name}, {len(pairs)} pairs"
        figures.append(Figure(group, f"{lang_a}→{lang_b}", retrieval_accuracy(first, second), "%"))
        figures.append(Figure(group, f"{lang_b}→{lang_a}", retrieval_accuracy(second, first), "%"))
    return figures


def encode_speed(encoder: Encoder, texts: Sequence[str]) -> Figure:
    """Sentences a second, wall time, one pass after a warm-up. Machine-dependent: a ratio is in ``bench/``."""
    encoder.encode(texts[:256])
    started = time.perf_counter()
    encoder.encode(texts)
    return Figure("Speed", "sentences encoded", len(texts) / (time.perf_counter() - started), "/s")


def evaluate(encoder: Encoder, data: Path | None, seeds: Path | None) -> list[Figure]:
    """Every figure that the folders at hand allow: public sets under `data`, the bundled stories under `seeds`."""
    figures: list[Figure] = []
    if data is not None:
        figures += evaluate_tatoeba(encoder, data / "tatoeba_v1")
        flores = data / "flores200_devtest" / "flores200_devtest_en_de_it_ja.tsv"
        figures += evaluate_flores(encoder, flores)
        figures += evaluate_sts(encoder, data / "stsb_multi_mt" / "stsb_dev_en_de_it_ja.tsv")
        figures += evaluate_alignment(encoder, {lang: [row[lang] for row in _table(flores)] for lang in LANGUAGES})
        sentences = [row[lang] for row in _table(flores) for lang in LANGUAGES]
        figures.append(encode_speed(encoder, sentences * 5))
    if seeds is not None:
        figures += evaluate_stories(encoder, seeds, "Bundled stories")
    return figures
