"""A text → the quantities in it, typed: numbers, percentages, money, measures, ranges, dates and times, by value and place.

An index keeps them. Whoever changes how they are read empties its table ``quantities`` in a migration; they are then
read when asked about.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import msgpack

from align.moments import dates_agree, moments, weekday_agrees
from align.numerals import Numeral, japanese_value, numerals
from align.quantity_words import Choice, spoken, table, words
from align.units import amounts_agree, dimension, sign_before, unit_after


@dataclass(frozen=True)
class Quantity:
    """One quantity as written in `text`.

    `unit` is "" for a bare number, "%", "pp" (percentage points), "fraction", a currency (ISO 4217), a unit of measure,
    "date" (value yyyymmdd, zeros where the text is silent), "weekday" (1 Monday to 7), "calendar week" (yyyyww), "time" (hhmm) or
    "relative day", "relative week", "relative month", "relative year", counted from the day of publication.
    `value` has its scale word applied. `end` is the second number of a range or score, else None.
    `article`: the word may be none, but an article or Italian "you are".
    """

    text: str
    value: float
    unit: str
    end: float | None = None
    article: bool = field(default=False, compare=False)

    @property
    def moment(self) -> bool:
        """Whether it is a date or time."""
        return self.unit in _MOMENTS

    @property
    def slight(self) -> bool:
        """Whether its absence means nothing: a word that may be none, today."""
        return self.article or (self.unit == "relative day" and self.value == 0)


_NO_VALUE = re.compile(
    r"https?://\S+|www\.\S+|\S+@\S+\.\w+"  # addresses
    r"|\+\d[\d ()/-]{6,}\d|(?<![\d.,])(?:0\d{1,4}[ /-]\d{2,}(?:[ -]\d+)*|\d{3}-\d{4})(?!\d)"  # to call
    r"|\b24/7\b|(?<![\d])\d0s\b"  # round the clock, of an age
    r"|(?<![\w.,])\d+\.\d{1,2}\.\d+(?:\.\d+)*(?![\w,])"  # versions; dates were read before
)
_MAYBE_NO_VALUE = re.compile(r"\d|://|www\.|@")
_HELD = "\x11"
_VULGAR = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3, "⅛": 0.125}
_RATIO = re.compile(r"(?<![\d.,])(\d+|[一二三四五六七八九十百千]+)分の(\d+|[一二三四五六七八九十百千]+)")


def quantities(text: str, lang: str, published: datetime.date | None = None) -> list[Quantity]:
    """The quantities of `text` in order; relative dates are resolved where the day of publication is known."""
    return list(_quantities(text, lang, published))


def pack_quantities(sentences: Sequence[Sequence[Quantity]]) -> bytes:
    """For the store: the quantities of each sentence of a text."""
    return bytes(
        msgpack.packb([[(one.text, one.value, one.unit, one.end, one.article) for one in found] for found in sentences])
    )


def unpack_quantities(blob: bytes) -> list[list[Quantity]]:
    """From the store."""
    return [[Quantity(*one) for one in found] for found in msgpack.unpackb(blob)]


@lru_cache(maxsize=4096)  # a text is compared with several others
def _quantities(text: str, lang: str, published: datetime.date | None) -> tuple[Quantity, ...]:
    # NFKC makes an o of the sign of an ordinal.
    text = _without_vulgar(text, lang).replace("º", _HELD).replace("ª", _HELD)
    text = (
        unicodedata.normalize("NFKC", text)
        .replace(_HELD, "º")
        .replace("\u2212", "-")
        .replace("\u2010", "-")
        .replace("\u2011", "-")
    )
    found: list[tuple[int, Quantity]] = []
    for moment in moments(text, lang, published):
        found.append((moment.start, Quantity(text[moment.start : moment.end].strip(), moment.value, moment.unit)))
        text = _blanked(text, moment.start, moment.end)
    for match in _NO_VALUE.finditer(text) if _MAYBE_NO_VALUE.search(text) else ():
        text = _blanked(text, match.start(), match.end())
    for start, end, value in _fractions(text, lang):
        found.append((start, Quantity(text[start:end], value, "fraction")))
        text = _blanked(text, start, end)
    found += _amounts(text, lang)
    return tuple(quantity for _, quantity in sorted(found, key=lambda placed: placed[0]))


def agree(
    a: Quantity, b: Quantity, published: tuple[datetime.date | None, datetime.date | None] = (None, None)
) -> bool | None:
    """Whether two quantities are the same; None where they measure different things and cannot be compared.

    `published` are the days that the two texts were published on, for weekdays.
    """
    if (a.end is None) != (b.end is None):
        return None
    if a.unit == b.unit and a.unit != "date":  # nearly all pairs are of two bare numbers
        return _amounts_agree(a, b)
    if "weekday" in (a.unit, b.unit) and "date" in (a.unit, b.unit):
        weekday, date, day = (a, b, published[0]) if a.unit == "weekday" else (b, a, published[1])
        return weekday_agrees(weekday.value, date.value, day or published[0] or published[1])
    if a.unit == b.unit == "date":
        return dates_agree(a.value, b.value)
    if {a.unit, b.unit} == {"date", ""} and a.value == b.value <= 31:
        return True  # the 27th, 27日
    if a.unit != b.unit and ({a.unit, b.unit} & _MOMENTS):
        return None
    return _amounts_agree(a, b) or (False if dimension(a.unit) == dimension(b.unit) else None)


def _amounts_agree(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts, or both ends of two ranges, are the same."""
    return amounts_agree(a.value, a.unit, b.value, b.unit) and (
        a.end is None or b.end is None or amounts_agree(a.end, a.unit, b.end, b.unit)
    )


