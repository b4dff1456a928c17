"""Names in aligned sentences: which agree, across scripts too, which one side lacks, and which contradict.

A name is looked for on the other side as it is written, by its consonants where it stands in katakana there,
and by the model's token vectors, which know Munich, Monaco di Baviera and ミュンヘン. What is said to be missing
is in none of these ways near: precision goes before recall. What is not near in any way and is yet the same place
stands in a table (`places`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

import numpy as np

from align.embedding import StaticEncoder
from align.places import are_two, is_place, name_elsewhere
from align.quantity_words import vocabulary
from align.records import Vectors

AGREES = 0.45
"""Least cosine of a name and a run of tokens that is taken for it: of places' names in CLDR one in a hundred strangers reaches it, and 85 % of translations."""
ABSENT = 0.35
"""Greatest cosine of a name and any run of tokens of a text that lacks it: of the same names nine in ten translations are above."""
WINDOW = 6
"""Most tokens of a run."""
NEARBY = 30
"""Sentences before and after an aligned one that are searched for a name before it is called missing."""
SIMILAR = 0.8
"""Least similarity of two words, or of their consonants, that are taken for one name."""
POSSIBLE = 0.5
"""Similarity of consonants from which a name in katakana may be another's, though it is not sure."""
SHORTEST = 3
LONGER = 0.03
"""What each token costs a run: of two about as similar the shorter is the name."""
KEPT = 4 * NEARBY
"""Sentences whose token runs are kept."""

_PARTICLE = r"(?:d[aeiu]|de[lr]|della|van|von|zu|bin|al|el|la|le)"
_RUN = re.compile(
    rf"[A-ZÀ-ÖØ-Þ][\w’'-]*[\wÀ-ÿ](?: (?:{_PARTICLE} )?[A-ZÀ-ÖØ-Þ][\w’'-]*[\wÀ-ÿ])*"
)  # words with capitals in a row
_OPENING = re.compile(r"(?:^|[.!?:;…»«“”„\"(\[–—-]\s*|[‘'’]\s)$")
_TITLE_DE = (
    r"(?:Bundes|Vize|Außen|Innen|Finanz|Verteidigungs|Justiz|Minister|Staats|Partei|Ober|General|Regierungs|Premier)?"
    r"(?:[Kk]anzler|[Pp]räsident|[Mm]inister|[Cc]hef|[Ss]precher|[Bb]ürgermeister|[Tt]rainer|[Ss]ekretär|[Vv]orsitzender|[Vv]orsitzende|[Rr]ichter)(?:in)?"
    r"|Papst|König|Königin|Herr|Herrn|Frau|Professor|Senator|Senatorin"
)
_NAME_DE = re.compile(rf"\b(?:{_TITLE_DE}) ((?:[A-ZÄÖÜ][\wäöüß’'-]+ ){{0,2}}[A-ZÄÖÜ][\wäöüß’'-]+)")
_TITLES = frozenset(
    "Mr Mr. Mrs Mrs. Ms Ms. Sir Dr Dr. President Vice Prime Minister Chancellor King Queen Pope Governor Gov. Senator Sen. Mayor Judge"
    " Professor Secretary Director General Presidente Ministro Ministra Premier Papa Signor Signora Senatore Sindaco Giudice".split()
)
_TITLE_JA = r"氏|さん|首相|総理|大統領|外相|外務相|財務相|国防相|防衛相|大臣|長官|知事|市長|町長|議員|議長|代表|党首|総裁|会長|社長|教授|監督|選手|容疑者|被告|裁判官|司令官|国王|女王|皇太子|法王|教皇|報道官"
_KATAKANA = re.compile(r"[ァ-ヺー][ァ-ヺー・＝=]{2,}")
_NAME_JA = re.compile(
    rf"(?P<kana>[ァ-ヺー]{{2,}}(?:[・＝=][ァ-ヺー]+)+|[ァ-ヺー]{{2,}}(?=(?:{_TITLE_JA})))|(?P<kanji>(?<![一-鿿々])(?![同両各前元副現新])[一-鿿々]{{2,5}}?(?=(?:{_TITLE_JA})))"
)


@dataclass(frozen=True)
class NameDifference:
    """A name in bead number `bead`, as each side writes it: `verdict` is agree, contradict, or missing, where one of `a` and `b` is None."""

    bead: int
    verdict: str
    a: str | None
    b: str | None


