"""A text → the dates and times in it, seen from the day it was published.

A date is yyyymmdd with zeros where the text is silent: 3 March is 303, March 300, Japanese 25日 is 25. Words such as
yesterday are resolved where the day of publication is known, and counted from it ("relative day") where not.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from align.numerals import DIGIT, japanese_value, numerals
from align.quantity_words import Choice, spoken, table, vocabulary, words

Day = datetime.date
NEAR_DAYS = 7
"""A weekday named alone is at most so many days from the day of publication."""
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867}
"""Japanese eras and the year before their first, in the common calendar."""
_J = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_JA_DATE = re.compile(
    rf"(?:(?:(?P<era>{'|'.join(_ERAS)})(?P<nth>\d{{1,2}}|元|[一二三四五六七八九十]{{1,3}})|(?P<year>(?<!\d)(?:\d{{4}}|\d\d(?=年\d{{1,2}}月))))年(?!代))?"
    rf"(?:(?P<month>{_J})月)?(?P<day>(?<![\d.,数]){_J}日(?!間|後|目|連続|本|以内|以上|以降の|分|ぶり|前|々))?"
)
_ISO = re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b")
_DOTTED = re.compile(r"\b(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>\d{4})\b")
"""25.11.2026 and 25/11/2026 as German and Italian write it."""
_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<min>\d{2}))?\s?(?:(?P<half>[ap])\.?\s?m\b\.?|uhr(?:\s(?P<more>\d{2})\b)?|o'clock\b)",
    re.IGNORECASE,
)
_COLON = re.compile(r"\b(?P<h>[01]?\d|2[0-3]):(?P<min>[0-5]\d)(?![\d:])")
_ALLE = re.compile(
    r"\b(?:alle|dalle|ore)(?: ore)? (?P<h>\d{1,2})(?:[.:](?P<min>\d{2})|(?= (?:di|del|della|in|circa|ora|locali|e|per)\b|[.,;)]|$))",
    re.IGNORECASE,
)
_JA_CLOCK = re.compile(r"(?P<half>午前|午後)?(?P<h>\d{1,2})時(?!間|代|点)(?:(?P<min>\d{1,2})分|(?P<thirty>半))?")
_YEARS = re.compile(r"\b((?:19|20)\d\d)/\d\d\b")
_HOUR = re.compile(r" (?:o['’]clock|uhr)\b", re.IGNORECASE)
_NOON = {
    "en": r"\bnoon\b(?P<noon>)|\bmidnight\b", "de": r"\bmitternacht\b", "it": r"\bmezzogiorno\b(?P<noon>)|\bmezzanotte\b", "ja": r"正午(?P<noon>)",
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """A date ("date", "weekday" 1 to 7, "calendar week" yyyyww, a bare year "", "relative day", "decade", …) or time of day ("time", hhmm) at `start` to `end`."""

    start: int
    end: int
    value: float
    unit: str


def moments(text: str, lang: str, published: Day | None) -> list[Moment]:
    """The dates and times of `text`, none over another, in order."""
    found: list[Moment] = []
    taken = [False] * (len(text) + 1)
    for moment in itertools.chain(
        _decades(text, spoken(lang)), _clock(text, lang), _weekdays(text, lang, published), _ago(text, lang, published), _dates(text, lang),
        _relative(text, lang, published), _years(text),
    ):  # fmt: skip
        if moment.end > moment.start and not any(taken[moment.start : moment.end]):
            taken[moment.start : moment.end] = [True] * (moment.end - moment.start)
            found.append(moment)
    return sorted(found, key=lambda moment: moment.start)


def dates_agree(a: float, b: float) -> bool:
    """Whether two dates are the same in every part that both name."""
    pairs = list(zip(_parts(a), _parts(b), strict=True))
    both = [(x, y) for x, y in pairs if x and y]
    return bool(both) and all(x == y for x, y in both)


def _parts(date: float) -> tuple[int, int, int]:
    whole = int(date)
    return whole // 10_000, whole // 100 % 100, whole % 100


def weekday_agrees(weekday: float, date: float, published: Day | None) -> bool | None:
    """Whether a weekday is that date; None where that cannot be known."""
    year, month, day = _parts(date)
    if year and month and day:
        return Day(year, month, day).isoweekday() == weekday
    if published is None or not day:
        return None
    near = (published + datetime.timedelta(days=back) for back in range(-NEAR_DAYS, NEAR_DAYS + 1))
    return any(dates_agree(date, as_date(one)) for one in near if one.isoweekday() == weekday)


def as_date(day: Day) -> float:
    """yyyymmdd."""
    return day.year * 10_000.0 + day.month * 100 + day.day


# Each of the following yields what it finds; what comes first in `moments` wins a place.


def _clock(text: str, lang: str) -> Iterator[Moment]:
    patterns = [_JA_CLOCK] if lang == "ja" else [_CLOCK, _COLON, *([_ALLE] if lang == "it" else [])]
    for match in itertools.chain.from_iterable(pattern.finditer(text) for pattern in patterns if DIGIT.search(text)):
        named = match.groupdict()
        oclock, minute = (
            int(named["h"]),
            int(named.get("min") or named.get("more") or (30 if named.get("thirty") else 0)),
        )
        if named.get("half") in ("p", "P", "午後") and oclock < 12:
            oclock += 12
        elif named.get("half") in ("a", "A") and oclock == 12:
            oclock = 0
        if oclock <= 24 and minute < 60:
            yield Moment(match.start(), match.end(), oclock * 100.0 + minute, "time")
    for numeral in numerals(text, lang) if lang in ("en", "de") and _HOUR.search(text) else ():
        if (hour := _HOUR.match(text, numeral.end)) and numeral.value in range(1, 25):
            yield Moment(numeral.start, hour.end(), numeral.value * 100, "time")
    for match in re.finditer(_NOON[spoken(lang)], text):
        yield Moment(match.start(), match.end(), 0.0 if match.groupdict().get("noon") is None else 1200.0, "time")


@cache
def _weekday_patterns(lang: str) -> list[tuple[re.Pattern[str], int, str]]:
    """Patterns of weekdays, 1 to 7, and how each is meant: last, next, week_before, week_after or alone; the more specific first."""
    loose = "" if lang in ("de", "ja") else r"(?!\w)"  # Dienstagabend
    found = []
    for how in ("week_before", "week_after", "last_weekday", "next_weekday", "alone"):
        form = "{}" if how == "alone" else vocabulary()[how].get(lang)
        for number, name in enumerate(vocabulary()["weekdays"][lang].split(" "), 1):
            if form:
                found.append(
                    (
                        re.compile(
                            ("" if lang == "ja" else r"\b") + f"(?:{form.replace('{}', name)}){loose}", re.IGNORECASE
                        ),
                        number,
                        how,
                    )
                )
    return found


@cache
def _weekday_names(lang: str) -> Choice:
    return Choice({name: number for number, name in enumerate(vocabulary()["weekdays"][lang].split(" "), 1)})


def _weekdays(text: str, lang: str, published: Day | None) -> Iterator[Moment]:
    days = _weekday_names(spoken(lang))
    named = {days.value(match) for match in days.pattern.finditer(text)}
    for pattern, number, how in _weekday_patterns(spoken(lang)) if named else ():
        for match in pattern.finditer(text) if number in named else ():
            if how == "alone" or published is None:
                yield Moment(match.start(), match.end(), float(number), "weekday")
                continue
            monday = published - datetime.timedelta(days=published.isoweekday() - 1)
            if how in ("week_before", "week_after"):
                day = monday + datetime.timedelta(days=number - 1 + (7 if how == "week_after" else -7))
            else:
                away = (number - published.isoweekday() - 1) % 7 + 1  # days until the next one
                day = published + datetime.timedelta(days=away if how == "next_weekday" else (away - 7) or -7)
            yield Moment(match.start(), match.end(), as_date(day), "date")


@cache
def _relative_words(lang: str) -> Choice:
    return Choice(table("relative", lang), *(("", "") if lang == "ja" else (r"(?<!\w)", r"(?!\w)")))


def _relative(text: str, lang: str, published: Day | None) -> Iterator[Moment]:
    choice = _relative_words(spoken(lang))
    for match in choice.pattern.finditer(text):
        unit, away = choice.value(match)
        yield Moment(match.start(), match.end(), *_from_day(published, unit, away))


@cache
def _ago_words(lang: str) -> tuple[str, Choice]:
    """What stands before the number, and the units as they stand after it."""
    lead, form = str(vocabulary()["ago"][lang]).split("{n}")
    before, after = form.split("{unit}")
    return lead, Choice(table("ago_units", lang), before, after if lang == "ja" else rf"{after}(?!\w)")


def _ago(text: str, lang: str, published: Day | None) -> Iterator[Moment]:
    lead, units = _ago_words(spoken(lang))
    if not units.pattern.search(text):
        return
    for numeral in numerals(text, lang):
        if not text[: numeral.start].lower().endswith(lead):
            continue
        match = units.pattern.match(text, numeral.end)
        if match and numeral.value == int(numeral.value) and numeral.value < 1000:
            yield Moment(
                numeral.start - len(lead),
                match.end(),
                *_from_day(published, units.value(match), -int(numeral.value)),
            )


def _from_day(published: Day | None, unit: str, away: int) -> tuple[float, str]:
    """The value and unit of so many days, weeks, months or years after the day of publication."""
    if published is None:
        return float(away), f"relative {unit}"
    if unit == "day":
        return as_date(published + datetime.timedelta(days=away)), "date"
    if unit == "week":
        year, week, _ = (published + datetime.timedelta(weeks=away)).isocalendar()
        return year * 100.0 + week, "calendar week"
    if unit == "month":
        months = published.year * 12 + published.month - 1 + away
        return months // 12 * 10_000.0 + (months % 12 + 1) * 100, "date"
    return float(published.year + away), ""


def _dates(text: str, lang: str) -> Iterator[Moment]:
    for pattern in (_ISO, _DOTTED) if DIGIT.search(text) else ():
        for match in pattern.finditer(text):
            year, month, day = int(match["y"]), int(match["m"]), int(match["d"])
            if 1 <= month <= 12 and 1 <= day <= 31:
                yield Moment(match.start(), match.end(), year * 10_000.0 + month * 100 + day, "date")
    yield from _japanese_dates(text) if lang == "ja" else _named_dates(text, spoken(lang))


def _japanese_dates(text: str) -> Iterator[Moment]:
    for match in _JA_DATE.finditer(text):
        if not match.group():
            continue
        year = int(match["year"] or 0)
        if match["year"] and year < 100:
            year += 1900 if year >= 50 else 2000
        if match["era"]:
            year = _ERAS[match["era"]] + (1 if match["nth"] == "元" else int(japanese_value(match["nth"])))
        month = int(japanese_value(match["month"])) if match["month"] else 0
        day = int(japanese_value(match["day"][:-1])) if match["day"] else 0
        if month > 12 or day > 31 or (day and not month and not match["day"][0].isdigit()):
            continue  # 一日 is "a day"
        if year and not month:
            yield Moment(match.start(), match.start() + match.group().index("年") + 1, float(year), "")
        elif month or day:
            yield Moment(match.start(), match.end(), year * 10_000.0 + month * 100 + day, "date")


@cache
def _named_date(lang: str) -> re.Pattern[str]:
    months = vocabulary()["months"][lang].split(" ")
    month = "|".join(f"(?P<m{number}>{name})" for number, name in enumerate(months, 1))
    day = r"(?P<{}>\d{{1,2}})(?:\.|st|nd|rd|th|[ºª°])?"
    upto = rf"(?:{day.format('from')} ?(?:-|–|to|and|bis(?: zum)?|und|al|e) ?(?:l')?)?"
    year = r"(?:,? (?:(?:of|del) )?(?P<year>(?:19|20)\d\d)(?!\d))?"
    of = r"(?: of)? " if lang == "en" else " "
    first = rf"(?:{upto}{day.format('day')}{of})?(?<!\w)(?:{month})(?!\w)(?: (?P<after>\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,:]?\d|\w))?{year}"
    return re.compile(first, re.IGNORECASE)


@cache
def _month_alone(lang: str) -> re.Pattern[str]:
    return re.compile(words("in_month", lang) + "$", re.IGNORECASE)


def _named_dates(text: str, lang: str) -> Iterator[Moment]:
    for match in _named_date(lang).finditer(text):
        named = match.groupdict()
        month = next(number for number in range(1, 13) if named[f"m{number}"])
        day = int(named["day"] or named["after"] or 0)
        if day > 31:
            continue
        year = int(named["year"] or 0)
        start = match.start()
        word = named[f"m{month}"]
        if (
            not day
            and not year
            and ((word[0].islower() and lang != "it") or not _month_alone(lang).search(text[:start]))
        ):
            continue  # "may", "march"
        value = year * 10_000.0 + month * 100 + day
        if named["from"] and int(named["from"]) < day:
            between = match.start("day")
            yield Moment(start, between, value - day + int(named["from"]), "date")
            start = between
        yield Moment(start, match.end(), value, "date")


@cache
def _decade_words(lang: str) -> tuple[re.Pattern[str], Choice]:
    named = Choice(table("decade_words", lang), before=r"(?<!\w)", after=r"(?!\w)")
    return re.compile(words("decade", lang), re.IGNORECASE), named


def _decades(text: str, lang: str) -> Iterator[Moment]:
    digits, named = _decade_words(lang)
    for match in digits.finditer(text) if DIGIT.search(text) else ():
        year = int(match["y"]) if match["y"] else int(match["short"]) + (1900 if int(match["short"]) > 20 else 2000)
        yield Moment(match.start(), match.end(), float(year), "decade")
    for match in named.pattern.finditer(text):
        yield Moment(match.start(), match.end(), float(named.value(match)), "decade")


def _years(text: str) -> Iterator[Moment]:
    """ "2025/26": one year."""
    for match in _YEARS.finditer(text):
        yield Moment(match.start(), match.end(), float(match[1]), "")
