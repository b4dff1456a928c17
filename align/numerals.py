"""A text → the numbers in it, in digits, kanji or words, each with its place and value, before units are looked at.

Words of English, German and Italian are read by text2num; dozens, halves and the articles that stand for
one are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from align.quantity_words import Choice, spoken, table, words
from align.values import digits_value

DIGIT = re.compile(r"\d")
_LATIN = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:[.,\u00a0\u202f '’]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?)")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|s|er|º|°(?= [^\W\d_]{3}))(?!\w)", re.IGNORECASE)
_UNIT_START = re.compile(
    r"(?:km/h|kph|mph|k?m[²2³3]?|[cm]m|ha|k?g|t|l|h|min|[MGk]W|ft|lbs?|mila|enne|[Tt]sd|[Mm]io|[Mm]rd|mln|mld|[bt]n|mn|[kKM])\b"
)
_CODE = re.compile(r"[^\W\d_]-?$")
"""What stands before the digits of a code: A320, Covid-19."""
_JAPANESE = re.compile(r"(?<![\d.,A-Za-z])[\d〇一二三四五六七八九十百千][\d,.〇一二三四五六七八九十百千万億兆]*")
_KANJI_DIGITS = {sign: value for value, sign in enumerate("〇一二三四五六七八九")}
_SMALL = {"十": 10.0, "百": 100.0, "千": 1000.0}
_LARGE = {"万": 1e4, "億": 1e8, "兆": 1e12}
_PIECE = re.compile(r"\d[\d,.]*|[〇一二三四五六七八九]+|.")
_TOKEN = re.compile(r"[^\W\d_]+|[^\s]")


@dataclass(frozen=True)
class Numeral:
    """A number at `start` to `end`, excluded. `article`: it is written as "a" or "one" and may be none. `scale`: what a scale word multiplied it by."""

    start: int
    end: int
    value: float
    article: bool = False
    scale: float = 1.0


def japanese_value(written: str) -> float:
    """The value of a number in digits, kanji or both: 1億2340万, 三百五十, 2千, 二〇二六."""
    total = section = 0.0
    current: float | None = None
    for piece in _PIECE.findall(written):
        if piece in _SMALL:
            section += (1.0 if current is None else current) * _SMALL[piece]
            current = None
        elif piece in _LARGE:
            total += (section + (current or 0.0) or 1.0) * _LARGE[piece]
            section, current = 0.0, None
        elif piece[0] in _KANJI_DIGITS:
            current = float("".join(str(_KANJI_DIGITS[sign]) for sign in piece))
        elif piece[0].isdigit():
            current = digits_value(piece.rstrip(",."), "ja")
    return total + section + (current or 0.0)


def numerals(text: str, lang: str) -> list[Numeral]:
    """The numbers of `text` in order, none over another."""
    found = _japanese(text) if lang == "ja" else _latin(text, lang)
    return sorted(found, key=lambda numeral: numeral.start)


@cache
def _counters() -> re.Pattern[str]:
    return re.compile(words("counters", "ja"))


def _japanese(text: str) -> list[Numeral]:
    counter = _counters()
    found = []
    for match in _JAPANESE.finditer(text):
        written = match.group().rstrip(",.")
        end = match.start() + len(written)
        before, after = text[max(0, match.start() - 1) : match.start()], text[end : end + 1]
        if before in {"数", "何", "幾"} or after in {"数", "代"}:
            continue  # 数十人, 十数人, 20代: no exact number
        if written[0].isdigit():
            if _is_code(text, match.start(), end):
                continue
        elif not counter.match(text, end) or (
            written == "十" and text.startswith("分", end) and text[end + 1 : end + 2] != "間"
        ):
            continue  # 十分 is "enough"
        found.append(Numeral(match.start(), end, japanese_value(written), written == "一"))
    return found


@cache
def _scales(lang: str) -> Choice:
    return Choice(table("scales", lang), before=r"[ \u00a0-]?", after=r"(?!\w)\.?")


@cache
def _half_after(lang: str) -> re.Pattern[str]:
    return re.compile(words("half_after", lang), re.IGNORECASE)


@cache
def _pattern(lang: str, name: str) -> re.Pattern[str]:
    opened = {
        "half_before": rf"\b{words('half_before', lang)}(?!\w)",
        "articles": rf"\b{words('articles', lang)}(?!\w)['’]?",
    }
    vague = rf"\b{words('vague', lang)} $"
    return re.compile(opened.get(name, vague), re.IGNORECASE)


def _latin(text: str, lang: str) -> list[Numeral]:
    lang = spoken(lang)
    found: list[Numeral] = []
    taken = [False] * (len(text) + 1)

    def take(start: int, end: int, value: float, article: bool = False) -> None:
        end, value, scale = _scaled(text, lang, start, end, value)
        if not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            found.append(Numeral(start, end, value, article and scale == 1.0, scale))

    for match in _LATIN.finditer(text) if DIGIT.search(text) else ():
        written, end = match.group(), match.end()
        if tail := _ORDINAL.match(text, end):
            end = tail.end()
        elif _is_code(text, match.start(), end):
            continue
        take(match.start(), end, digits_value(written, lang))
    for match in _pattern(lang, "half_before").finditer(text):
        take(match.start(), match.end(), 0.5, True)
    for start, end, value in _spelled(text, lang):
        if value != 1.0:
            take(start, end, value)
    for match in _pattern(lang, "articles").finditer(text):
        take(match.start(), match.end(), 1.0, True)
    return found


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether digits are part of a name or something to dial: A320, Covid-19, 5G, 0800."""
    written = text[start:end]
    year = len(written) == 4 and written[:2] in {"19", "20"}
    return (
        (_CODE.search(text[:start]) is not None and text[start - 1] == "-" and not year)
        or (text[end : end + 1].isascii() and text[end : end + 1].isalpha() and not _UNIT_START.match(text, end))
        or (len(written) > 1 and written[0] == "0" and written.isdigit())
    )


