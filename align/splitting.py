"""Text → sentences, as offsets: sentencex proposes the boundaries, a few rules take some back."""

from __future__ import annotations

import re
from collections.abc import Iterator

# After one of these a full stop ends no sentence (sentencex knows most; these it was seen to miss).
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[„“\"'«])(?:Dr|Prof|Mr|Mrs|Ms|Gen|Sen|Rep|Gov|Lt|Col|Sgt|St|Nr|No|Nos|Art|art|Abs|Mio|Mrd|Tsd|mln|mld|mio|ca|bzw|usw|evtl|vgl|sog|Sig|sig|Sigg|On|on|Dott|dott|avv|pag|nn?|Inc|Corp|Co|Ltd|vs|Fig|fig|Figs|approx|est|Est|Hon|Rev|Adm|Capt|Maj|Abg|lt|inkl|exkl|bes|allg|gegr|geb|gest|Tel|tel|Str|Hrsg|jr|Jr|Sr|Mt|Ft|pp|vol|Vol|cap|cit|Prot|prot|Cass|cfr|Cfr|Ing|ing|Arch|arch|Rag|Geom|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|[A-Z]|z\. ?B|d\. ?h|u\. ?a|i\. ?d|[ad]\. ?C|v\. ?Chr|n\. ?Chr)\.\s*$"
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.\s*$")
_ERA = re.compile(r"\b[advn]\.\s*$")  # a. C., d. C., v. Chr., n. Chr.
# "at 10 a.m. Monday": the day goes with the hour.
_HOUR = re.compile(r"\d\s?[ap]\.\s?m\.\s*$")
_DAY = re.compile(r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|(?:[ECMP][DS]?T|GMT|UTC)\b")
# An ellipsis that a capital follows ends a sentence, except in German, where nouns have capitals.
_ELLIPSIS = re.compile(r"(?:…|\.\.\.)[\"'»”’]?\s+(?=[\"'«“‘]?[A-ZÀ-Ý])")
# Words that have a capital only where a sentence begins: before them an ordinal's full stop was a full stop.
_BEGINS_DE = re.compile(
    r"(?:Der|Die|Das|Den|Dem|Des|Ein|Eine|Einen|Einem|Er|Es|Sie|Wir|Ich|Man|Dies|Diese|Dieser|Dieses|Danach|Dann|Doch|Aber|Und|Auch|Nach|Im|In|Am|An|Auf|Bei|Mit|Für|Zum|Zur|Zudem|Damit|Dabei|Dort|Seit|Seitdem|Trotzdem|Wie|Was|Wer|Wenn|Weil|Als|Nur|So|Vor|Von|Laut|Insgesamt|Außerdem)\b"
)
_CONTINUES_JA = re.compile(r"^(?:と|って|など|という|とし|とも|との|とは|に|を|が|は|も|で|の|、)")
_LOWER = re.compile(r"^[\"'»“”‘’]?[a-zà-ÿ]")
_SPLIT_BY_SENTENCEX = {"en", "de", "it", "ja", "fr", "es", "pt", "nl", "zh", "ru", "ko", "ar", "hi"}


def _continues(left: str, right: str, lang: str) -> bool:
    """Whether the boundary between `left` and `right` is none."""
    if not any(character.isalnum() for character in right):
        return True  # a closing quote, three dots: no sentence of its own
    if lang in ("ja", "zh"):
        # A closing bracket belongs to what it closes; after 」 a particle goes on: 「…。」と述べた。
        return right.startswith(("」", "』", "）", ")")) or (
            left.rstrip().endswith(("」", "』", "）", ")")) and _CONTINUES_JA.match(right) is not None
        )
    if (
        _LOWER.match(right)
        or right.startswith(("C.", "Chr."))
        or _ABBREVIATION.search(left)
        or (_HOUR.search(left) and _DAY.match(right))
    ):
        return True
    # "Der 1. FC Köln", "am 3. Oktober": in German a full stop after a small number counts.
    return lang == "de" and _ORDINAL.search(left) is not None and _BEGINS_DE.match(right) is None


def _pieces(line: str, code: str, lang: str) -> Iterator[str]:
    """What sentencex makes of `line`, and a cut after an ellipsis where it leaves one out."""
    import sentencex

    for piece in sentencex.segment(code, line):
        start = 0
        if lang not in ("de", "ja", "zh"):
            for found in _ELLIPSIS.finditer(piece):
                yield piece[start : found.end()]
                start = found.end()
        if start < len(piece):
            yield piece[start:]


def split_sentences(text: str, lang: str) -> list[tuple[int, int]]:
    """Offsets of the sentences of `text`, stripped of white space at their ends, in order.

    A newline always ends a sentence. Every non-blank character belongs to exactly one sentence.
    `lang` is a BCP 47 code; an unknown one is split by the rules for English.
    """
    code = lang if lang in _SPLIT_BY_SENTENCEX else "en"
    spans: list[tuple[int, int]] = []
    position = 0
    for line in text.split("\n"):
        joined: list[tuple[int, int]] = []
        cursor = 0
        for piece in _pieces(line, code, lang):
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
