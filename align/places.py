"""A place's name in one language → its name in a text of another, where neither spelling nor vectors tell: Neapel is Napoli."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

Place = Mapping[str, Sequence[str]]
"""The names of a place by language."""


@lru_cache(maxsize=1)
def _places() -> Mapping[tuple[str, str], Sequence[Place]]:
    """The places by language and name."""
    table = tomllib.loads((resources.files("align") / "places.toml").read_text(encoding="utf-8"))["place"]
    found: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for row in table:
        place = {lang: names.split("/") for lang, names in row.items()}
        for lang, names in place.items():
            for name in names:
                found[lang, name].append(place)
    return dict(found)


def name_elsewhere(name: str, lang: str, text: str, other: str) -> str:
    """How `text`, in the language `other`, writes the place that is called `name` in `lang`; "" if it does not, or none is known."""
    for place in _places().get((lang, name), ()):
        for written in place.get(other, ()):
            if _pattern(written, other).search(text):
                return written
    return ""


@lru_cache(maxsize=4096)
def _pattern(name: str, lang: str) -> re.Pattern[str]:
    if lang == "ja":
        return re.compile(rf"(?<![ァ-ヺー]){re.escape(name)}(?![ァ-ヺー])")
    return re.compile(rf"\b{re.escape(name)}{'s?' if lang == 'de' else ''}\b")


def is_place(name: str, lang: str) -> bool:
    """Whether a place is known by this name in `lang`."""
    return (lang, name) in _places()


def are_two(name: str, lang: str, written: str, other: str) -> bool:
    """Whether both names are known and no one place has both."""
    one, two = _places().get((lang, name), ()), _places().get((other, written), ())
    return bool(one and two) and not any(place in two for place in one)
