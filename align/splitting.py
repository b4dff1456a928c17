"""Text → sentences, as offsets: sentencex proposes the boundaries, a few rules take some back."""

from __future__ import annotations

import re

# After one of these a full stop ends no sentence (sentencex knows most; these it was seen to miss).
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[„“\"'«])(?:Dr|Prof|Mr|Mrs|Ms|Gen|Sen|Rep|Gov|Lt|Col|Sgt|St|Nr|No|Nos|Art|art|Abs|Mio|Mrd|Tsd|mln|mld|mio|ca|bzw|usw|evtl|vgl|sog|Sig|sig|Sigg|On|on|Dott|dott|avv|pag|nn?|Inc|Corp|Co|Ltd|vs|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|[A-Z]|z\. ?B|d\. ?h|u\. ?a|i\. ?d)\.\s*$"
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.\s*$")
_CONTINUES_JA = re.compile(r"^(?:と|って|など|という|とし|とも|との|とは|に|を|が|は|も|で|の|、)")
_LOWER = re.compile(r"^[\"'»“”‘’]?[a-zà-ÿ]")
_SPLIT_BY_SENTENCEX = {"en", "de", "it", "ja", "fr", "es", "pt", "nl", "zh", "ru", "ko", "ar", "hi"}


def _continues(left: str, right: str, lang: str) -> bool:
    """Whether the boundary between `left` and `right` is none."""
    if lang in ("ja", "zh"):
        return (
            lang == "ja" and left.rstrip().endswith(("」", "』", "）", ")")) and _CONTINUES_JA.match(right) is not None
        )
    if _LOWER.match(right) or _ABBREVIATION.search(left):
        return True
    # "Der 1. FC Köln", "am 3. Oktober": in German and Italian a full stop after a small number counts.
    return lang == "de" and _ORDINAL.search(left) is not None


def split_sentences(text: str, lang: str) -> list[tuple[int, int]]:
    """Offsets of the sentences of `text`, stripped of white space at their ends, in order.

    A newline always ends a sentence. Every non-blank character belongs to exactly one sentence.
    `lang` is a BCP 47 code; an unknown one is split by the rules for English.
    """
    import sentencex

    code = lang if lang in _SPLIT_BY_SENTENCEX else "en"
    spans: list[tuple[int, int]] = []
    position = 0
    for line in text.split("\n"):
        joined: list[tuple[int, int]] = []
        cursor = 0
        for piece in sentencex.segment(code, line):
            # The pieces tile the line; find() only steps over what the library may have stripped.
            start = line.find(piece, cursor)
            if start < 0:
                joined = [(0, len(line))]
                break
            end = start + len(piece)
            if joined and _continues(line[joined[-1][0] : start], line[start:end].lstrip(), lang):
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((joined[-1][1] if joined else 0, end))
            cursor = end
        if joined and joined[-1][1] < len(line):
            joined[-1] = (joined[-1][0], len(line))
        for start, end in joined:
            body = line[start:end]
            if stripped := body.strip():
                first = position + start + body.index(stripped)
                spans.append((first, first + len(stripped)))
        position += len(line) + 1
    return spans
