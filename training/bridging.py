"""Pairs that two pairs with a common text imply: German and Italian that translate one English sentence, and so on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from training.development import Text
from training.pairs import LANGUAGES, Corpus, comparable


def bridge(texts: Sequence[Text]) -> list[Text]:
    """The pairs that `texts` imply but do not hold, at most one for each text in the middle and language pair.

    An implied pair is drawn as often as the rarer of the two that imply it, and carries the name of the one it
    begins with and ``+bridge``.
    """
    by_text: dict[str, dict[str, dict[str, tuple[Corpus, str]]]] = {
        middle: {lang: {} for lang in LANGUAGES} for middle in LANGUAGES
    }
    known = set()
    directions: dict[frozenset[str], tuple[str, str]] = {}
    for corpus, source, target in texts:
        left, right = corpus.source_lang, corpus.target_lang
        keys = comparable(source), comparable(target)
        by_text[left][right].setdefault(keys[0], (corpus, target))
        by_text[right][left].setdefault(keys[1], (corpus, source))
        known.add((left, right, *keys))
        directions[frozenset((left, right))] = left, right
    implied = []
    for middle in LANGUAGES:
        for ends in itertools.combinations([lang for lang in LANGUAGES if lang != middle], 2):
            left, right = directions.get(frozenset(ends), ends)
            for key, (corpus, source) in by_text[middle][left].items():
                if (other := by_text[middle][right].get(key)) is None:
                    continue
                other_corpus, target = other
                pair = left, right, comparable(source), comparable(target)
                if pair in known:
                    continue
                known.add(pair)
                weight = min(corpus.weight, other_corpus.weight)
                joined = replace(
                    corpus, name=f"{corpus.name}+bridge", source_lang=left, target_lang=right, weight=weight
                )
                implied.append((joined, source, target))
    return implied