class NameReader:
    """The sentences of one text, its names, and its token runs as vectors, made when they are asked for."""

    def __init__(self, sentences: Sequence[str], lang: str, encoder: StaticEncoder) -> None:
        self.sentences = [unicodedata.normalize("NFKC", sentence) for sentence in sentences]
        self.lang, self._encoder = lang, encoder
        self._runs: dict[int, tuple[Vectors, list[tuple[int, int, int]]]] = {}

    def names(self, place: int) -> list[str]:
        """The names of a sentence, as far as they are sure to be names."""
        text = self.sentences[place]
        if self.lang == "ja":
            return _distinct(match.group() for match in _NAME_JA.finditer(text))
        if self.lang == "de":
            return _distinct(match[1] for match in _NAME_DE.finditer(text))
        return _distinct(name for name, _ in _capitalised(text, self.lang))

    def opening(self, place: int, name: str) -> str:
        """The word that opens the sentence right before `name`, which may be its first; "" if there is none."""
        if self.lang in ("de", "ja"):
            return ""
        return dict(_capitalised(self.sentences[place], self.lang)).get(name, "")

    def kind(self, name: str, places: Sequence[int]) -> str:
        """ "place" or "person" where that is known of a name at `places`, else ""; of two kinds nothing contradicts."""
        if is_place(name, self.lang):
            return "place"
        titled = self.lang in ("de", "ja")  # where only names with titles are read, and Japanese ones of two parts
        titled = titled or any(
            word in _TITLES
            for place in places
            for word in re.findall(rf"([\w.]+) {re.escape(name)}", self.sentences[place])
        )
        return "person" if titled or " " in name else ""

    def vector(self, name: str) -> Vectors:
        """(d,) the unit vector of a name's tokens; zeros where it has none."""
        [ids] = self._encoder.token_ids([name])
        total = self._encoder.rows(ids).sum(axis=0) if ids else np.zeros(self._encoder.dimension)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), dtype=np.float32)

    def nearest(self, vector: Vectors, place: int) -> tuple[float, str]:
        """The run of tokens of a sentence that is most similar to `vector`, widened to whole words, and its cosine."""
        if place not in self._runs:
            if len(self._runs) >= KEPT:
                del self._runs[next(iter(self._runs))]
            self._runs[place] = self._make_runs(self.sentences[place])
        rows, spans = self._runs[place]
        if not spans:
            return 0.0, ""
        similarity = rows @ vector
        shortest = similarity - LONGER * np.asarray([span[2] for span in spans], dtype=np.float32)
        best = int(shortest.argmax())
        return float(similarity[best]), self._word(place, *spans[best][:2])

    def _make_runs(self, text: str) -> tuple[Vectors, list[tuple[int, int, int]]]:
        encoding = self._encoder.tokenizer.encode(text, add_special_tokens=False)
        rows = self._encoder.rows(encoding.ids) if encoding.ids else np.zeros((0, self._encoder.dimension), np.float32)
        sums = np.concatenate([np.zeros((1, rows.shape[1]), np.float32), np.cumsum(rows, axis=0)])
        n = len(rows)
        sizes = range(1, min(WINDOW, n) + 1)
        spans = [
            (encoding.offsets[start][0], encoding.offsets[start + size - 1][1], size)
            for size in sizes
            for start in range(n - size + 1)
        ]
        kept = [number for number, (start, end, _) in enumerate(spans) if self._may_be_name(text, start, end)]
        if not kept:
            return rows, []
        runs = np.concatenate([sums[size:] - sums[:-size] for size in sizes])[kept]
        spans = [spans[number] for number in kept]
        return np.asarray(runs / np.maximum(np.linalg.norm(runs, axis=1, keepdims=True), 1e-9), np.float32), spans

    def _may_be_name(self, text: str, start: int, end: int) -> bool:
        """Not a title, and where words are spaced whole words: the end of one name is not the end of another."""
        written = text[start:end].strip()
        if self.lang == "ja":
            return re.search(_TITLE_JA, written) is None
        begins = start == 0 or not text[start].isalnum() or not text[start - 1].isalnum()
        ends = end == len(text) or not text[end - 1].isalnum() or not text[end].isalnum()
        return begins and ends and written not in _TITLES and re.fullmatch(_TITLE_DE, written) is None

    def _word(self, place: int, start: int, end: int) -> str:
        text = self.sentences[place]
        for pattern in (_KATAKANA, _NAME_JA) if self.lang == "ja" else (re.compile(r"[\w’'-]+(?: [\w’'-]+)*?"),):
            for match in pattern.finditer(text):
                if self.lang == "ja" and match.start() <= start < match.end():
                    return match.group()
        if self.lang != "ja":
            capital = re.search(r"\b[A-ZÀ-ÖØ-Þ]", text[start:end])
            start += capital.start() if capital else 0
            while start and text[start - 1].isalnum():
                start -= 1
            while end < len(text) and text[end].isalnum():
                end += 1
        return text[start:end].strip(" ,.;:'’\"()")