_MOMENTS = {
    "date",
    "decade",
    "weekday",
    "calendar week",
    "time",
    "relative day",
    "relative week",
    "relative month",
    "relative year",
}


def split_range(quantity: Quantity) -> list[Quantity]:
    """The two numbers of a range or score, which `quantity` is, as quantities of their own."""
    assert quantity.end is not None
    parts = re.split(
        r"(?<=\w) ?(?:-|–|—|~|〜|:|から|対) ?|(?<=\w) (?:to|bis|zu|and|und|a|e|auf|or|oder|o) ",
        quantity.text,
        maxsplit=1,
    )
    texts = parts if len(parts) == 2 else [quantity.text, quantity.text]
    return [Quantity(texts[0], quantity.value, quantity.unit), Quantity(texts[1], quantity.end, quantity.unit)]


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + "\x00" * (end - start) + text[end:]


def _without_vulgar(text: str, lang: str) -> str:
    """½ as a decimal fraction, which NFKC would take apart: 2½ is 2.5."""
    if _VULGAR.keys().isdisjoint(text):
        return text
    mark = "," if lang in ("de", "it") else "."
    for sign, value in _VULGAR.items():
        digits = f"{value:.6g}"[1:].replace(".", mark)
        text = re.sub(rf"(?<=\d) ?{sign}", digits, text).replace(sign, "0" + digits)
    return text


@cache
def _parts(lang: str) -> Choice:
    return Choice(table("parts", lang), before=r"[ -]", after=r"(?:s|n)?(?!\w)")


@cache
def _half(lang: str) -> re.Pattern[str]:
    return re.compile(words("half", lang), re.IGNORECASE)


def _fractions(text: str, lang: str) -> Iterator[tuple[int, int, float]]:
    if lang == "ja":
        for match in _RATIO.finditer(text):
            yield match.start(), match.end(), japanese_value(match[2]) / japanese_value(match[1])
    else:
        choice = _parts(spoken(lang))
        for numeral in numerals(text, lang) if choice.pattern.search(text) else ():
            part = choice.pattern.match(text, numeral.end)
            # "a third of", but not "a third ship" or "un terzo uomo"
            lone = numeral.article and spoken(lang) != "de"
            if part and (not lone or _ENDS_PART.match(text, part.end())):
                yield numeral.start, part.end(), numeral.value / choice.value(part)
    for match in _half(spoken(lang)).finditer(text):
        yield match.start(), match.end(), 0.5


