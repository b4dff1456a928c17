"""Names in a text, under keys of their sound: Ansaldi and アンサルディ are one name, in whatever script.

A key is what remains of a name without vowels and h, a sound twice in a row written once, in the manner of
Soundex (R. C. Russell, US patent 1,261,167 of 1918); l and r are one, and b, v and w, as in Japanese.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LEAST_SOUNDS = 3
"""A name with fewer consonants shares its key with too many others, and has none."""

_CAPITALISED = re.compile(r"[A-ZÀ-Ý](?<![.!?»“”\"„'’:]\s.)(?<!^.)(?<![\w].)[\wÀ-ÿ]{2,}(?:[-'’][\wÀ-ÿ]+)*")
_JOINT = re.compile(r"[-'’]")
_KATAKANA = re.compile(r"[ァ-ヴー]{3,}")
_KANA = {
    "k": "カキクケコ", "g": "ガギグゲゴ", "s": "サシスセソ", "z": "ザズゼゾツ", "j": "ジヂ", "c": "チ", "t": "タテト", "d": "ダヅデド",
    "n": "ナニヌネノン", "b": "バビブベボヴワ", "p": "パピプペポ", "f": "フ", "m": "マミムメモ", "r": "ラリルレロ",
}  # fmt: skip
_SIGNS = {sign: sound for sound, signs in _KANA.items() for sign in signs} | {"ウィ": "b", "ウェ": "b", "ウォ": "b"}
_SIGN = re.compile(r"ウ[ィェォ]|.")
# How a letter or some together sound: one way, and another where languages differ, as in Church, Chiara and Bach.
_LETTERS = {
    letters: (ways.split("/") * 2)[:2]
    for letters, ways in (
        pair.split(":")
        for pair in "tsch:c sch:s sci:s sh:s ch:k/c ck:k gh:g ph:f th:s/t tz:z ts:z zz:z/c dg:j gi:j/g ge:j/g gli:r gn:n/gn qu:k "
        "ci:c/s ce:c/s wh:b c:k/c l:r v:b w:b q:k x:ks er$:r/ or$:r/ ar$:r/".split()
    )
}
_LETTER = re.compile("|".join(_LETTERS) + "|.")
_SILENT = frozenset("aeiouyh")


def names_in(text: str, lang: str) -> dict[str, str]:
    """Key → the name as it is first written in `text`: capitalised words inside sentences, or words in katakana.

    The parts of a name with a hyphen or an apostrophe have keys of their own, and so have two ways of saying one.
    """
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, str] = {}
    for name in dict.fromkeys((_KATAKANA if lang == "ja" else _CAPITALISED).findall(text)):
        for part in _JOINT.split(name):
            for key in sound_keys(part):
                found.setdefault(key, part)
    return found


@lru_cache(maxsize=65536)
def sound_keys(name: str) -> tuple[str, ...]:
    """The keys of a name in katakana or Latin letters, one or two, sorted; none where it has too few consonants."""
    if _KATAKANA.match(name):
        ways = ["".join(_SIGNS.get(sign, "") for sign in _SIGN.findall(name))]
    else:
        plain = "".join(sign for sign in unicodedata.normalize("NFKD", name.lower()) if "a" <= sign <= "z")
        parts = _LETTER.findall(plain)
        ways = ["".join(_way(part, number) for part in parts) for number in (0, 1)]
    return tuple(sorted({key for way in ways if len(key := _squeezed(way)) >= LEAST_SOUNDS}))


def _way(letters: str, number: int) -> str:
    ways = _LETTERS.get(letters) or _LETTERS.get(f"{letters}$")
    return ways[number] if ways else letters


def _squeezed(sounds: str) -> str:
    heard = "".join(sound for sound in sounds if sound not in _SILENT)
    return re.sub(r"(.)\1+", r"\1", heard)
