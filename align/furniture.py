"""Which lines of a saved page are furniture: phrases kept as data, and the shape of a line."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib import resources

from align.widths import width

PROSE_CHARACTERS = 120
"""A line at least this wide is prose even without a full stop: a teaser cut off in mid-sentence. East Asian characters count twice."""
SHORT_CHARACTERS = 330
"""The longest line, in the same width, that service and address words make furniture: a notice, not an article on subscriptions."""

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_SENTENCE_END = re.compile(r"[.!?。！？…‥][\"'”’»«“」』）)\]]*$|[」』]$")
_ABBREVIATED = re.compile(r"\b(Inc|Corp|Ltd|Co|Jr|Sr|St|vs|Nr|z\. ?B|U\.S|a\.m|p\.m|S\.p\.A)\.$", re.IGNORECASE)
_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il|ile)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?|de[cz](?:ember)?"
    r"|gen(?:naio)?|febbraio|marzo|mag(?:gio)?|giu(?:gno)?|lug(?:lio)?|ago(?:sto)?|set(?:t(?:embre)?)?|ott(?:obre)?|dic(?:embre)?"
    r"|janvier|février|mars|avril|juin|juillet|août|septembre|décembre|enero|febrero|abril|mayo|junio|julio|septiembre|octubre|noviembre|diciembre)"
)
_TIME_WORDS = re.compile(
    r"(?:"
    + _MONTH
    + r"\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b(?:mon|diens|donners|frei|sams|sonn)tag|\bmittwoch|\b(?:lune|marte|mercole|giove|vener)dì|\bsabato|\bdomenica"
    r"|\b(?:a|p)\.?m\.?\b|\b(?:est|edt|et|gmt|utc|cet|cest|mez|mesz|jst|uhr|ore)\b|\b\d+\s*(?:min(?:ute[ns]?|uti|uto)?|hours?|stunden?|or[ae]|days?|tage?n?|giorn[io]|sec|weeks?|wochen?|settiman[ae])\b"
    r"|\b(?:lun|mar|mercre|jeu|vendre|same)di\b|\bdimanche\b|\b(?:lunes|martes|miércoles|jueves|viernes|sábado|domingo)\b|\b\d+\s*(?:heures?|jours?|horas?|días?|minutos?)\b|\b\d{1,2}h\d{0,2}\b"
    r"|\b(?:publié|modifié|mis à jour|le|à|temps de lecture|publicado|actualizado|el|de|a las)\b"
    r"|\b(?:ago|vor|fa|read|lesezeit|di lettura|updated|published|aktualisiert|veröffentlicht|stand|aggiornato|pubblicato|il|am|um|alle|at|on|of|von|h)\b"
    r"|年|月|日|時|分|前|更新|公開|配信|午前|午後|[（(][月火水木金土日][)）]|st\b|nd\b|rd\b|th\b)",
    re.IGNORECASE,
)
_DATELINE = re.compile(
    r"^(?:"
    # TOKYO / WASHINGTON, November 27, 2025 –   ROMA, 3 marzo (ANSA) -   BERLIN (dpa/AFP) –   Tokyo (AP) —
    r"(?:[A-ZÀ-Ý][A-ZÀ-Ý.'’\-]+(?:[ /,]+[A-ZÀ-Ý][A-ZÀ-Ý.'’\-]+){0,5}|[A-ZÀ-Ý][\w.'’\-]+(?:[ /][A-ZÀ-Ý][\w.'’\-]+){0,3}(?=\s*\((?:[A-Z][A-Za-z]*|dpa)(?:/\w+)*\)|,\s*\d))"
    r"(?:,?\s*\(?(?:[A-Za-zÀ-ÿ]+\.?\s+\d{1,2}(?:,\s*\d{4})?|\d{1,2}\.?\s+[A-Za-zÀ-ÿ]+\.?(?:\s+\d{4})?)\)?)?"
    r"(?:\s*\([^()]{2,30}\))?\s*(?:[–—]|--?|:)\s+"
    # 【東京=山田太郎】  ［東京　２７日　ロイター］　-
    r"|[【［\[](?=[^】］\]]*(?:共同|時事|ロイター|＝|=|[0-9０-９]+日))[^】］\]]{2,40}[】］\]]\s*(?:[-－―–]\s*)?"
    r")"
)
_BYLINE = re.compile(
    r"^(?:[Bb]y|[Vv]on|[Pp]ar|[Pp]or|di|[Aa] cura di|文|文＝|取材)\s*[:：＝=]?\s*(?:[A-ZÀ-Ý][\w.'’\-]*|[\u4e00-\u9fff]{1,4})(?:[\s,・、]+(?:and|und|e|et|y|avec|&|in|a|[A-ZÀ-Ý][\w.'’\-]*|[\u4e00-\u9fff]{1,4})){0,9}\s*$"
)


class Role(Enum):
    """What a line is on its page."""

    PROSE = "prose"
    HEADING = "heading"
    RELATED = "related"
    COMMENTS = "comments"
    CREDIT = "credit"  # an image's credit, or caption and credit in one
    MARKER = "marker"  # says that an image follows
    FURNITURE = "furniture"


@dataclass(frozen=True)
class Phrases:
    """The phrase lists of all languages, ready to match comparable text."""

    related: frozenset[str]
    comments: frozenset[str]
    lines: frozenset[str]
    starts: tuple[str, ...]
    image: tuple[re.Pattern[str], ...]
    markers: frozenset[str]
    service: re.Pattern[str]
    address: re.Pattern[str]
    tails: re.Pattern[str]
    composed: re.Pattern[str]


def comparable(line: str) -> str:
    """`line` as phrases are compared: NFKC, lower case, single spaces, typographic quotes made plain."""
    text = unicodedata.normalize("NFKC", line).lower().replace("’", "'").replace("‘", "'")
    return " ".join(text.split())


def _bare(line: str) -> str:
    return _EDGES.sub("", comparable(line))


def _words(phrases: list[str]) -> re.Pattern[str]:
    """Any of `phrases`, as whole words where the script has words."""
    alternatives = sorted((re.escape(phrase) for phrase in phrases), key=len, reverse=True)
    return re.compile(r"(?<![a-zà-ÿ])(?:" + "|".join(alternatives) + r")(?![a-zà-ÿ])")


@lru_cache(maxsize=1)
def phrases() -> Phrases:
    """The lists of ``phrases/*.toml``, merged over languages: a page in one language holds stories in others."""
    merged: dict[str, list[str]] = {}
    folder = resources.files("align") / "phrases"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            for name, values in tomllib.loads(entry.read_text(encoding="utf-8")).items():
                merged.setdefault(name, []).extend(values)
    lines = frozenset(map(_bare, merged["lines"]))
    parts = sorted((re.escape(line) for line in lines if len(line) >= 3), key=len, reverse=True)
    return Phrases(
        related=frozenset(map(_bare, merged["related"])),
        comments=frozenset(map(_bare, merged["comments"])),
        lines=lines,
        starts=tuple(comparable(start) if not start.endswith(" ") else comparable(start) + " " for start in merged["starts"]),
        image=tuple(re.compile(pattern) for pattern in merged["image"]),
        markers=frozenset(map(_bare, merged["markers"])),
        service=_words(merged["service"]),
        address=_words(merged["address"]),
        tails=re.compile(r"(?:^|(?<=[\s.!?。！？…>»]))(?:" + "|".join(sorted(map(re.escape, merged["tails"]), key=len, reverse=True)) + r")\s*[.…>»→]*$", re.IGNORECASE),
        composed=re.compile(r"(?:(?:" + "|".join(parts) + r")[\s\W]*)+"),
    )  # fmt: skip


def is_prose(line: str) -> bool:
    """Whether `line` has the shape of running text: it ends like a sentence, or is too wide for a heading."""
    if width(line) >= PROSE_CHARACTERS:
        return True
    if not _SENTENCE_END.search(line) or _ABBREVIATED.search(line):
        return False
    return width(line) >= 24


def _is_date_or_count(line: str) -> bool:
    """Whether nothing but dates, times, durations and numbers stands in a short line."""
    if width(line) > 80 or not re.search(r"\d", line):
        return False
    rest = re.sub(r"[\W\d_]+", "", _TIME_WORDS.sub(" ", line))
    return len(rest) <= 1


def classify(line: str) -> Role:
    """The role of one stripped, non-empty line, judged by itself."""
    known = phrases()
    text, bare = comparable(line), _bare(line)
    if not bare:
        return Role.FURNITURE
    if bare in known.related:
        return Role.RELATED
    if bare in known.comments:
        return Role.COMMENTS
    if bare in known.markers:
        return Role.MARKER
    if bare in known.lines or known.composed.fullmatch(bare):
        return Role.CREDIT if any(pattern.search(text) for pattern in known.image) else Role.FURNITURE
    wide = width(line)
    if wide <= SHORT_CHARACTERS and not dateline(line) and _is_credit(text):
        return Role.CREDIT
    if text.startswith(known.starts) and wide <= SHORT_CHARACTERS:
        return Role.FURNITURE
    if line.count("|") >= 2 or (wide < PROSE_CHARACTERS and _few_letters(line)):
        return Role.FURNITURE
    if re.search(r"\S\s*[>›»]\s*\S", line) and not is_prose(line):
        return Role.FURNITURE
    if _is_date_or_count(line) or _BYLINE.match(line):
        return Role.FURNITURE
    if wide <= SHORT_CHARACTERS and _addresses_the_reader(text, wide):
        return Role.FURNITURE
    return Role.PROSE if is_prose(line) else Role.HEADING


def _few_letters(line: str) -> bool:
    return sum(map(str.isalpha, line)) < 0.4 * len(line.replace(" ", ""))


def _is_credit(text: str) -> bool:
    """Whether an image's credit stands at the beginning or the end of `text`; inside a sentence it is a word."""
    for pattern in phrases().image:
        for found in pattern.finditer(text):
            before = text[: found.start()].rstrip(" (（[")
            if len(before) <= 2 or _SENTENCE_END.search(before) or not _SENTENCE_END.search(text):
                return True
    return False


def _addresses_the_reader(text: str, wide: int) -> bool:
    known = phrases()
    services = {match.group() for match in known.service.finditer(text)}
    addressed = known.address.search(text) is not None
    return bool(services) and (addressed or (len(services) >= 2 and wide <= 160))


def dateline(line: str) -> int:
    """How many characters of `line` are a dateline ("ROMA, 3 marzo (ANSA) - "): 0 if none."""
    found = _DATELINE.match(line)
    return found.end() if found and found.end() < len(line) else 0


def read_more_tail(line: str) -> int:
    """Where a trailing "read more" begins in `line`: its length if there is none."""
    found = phrases().tails.search(line)
    return len(line[: found.start()].rstrip()) if found and found.start() > 20 else len(line)