def _scaled(text: str, lang: str, start: int, end: int, value: float) -> tuple[int, float, float]:
    """Scale words after a number, and "and a half" after these: where it ends now, its value, and what it was multiplied by."""
    choice, half = _scales(lang), _half_after(lang)
    scale = 1.0
    if match := half.match(text, end):  # one and a half million
        end, value = match.end(), value + 0.5 * _last_scale(value)
    while match := choice.pattern.match(text, end):
        word = match.group().strip(" -.")
        money = re.search(r"[$€£¥]\s?$", text[:start]) or re.match(r"\s?[$€£¥]", text[match.end() :])
        if word.lower() in {"m", "k"} and not money:
            break  # metres
        scale *= choice.value(match)
        end = match.end() - (match.group().endswith(".") and word.lower() not in {"mio", "mrd", "tsd", "mln", "mld"})
    if scale > 1.0 and (match := half.match(text, end)):  # un milione e mezzo
        end, value = match.end(), value + 0.5
    return end, value * scale, scale


def _last_scale(value: float) -> float:
    """What a half after a number in words is a half of: of a million after a million, of one after two."""
    return next((scale for scale in (1e12, 1e9, 1e6, 1e3) if value >= scale and value % scale == 0), 1.0)


class _Word:
    """A token as text2num wants it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Word) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return any(map(str.isdigit, self._text))


@lru_cache(maxsize=65_536)
def _begins_number(word: str, lang: str) -> bool:
    """Whether a number in words may begin with `word`, which therefore is one by itself."""
    from text_to_num import find_numbers

    return bool(find_numbers([_Word(word)], lang, threshold=0))


def _spelled(text: str, lang: str) -> Iterator[tuple[int, int, float]]:
    """Numbers in words: (start, end, value)."""
    from text_to_num import find_numbers

    if lang == "de":
        yield from _german_halves(text)
    words_of = _TOKEN.findall(text)
    if not any(_begins_number(word, lang) for word in words_of):
        return
    tokens = [(match.start(), match.group()) for match in _TOKEN.finditer(text)]
    for found in find_numbers([_Word(token) for token in words_of], lang, threshold=0):
        start, (last, word) = tokens[found.start][0], tokens[found.end - 1]
        end = last + len(word)
        if _pattern(lang, "vague").search(text[:start]):
            continue
        if _no_number(text[start:end].lower(), text[:start].lower(), text[end:].lower(), lang, found.is_ordinal):
            continue
        yield start, end, found.value


_GERMAN_HALF = re.compile(r"\b(?P<unit>anderthalb|eineinhalb)(?!\w)|\b(?P<whole>\w+?)einhalb(?!\w)", re.IGNORECASE)


def _german_halves(text: str) -> Iterator[tuple[int, int, float]]:
    """anderthalb, zweieinhalb."""
    from text_to_num import find_numbers

    for match in _GERMAN_HALF.finditer(text):
        if match["unit"]:
            yield match.start(), match.end(), 1.5
        elif inner := find_numbers([_Word(match["whole"])], "de", threshold=0):
            yield match.start(), match.end(), inner[0].value + 0.5


def _no_number(written: str, before: str, after: str, lang: str, ordinal: bool) -> bool:
    """Words that look like numbers: plural scales without a number, "according to", the time unit."""
    if written in {
        "tens",
        "hundreds",
        "thousands",
        "millions",
        "billions",
        "trillions",
        "millionen",
        "milliarden",
        "milioni",
        "miliardi",
        "billionen",
        "million",
        "billion",
        "trillion",
        "milione",
        "miliardo",
        "milliarde",
    }:
        return True  # with a number or an article before it is its scale
    if lang == "it" and written == "secondo":
        return re.search(r"\b(?:il|al|del|nel|un|sul|dal|col) $", before) is None
    if lang == "it" and written == "cento" and before.endswith("per "):
        return True
    if lang == "it" and written in {"sei"}:
        return before.endswith((" tu ", " ci "))
    if lang == "en" and written == "second":
        return before.endswith((" a ", " per ", " every ", " split ", "split-"))
    if lang == "en" and ordinal:
        return False
    return lang == "de" and written in {"acht"} and before.endswith(("außer ", "in "))