def compare_names(
    number: int, places: tuple[Sequence[int], Sequence[int]], sides: tuple[NameReader, NameReader]
) -> list[NameDifference]:
    """The names of bead `number`, whose sentences are at `places`."""
    found: list[NameDifference] = []
    alone: list[list[str]] = [[], []]
    known: list[str] = []
    for own in (0, 1):
        here, there = sides[own], sides[1 - own]
        for name in _distinct(
            _whole_name(name, here.opening(place, name), there, places[1 - own])
            for place in places[own]
            for name in here.names(place)
        ):
            if any(_same_word(name, other) for other in known):
                continue
            counterpart, sure = _counterpart(name, here, there, places[own], places[1 - own])
            if counterpart:
                known += [name, counterpart, *name.split(), *counterpart.split()]
                pair = (name, counterpart) if own == 0 else (counterpart, name)
                found.append(NameDifference(number, "agree", *pair))
            elif sure:
                alone[own].append(name)
    if alone[0] and alone[1]:
        if len(alone[0]) > 1 or len(alone[1]) > 1:
            return found  # which of them belong together is not known
        kinds = [sides[own].kind(alone[own][0], places[own]) for own in (0, 1)]
        if kinds[0] == kinds[1] != "":
            return [*found, NameDifference(number, "contradict", alone[0][0], alone[1][0])]
    return (
        found
        + [NameDifference(number, "missing", name, None) for name in alone[0]]
        + [NameDifference(number, "missing", None, name) for name in alone[1]]
    )


def _whole_name(name: str, opening: str, there: NameReader, places: Sequence[int]) -> str:
    """`name` with the word that opens its sentence, where the other side writes that word as a name too."""
    written = [_written(opening, there, place) for place in places] if opening else []
    if any(word and not word[0].islower() for word in written):
        return f"{opening} {name}"
    return name


def _counterpart(
    name: str, here: NameReader, there: NameReader, own: Sequence[int], places: Sequence[int]
) -> tuple[str, bool]:
    """How the other side writes a name at `places`, "" if it does not, and whether it surely does not, nearby neither; `own` are the name's."""
    last = name.split()[-1].split("・")[-1] if not _is_kanji(name) else name
    best = (0.0, "")
    vectors = [here.vector(word) for word in {name, last}]
    for place in places:
        if written := name_elsewhere(name, here.lang, there.sentences[place], there.lang):
            return written, False
    for place in places:
        if (written := _written(last, there, place)) and not are_two(name, here.lang, written, there.lang):
            return written, False
        best = max([best, *(there.nearest(vector, place) for vector in vectors)])
    if best[0] >= AGREES and not are_two(name, here.lang, best[1], there.lang):
        return best[1], False
    first, end = max(0, min(places) - NEARBY), max(places) + NEARBY + 1
    for place in range(first, min(end, len(there.sentences))):
        if (
            name_elsewhere(name, here.lang, there.sentences[place], there.lang)
            or _written(last, there, place)
            or any(there.nearest(vector, place)[0] >= ABSENT for vector in vectors)
        ):
            return "", False
    # A name in Japanese that nothing is near to may be this one.
    unknown = there.lang == "ja" and any(
        (_is_kanji(other) or _alike(last, other.split("・")[-1]) >= POSSIBLE)
        and max(here.nearest(there.vector(other), at)[0] for at in own) < AGREES
        for place in places
        for other in there.names(place)
        if not any(_written(other.split("・")[-1], here, at) for at in own)
    )
    return "", not unknown or here.lang == "ja"


def _written(word: str, there: NameReader, place: int) -> str:
    """The word of a sentence that is `word` in spelling or by its consonants; "" if there is none."""
    text = there.sentences[place]
    if there.lang == "ja":
        if word in text:
            return word
        return next(
            (
                match.group()
                for match in _KATAKANA.finditer(text)
                if any(_same_word(word, part) for part in re.split("[・＝=]", match.group()))
            ),
            "",
        )
    return next((found for found in re.findall(r"[^\W\d_][\w’'-]+", text) if _same_word(word, found)), "")


