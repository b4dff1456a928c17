"""A text → the quantities in it, typed: numbers, percentages, money and dates, each with its value and its place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from align.values import numbers


@dataclass(frozen=True)
class Quantity:
    """One quantity as written in `text`. `unit` is "" for a bare number, "%", a currency (ISO 4217) or "date".

    `value` is the number with its scale word applied; of a date month · 100 + day.
    """

    text: str
    value: float
    unit: str


_SCALE = (
    r"thousand|million|billion|trillion|bn|tausend|tsd|millionen|mio|milliarden?|mrd|billionen"
    r"|mila|milione|milioni|mln|miliardo|miliardi|mld"
)
_DIGITS = r"\d{1,3}(?:[.,\u00a0\u202f '’]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_AMOUNT = {
    "ja": r"(?:\d[\d,.]*[兆億万千百]+)+(?:\d[\d,]*)?|\d[\d,]*(?:\.\d+)?",
    "": rf"(?:{_DIGITS})(?:[ \u00a0-]?(?:{_SCALE})\b\.?)?",
}
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_UNITS = {
    "%": r"%|percent\b|per cent\b|prozent\b|per cento\b|パーセント",
    "EUR": r"€|euros?\b|ユーロ",
    "USD": r"(?:us-?)?dollars?\b|dollari\b|dollaro\b|\$|ドル|米ドル",
    "GBP": r"pounds?\b|£|pfund\b|sterline\b|ポンド",
    "JPY": r"yen\b|¥|円",
}
_UNIT = re.compile(
    r"[ \u00a0-]?(?:(?:di|von|of) )?(?:"
    + "|".join(f"(?P<u{place}>{words})" for place, words in enumerate(_UNITS.values()))
    + ")",
    re.IGNORECASE,
)
_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar märz april mai juni juli august september oktober november dezember",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
_SPELLED = re.compile(r"[^\W\d_]+")


def quantities(text: str, lang: str) -> list[Quantity]:
    """The quantities of `text` in order: dates first recognised, then amounts with their units, then small numbers in words."""
    text = unicodedata.normalize("NFKC", text)
    found: list[tuple[int, Quantity]] = []
    for start, end, value in _dates(text, lang):
        found.append((start, Quantity(text[start:end], value, "date")))
        text = text[:start] + " " * (end - start) + text[end:]
    pattern = re.compile(rf"([$€£¥])?\s?(?<![\d.,])({_AMOUNT.get(lang, _AMOUNT[''])})", re.IGNORECASE)
    for match in pattern.finditer(text):
        amount = match.group(2).rstrip(",")
        values = numbers(amount, lang)
        if len(values) != 1:
            continue
        after = _UNIT.match(text, match.end(2))
        unit = _SIGNS.get(match.group(1) or "", "") or (_unit_of(after) if after else "")
        written = text[match.start() : after.end() if after else match.end(2)].strip()
        found.append((match.start(), Quantity(written, next(iter(values)), unit)))
        text = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]
    for match in _SPELLED.finditer(text):
        if spelled := numbers(match.group(), lang):
            found.append((match.start(), Quantity(match.group(), next(iter(spelled)), "")))
    return [quantity for _, quantity in sorted(found, key=lambda placed: placed[0])]


def _unit_of(match: re.Match[str]) -> str:
    return list(_UNITS)[int(str(match.lastgroup)[1:])]


def _dates(text: str, lang: str) -> list[tuple[int, int, float]]:
    if lang == "ja":
        found = re.finditer(r"(\d{1,2})月(\d{1,2})日", text)
        return [(m.start(), m.end(), int(m[1]) * 100.0 + int(m[2])) for m in found]
    names = _MONTHS.get(lang, _MONTHS["en"]).split()
    either = "|".join(names)
    dates = []
    for match in re.finditer(
        rf"\b(?:(\d{{1,2}})(?:\.|st|nd|rd|th|º)? ?({either})|({either}) (\d{{1,2}})(?:st|nd|rd|th)?)\b",
        text,
        re.IGNORECASE,
    ):
        day, month = int(match[1] or match[4]), names.index((match[2] or match[3]).lower()) + 1
        dates.append((match.start(), match.end(), month * 100.0 + day))
    return dates
