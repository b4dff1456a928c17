"""How good the model and the clusters are, measured: the benchmark behind ``samestory eval``.

The public sets are only measured on, never trained, chosen or fitted on.
"""

from __future__ import annotations

import csv
import itertools
import re
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.alignment_eval import evaluate_alignment, evaluate_moved
from align.calibration import load_calibration
from align.embedding import BATCH, CONTEXTUAL_MODEL, SHIPPED_MODEL, Encoder
from align.errors import InputError
from align.figures import Figure
from align.measures import b_cubed, beats_others, calibration_error, margin_accuracy, retrieval_accuracy
from align.memories import read_tmx
from align.planted_eval import evaluate_planted
from align.published import TATOEBA
from align.reading import read
from align.records import Document, Item, Vectors
from align.segmenting import segment, segment_texts
from align.vectors import vectorise
from align.widths import width

LANGUAGES = ("en", "de", "it", "ja")
FLORES = "FLORES-200 devtest"
TEASER = 40
"""Words of a teaser in English; other languages' teasers have as many sentences."""
STATED_PRECISION = 0.99
PASSES = 5
"""Over the sentences whose encoding is timed: one takes a fifth of a second, in which a machine may be held up."""


def _table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise InputError(
            f"{path}: an evaluation set is missing ({error.strerror}); name their folder with --data"
        ) from error


def evaluate_tatoeba(encoder: Encoder, folder: Path) -> list[Figure]:
    """Tatoeba v1 (Artetxe & Schwenk 2019), 1,000 pairs a language: accuracy both ways, and by margin."""
    goals = {"de": 98.5, "it": 94.0, "ja": 95.0}
    figures, by_margin = [], []
    for lang, goal in goals.items():
        rows = _table(folder / f"tatoeba_{lang}-en.tsv")
        other, english = encoder.encode([row[lang] for row in rows]), encoder.encode([row["en"] for row in rows])
        figures.append(Figure(TATOEBA, f"{lang}→en", retrieval_accuracy(other, english), "%", goal))
        figures.append(Figure(TATOEBA, f"en→{lang}", retrieval_accuracy(english, other), "%"))
        by_margin.append(Figure(f"{TATOEBA}, by margin", f"{lang}→en", margin_accuracy(other, english), "%"))
    return figures + by_margin


def evaluate_flores(encoder: Encoder, rows: Sequence[dict[str, str]]) -> list[Figure]:
    """FLORES-200 devtest (NLLB team 2022): 1,012 sentences, every direction, by cosine and by margin."""
    vectors = {lang: encoder.encode([row[lang] for row in rows]) for lang in LANGUAGES}
    figures, by_margin = [], []
    for source, target in itertools.permutations(LANGUAGES, 2):
        name, goal = f"{source}→{target}", 99.7 if "en" in (source, target) else 98.5
        figures.append(Figure(FLORES, name, retrieval_accuracy(vectors[source], vectors[target]), "%", goal))
        by_margin.append(Figure(f"{FLORES}, by margin", name, margin_accuracy(vectors[source], vectors[target]), "%"))
    return figures + by_margin


def flores_documents(rows: Sequence[dict[str, str]], lang: str, most_words: int | None = None) -> list[Item]:
    """The 281 documents of FLORES in one language; with `most_words` their teasers: whole sentences up to so many English words, at least one."""
    documents = []
    for number, (_, group) in enumerate(itertools.groupby(rows, key=lambda row: row["url"])):
        sentences = list(group)
        words = itertools.accumulate(len(row["en"].split()) for row in sentences)
        kept = [
            row[lang]
            for row, so_far in zip(sentences, words, strict=True)
            if most_words is None or so_far <= most_words
        ]
        text = ("" if lang == "ja" else " ").join(kept or [sentences[0][lang]])
        documents.append(
            Item(f"{number}.{lang}", f"{number}.{lang}", lang, 1.0, "", text, None, None, None, 0, len(text))
        )
    return documents