_ENDS_PART = re.compile(r"(?: (?:of|de[il]|dell[aeo]|degli|d'|from|to|in|on|more|less)\b|\s?dell'|[.,;:)]|$)")


@dataclass(frozen=True)
class _Amount:
    """A numeral with its unit; `start` and `end` hold both."""

    start: int
    end: int
    numeral: Numeral
    value: float
    unit: str


def _amounts(text: str, lang: str) -> list[tuple[int, Quantity]]:
    amounts = [_with_unit(text, lang, numeral) for numeral in numerals(text, lang)]
    found: list[tuple[int, Quantity]] = []
    skip = False
    for place, own in enumerate(amounts):
        if skip:
            skip = False
            continue
        following = amounts[place + 1] if place + 1 < len(amounts) else None
        if following is not None and not own.numeral.article and _joined(text, lang, own, following):
            skip = True
            value, start = own.value, own.start
            # "2-3 million": the scale and the unit of the second hold for the first.
            if own.numeral.scale == 1.0 and not own.unit and own.value < following.value / following.numeral.scale:
                value *= following.numeral.scale
            written = text[start : following.end].strip()
            found.append((start, Quantity(written, value, following.unit or own.unit, following.value)))
        elif not own.numeral.article or own.unit:
            if own.numeral.article and own.value == 1.0 and text[own.start : own.numeral.end].lower() in ("a", "an"):
                continue
            written = text[own.start : own.end].strip()
            found.append(
                (own.start, Quantity(written, own.value, own.unit, article=own.value == 1.0 or written == "sei"))
            )
    return found


def _with_unit(text: str, lang: str, numeral: Numeral) -> _Amount:
    end, unit = unit_after(text, numeral.end)
    start, sign = sign_before(text, numeral.start)
    value = numeral.value
    if lang == "ja":
        if match := re.compile(r"割(?!合)(?:(\d)分)?").match(text, numeral.end):  # tenths
            return _Amount(numeral.start, match.end(), numeral, value * 10 + int(match[1] or 0), "%")
        if unit == "km" and re.search(r"(?:時速|秒速|風速)(?:約|最大)?$", text[: numeral.start]):
            unit = "km/h"
        if unit == "s" and (match := re.compile(r"\d{2}(?!\d|秒)").match(text, end)):  # 48秒97
            return _Amount(numeral.start, match.end(), numeral, value + int(match.group()) / 100, "s")
        if unit == "year" and value >= 1000:
            end, unit = numeral.end, ""
    if dimension(unit) == "time" and (half := _half_after(spoken(lang)).match(text, end)):  # a year and a half
        whole = replace(numeral, article=False)
        return _Amount(start, half.end(), whole, value + 0.5, unit)
    return _Amount(start, end, numeral, value, unit or sign)


@cache
def _half_after(lang: str) -> re.Pattern[str]:
    return re.compile(words("half_after", lang), re.IGNORECASE)


@cache
def _between(lang: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What may stand between the two numbers of a range, which of it needs an opening word, and that word."""
    link = re.compile(rf"{words('votes', lang)}\s?{words('range', lang)}\s?", re.IGNORECASE)
    return (
        link,
        re.compile(r"\s?(?:and|und|e)\s?", re.IGNORECASE),
        re.compile(rf"\b{words('between', lang)}\s*$", re.IGNORECASE),
    )


def _joined(text: str, lang: str, own: _Amount, following: _Amount) -> bool:
    """Whether two amounts are a range or a score."""
    if own.unit and following.unit and own.unit != following.unit:
        return False
    link, both, opened = _between(spoken(lang))
    written = text[own.end : following.start]
    if written == ":":
        return True
    if not link.fullmatch(written) or (written.strip() == "" and not re.search(r"[-–]", written)):
        return False
    return not both.fullmatch(written) or opened.search(text[: own.start]) is not None
