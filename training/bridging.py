"""Pairs between two languages that share an English sentence: de-it, de-ja and it-ja from en-de, en-it and en-ja."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from training.development import Text
from training.pairs import Corpus, comparable

BRIDGED = ("de", "it", "ja")


def bridge(texts: Sequence[Text]) -> list[Text]:
    """The pairs that `texts` imply but do not hold, at most one for each English text and language pair.

    An implied pair is drawn as often as the rarer of the two that imply it, and carries the name of the one it
    begins with and ``+bridge``.
    """
    by_english: dict[str, dict[str, tuple[Corpus, str]]] = {lang: {} for lang in BRIDGED}
    held = set()
    for corpus, source, target in texts:
        if corpus.source_lang == "en":
            by_english[corpus.target_lang].setdefault(comparable(source), (corpus, target))
        else:
            held.add((corpus.source_lang, corpus.target_lang, comparable(source), comparable(target)))
    implied = []
    for left, right in itertools.combinations(BRIDGED, 2):
        for english, (corpus, source) in by_english[left].items():
            if (other := by_english[right].get(english)) is None:
                continue
            other_corpus, target = other
            if (left, right, comparable(source), comparable(target)) in held:
                continue
            weight = min(corpus.weight, other_corpus.weight)
            implied.append(
                (
                    replace(corpus, name=f"{corpus.name}+bridge", source_lang=left, target_lang=right, weight=weight),
                    source,
                    target,
                )
            )
    return implied