def evaluate_documents(encoder: Encoder, rows: Sequence[dict[str, str]], topics: Path) -> list[Figure]:
    """Documents by story view: translation against all others, teaser against whole text, and same topic, other event.

    The last puts a document's translation against every other document of its domain and, where the set has the language,
    every sentence of MewsC-16 whose topic is that of the sentence nearest to it: news of one topic about other events.
    """
    whole = {lang: _stories(encoder, flores_documents(rows, lang)) for lang in LANGUAGES}
    teasers = {lang: _stories(encoder, flores_documents(rows, lang, TEASER)) for lang in LANGUAGES}
    domains = np.array([next(group)["domain"] for _, group in itertools.groupby(rows, key=lambda row: row["url"])])
    figures, short, topical = [], [], []
    for source, target in itertools.permutations(LANGUAGES, 2):
        name = f"{source}→{target}"
        figures.append(Figure("FLORES documents", name, retrieval_accuracy(whole[source], whole[target]), "%"))
        short.append(Figure("Teaser against whole text", name, retrieval_accuracy(teasers[source], whole[target]), "%"))
        others, negatives = whole[target], [np.flatnonzero(domains == domain) for domain in domains]
        negatives = [found[found != number] for number, found in enumerate(negatives)]
        file = topics / f"mewsc16_{target}.tsv"
        if file.is_file():
            news = [row for row in _table(file) if row["sentence"].strip()]  # one row of the German file is blank
            categories = np.array([row["category"] for row in news])
            sentences = encoder.encode([row["sentence"] for row in news])
            nearest = categories[(whole[source] @ sentences.T).argmax(axis=1)]
            negatives = [
                np.concatenate([found, len(others) + np.flatnonzero(categories == category)])
                for found, category in zip(negatives, nearest, strict=True)
            ]
            others = np.concatenate([others, sentences])
        value = beats_others(whole[source], whole[target], negatives, others)
        topical.append(Figure("Same topic, other event", name, value, "%", 99.0))
    return figures + short + topical


def _stories(encoder: Encoder, items: Sequence[Item]) -> Vectors:
    return np.stack([vectors.views[0] for vectors in vectorise(items, encoder)])


def evaluate_sts(encoder: Encoder, path: Path) -> list[Figure]:
    """STS benchmark, dev, machine-translated: Spearman's ρ · 100 of cosine and the human score, for each language pair."""
    from scipy.stats import spearmanr

    rows = _table(path)
    gold = [float(row["score"]) for row in rows]
    first = {lang: encoder.encode([row[f"s1_{lang}"] for row in rows]) for lang in LANGUAGES}
    second = {lang: encoder.encode([row[f"s2_{lang}"] for row in rows]) for lang in LANGUAGES}
    figures = []
    for a, b in itertools.combinations_with_replacement(LANGUAGES, 2):
        value = 100.0 * float(spearmanr((first[a] * second[b]).sum(axis=1), gold).statistic)
        figures.append(Figure("STS dev", f"{a}–{b}", value, "ρ", 75.0 if a == b else 70.0))
    return figures