def _same_word(a: str, b: str) -> bool:
    """Whether two words are one name: nearly the same letters, or the same consonants where one is in katakana."""
    if _is_kanji(a) or _is_kanji(b):
        return a == b
    kana = bool(_KATAKANA.fullmatch(a)), bool(_KATAKANA.fullmatch(b))
    if kana[0] == kana[1]:
        one, other = _plain(a), _plain(b)
        if min(len(one), len(other)) < SHORTEST:
            return one == other
        return one == other or (
            one[0] == other[0]
            and one[:SHORTEST] == other[:SHORTEST]
            and SequenceMatcher(None, one, other).ratio() >= SIMILAR
        )
    return _alike(a, b) >= SIMILAR


def _alike(a: str, b: str) -> float:
    """How alike the consonants of two words are, in [0, 1]; 0 where the first differs or there is but one."""
    one, other = consonants(a), consonants(b)
    if min(len(one), len(other)) < 2 or one[0] != other[0]:
        return 0.0
    return SequenceMatcher(None, one, other).ratio()


def _is_kanji(text: str) -> bool:
    return re.search(r"[一-鿿]", text) is not None


@lru_cache(maxsize=65536)
def _plain(word: str) -> str:
    """Letters without accents, lower-cased, without a genitive s."""
    letters = "".join(
        sign for sign in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(sign)
    )
    return re.sub(r"['’]s?$", "", letters)


_CONSONANTS = str.maketrans("vwflzjdgqcxmy", "bbhrssthkkkn ")
"""Consonants that Japanese does not tell apart, or writes alike."""


@lru_cache(maxsize=4096)
def consonants(word: str) -> str:
    """What is left of a word in either script when vowels go and sounds that katakana merges are one: Salvini and サルヴィーニ are srbn."""
    import jaconv

    if _KATAKANA.search(word):
        word = jaconv.kata2alphabet(word.replace("ー", "").replace("・", "").replace("ヴ", "ブ"))
    letters = _plain(word)
    for written, sound in (
        ("sch", "s"),
        ("tsch", "s"),
        ("sh", "s"),
        ("ch", "s"),
        ("ck", "k"),
        ("ph", "h"),
        ("th", "t"),
        ("ts", "s"),
        ("tz", "s"),
        ("ce", "s"),
        ("ci", "s"),
        ("gn", "n"),
        ("g", "k"),
    ):
        letters = letters.replace(written, sound)
    letters = re.sub(r"[^a-z]|[aeiou]", "", letters.translate(_CONSONANTS))
    letters = letters[:1] + letters[1:].replace("h", "")
    return re.sub(r"(.)\1+", r"\1", letters)


def _capitalised(text: str, lang: str) -> Iterator[tuple[str, str]]:
    """Runs of capitalised words, cut at days, months and titles: (name, opening).

    The first word of a sentence is not known to be of the name and left off; it is `opening` where the name
    follows at once, else "".
    """
    for match in _RUN.finditer(text):
        words = match.group().split()
        opening = ""
        if _OPENING.search(text[: match.start()]):
            opening, words = words[0], words[1:]
            opening = "" if _no_name(opening, lang) else opening
        name: list[str] = []
        for word in [*words, ""]:
            bare = re.sub(r"['’]s$", "", word)
            if lang == "it":
                bare = re.sub(r"^[A-Za-z]{1,5}['’](?=[A-Z])", "", bare)
            if bare and not _no_name(bare, lang):
                name.append(bare)
                continue
            while name and re.fullmatch(_PARTICLE, name[0]):
                name = name[1:]
                opening = ""
            if name and len(name[-1]) >= SHORTEST:
                yield " ".join(name), opening
            name, opening = [], ""


@lru_cache(maxsize=8)
def _calendar(lang: str) -> re.Pattern[str]:
    named = [vocabulary()[table].get(lang, "") for table in ("months", "weekdays")]
    return re.compile("|".join("|".join(name.split(" ")) for name in named if name) or "(?!)", re.IGNORECASE)


def _no_name(word: str, lang: str) -> bool:
    """Days, months, titles, and acronyms, which are written otherwise elsewhere."""
    return word.isupper() or word in _TITLES or _calendar(lang).fullmatch(word) is not None


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
