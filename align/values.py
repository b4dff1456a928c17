"""Numbers in a text, by value: 1.2万, 12,000 and 12 000 are one number; so are 3,4 Mrd. and 3.4 billion."""

from __future__ import annotations

import re
import unicodedata

_SCALES: dict[str, float] = {
    "万": 1e4, "億": 1e8, "兆": 1e12, "千": 1e3, "百万": 1e6, "百": 1e2,
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "m": 1e6, "bn": 1e9,
    "tausend": 1e3, "tsd": 1e3, "million(en)": 1e6, "millionen": 1e6, "mio": 1e6, "milliarde": 1e9, "milliarden": 1e9, "mrd": 1e9, "billionen": 1e12,
    "mila": 1e3, "milione": 1e6, "milioni": 1e6, "mln": 1e6, "miliardo": 1e9, "miliardi": 1e9, "mld": 1e9,
}  # fmt: skip
_GERMAN_SCALES = {"billion": 1e12, "trillion": 1e18}  # German Billion is English trillion
_NUMBER = re.compile(
    r"\d(?:(?<![\w.,]\d)\d{0,2}(?:[.,  '’]\d{3})+(?:[.,]\d+)?(?!\d)|\d*(?:[.,]\d+)?)",  # the digit first, so that the search passes over all else
)
_JAPANESE = re.compile(r"(?:\d[\d,.]*(?:兆|億|万|千|百)){1,4}(?:\d[\d,.]*)?")
_SCALE_WORD = re.compile(r"^[\s  -]?(兆|億|百万|万|千|[A-Za-z]+)")
_WORDS: dict[str, dict[str, int]] = {
    "en": {w: n for n, w in enumerate(["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 2)},
    "de": {w: n for n, w in enumerate(["zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"], 2)},
    "it": {w: n for n, w in enumerate(["due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci", "undici", "dodici"], 2)},
}  # fmt: skip


def digits_value(digits: str, lang: str) -> float:
    """The value of digits with separators, as `lang` writes them."""
    digits = re.sub(r"[  '’]", "", digits)
    decimal = "," if lang in ("de", "it", "fr", "es", "pt", "nl") else "."
    group = "." if decimal == "," else ","
    parts = digits.split(group)
    if len(parts) > 1 and all(len(part.split(decimal)[0]) == 3 for part in parts[1:]) and len(parts[0]) <= 3:
        digits = digits.replace(group, "")
    elif digits.count(group) == 1 and decimal not in digits:
        digits = digits.replace(group, decimal)  # the other country's decimal mark: 3,4 in English print
    digits = digits.replace(group, "").replace(decimal, ".")
    return float(digits) if digits.count(".") <= 1 else float(digits.replace(".", ""))


def _japanese(found: str) -> float:
    total = 0.0
    for amount, scale in re.findall(r"(\d[\d,.]*)(兆|億|万|千|百)?", found):
        total += digits_value(amount.rstrip(",."), "ja") * _SCALES.get(scale, 1.0)
    return total


def numbers(text: str, lang: str) -> frozenset[float]:
    """The values of the numbers in `text`, scale words applied, years and days of dates included.

    One to twelve spelled out count too (English, German, Italian; "one" is left out, being an article).
    """
    text = unicodedata.normalize("NFKC", text)
    found: set[float] = set()
    if lang == "ja":
        for match in _JAPANESE.finditer(text):
            found.add(_japanese(match.group()))
        text = _JAPANESE.sub(" ", text)
    scales = {**_SCALES, **_GERMAN_SCALES} if lang == "de" else _SCALES
    for match in _NUMBER.finditer(text):
        value = digits_value(match.group(), lang)
        word = _SCALE_WORD.match(text[match.end() : match.end() + 14])
        found.add(value * (scales.get(word.group(1).lower(), 1.0) if word else 1.0))
    if words := _WORDS.get(lang):
        found.update(float(words[word]) for word in re.findall(r"[a-zäöüß]+", text.lower()) if word in words)
    return frozenset(found)