def evaluate_calibration(encoder: Encoder, rows: Sequence[dict[str, str]]) -> list[Figure]:
    """How true the stated probabilities are on FLORES: half of the lookups have their translation among the candidates.

    Each sentence is looked up twice, among 506 sentences with its translation and among the 506 without; the nearest
    one found is right or not. A calibration belongs to one model: one that does not ship has no such figures.
    """
    held = (load_calibration(folder) for folder in (SHIPPED_MODEL, CONTEXTUAL_MODEL))
    calibration = next((found for found in held if found.model == encoder.fingerprint), None)
    if calibration is None:
        return []
    errors, precisions, found = [], [], []
    half = len(rows) // 2
    vectors = {lang: encoder.encode([row[lang] for row in rows]) for lang in LANGUAGES}
    stated = f"where a precision of {STATED_PRECISION} is stated"
    for a, b in itertools.combinations(LANGUAGES, 2):
        probabilities, right, above = [], [], []
        similarity = vectors[a] @ vectors[b].T
        for number, row in enumerate(rows):
            for part in (slice(0, half), slice(half, None)):
                place = int(similarity[number, part].argmax()) + (part.start or 0)
                value = float(similarity[number, place])
                length = min(width(row[a]), width(rows[place][b]))
                probabilities.append(calibration.probability(value, a, b, length))
                above.append(value >= calibration.threshold(STATED_PRECISION, a, b, length))
                right.append(place == number)
        outcome, taken = np.array(right), np.array(above)
        name = f"{a}–{b}"
        error = 100 * calibration_error(np.array(probabilities), outcome)
        errors.append(Figure("Expected calibration error", name, error, "%", 5.0, at_most=True))
        if taken.any():  # else there is nothing to be precise about
            precisions.append(Figure(f"Precision {stated}", name, 100 * float(outcome[taken].mean()), "%", 98.5))
        found.append(Figure(f"Translations found {stated}", name, 100 * float(taken[outcome].mean()), "%"))
    return errors + precisions + found


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


def story_texts(folder: Path) -> list[Item]:
    """The stories in `folder`, one text a story and language: without the copies, excerpts and later versions there are."""
    items = []
    for document in read([folder]):
        if isinstance(document, Document) and re.fullmatch(r"[^.]+\.[a-z]{2}", document.external_id or ""):
            ((title, text),) = segment_texts(document, segment(document))
            lang = str(document.external_id).rpartition(".")[2]
            items.append(Item(str(document.external_id), document.name, lang, 1.0, title, text, None, None, None, 0, 0))
    return items


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
    """Sentences a second in batches of 1,024, wall time, the median of `PASSES` after a warm-up. Machine-dependent: a ratio is in ``bench/``."""
    encoder.encode(texts[:BATCH])
    paces = []
    for place in range(PASSES):
        others = [f"{text} {place * len(texts) + number}" for number, text in enumerate(texts)]  # texts are remembered
        started = time.perf_counter()
        for start in range(0, len(others), BATCH):
            encoder.encode(others[start : start + BATCH])
        paces.append(len(others) / (time.perf_counter() - started))
    return Figure("Speed", "sentences encoded", float(np.median(paces)), "/s", 20_000.0)


def evaluate(encoder: Encoder, data: Path | None, seeds: Path | None) -> list[Figure]:
    """Every figure that the folders at hand allow: public sets under `data`, the bundled stories under `seeds`."""
    figures: list[Figure] = []
    if data is not None:
        rows = _table(data / "flores200_devtest" / "flores200_devtest_en_de_it_ja.tsv")
        figures += evaluate_tatoeba(encoder, data / "tatoeba_v1")
        figures += evaluate_flores(encoder, rows)
        figures += evaluate_documents(encoder, rows, data / "mewsc16_topics")
        figures += evaluate_sts(encoder, data / "stsb_multi_mt" / "stsb_dev_en_de_it_ja.tsv")
        figures += evaluate_calibration(encoder, rows)
        sentences = {lang: [row[lang] for row in rows] for lang in LANGUAGES}
        figures += evaluate_alignment(encoder, sentences)
        figures += evaluate_moved(encoder, sentences)
        documents = [item for lang in LANGUAGES for item in flores_documents(rows, lang)[::4]]
        figures += evaluate_planted(encoder, documents, f"Planted in {len(documents)} FLORES documents")
        figures.append(encode_speed(encoder, [row[lang] for lang in LANGUAGES for row in rows]))
    if seeds is not None:
        figures += evaluate_stories(encoder, seeds, "Bundled stories")
        texts = story_texts(seeds)
        figures += evaluate_planted(encoder, texts, f"Planted in {len(texts)} bundled texts")
    return figures
