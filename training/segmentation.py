"""Japanese text → words, for learning pieces from. A reader of the model never needs it.

Japanese is written without spaces, and pieces learned from whole runs of it are phrases that some corpus repeats. From words,
pieces are words and parts of words. The package ``fugashi`` is MeCab (Kudo, Yamamoto & Matsumoto 2004, "Applying Conditional
Random Fields to Japanese Morphological Analysis"), ``unidic-lite`` its dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

FUNCTION_WORDS = {"助詞", "助動詞"}
"""Particles and auxiliaries."""
DEPENDENT = "非自立可能"
"""What can follow another word as its ending: する, いる, なる, ..."""


def joined(words: Iterable[tuple[str, str, str]]) -> str:
    """Words (surface, part of speech, its subdivision) with spaces between; function words that follow one another stay together.

    しなければならなかった is one ending, which one piece may say as well as seven.
    """
    parts: list[str] = []
    before = False
    for surface, kind, subdivision in words:
        function = kind in FUNCTION_WORDS or subdivision == DEPENDENT
        if function and before:
            parts[-1] += surface
        else:
            parts.append(surface)
        before = function
    return " ".join(parts)


def segmenter() -> Callable[[str], str]:
    """A function that puts spaces between the words of a Japanese text. Raises SystemExit where the packages are missing."""
    try:
        import fugashi
    except ImportError as error:
        raise SystemExit(
            "fugashi and unidic-lite are not installed: pip install 'samestory[teacher]', or name a vocabulary with --tokenizer"
        ) from error
    tagger = fugashi.Tagger()

    def words(text: str) -> str:
        return joined((word.surface, word.feature.pos1, word.feature.pos2) for word in tagger(text))

    return words
