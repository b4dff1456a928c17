"""How wide a text is: lengths that can be compared across scripts."""

from __future__ import annotations

import re
import unicodedata

_MAYBE_WIDE = re.compile("[\u1100-\U0010ffff]")
"""No character before Hangul Jamo is wide (Unicode Standard Annex 11)."""


def width(text: str) -> int:
    """Columns that a text fills: a kanji, kana or other wide character counts two, as on a terminal."""
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in _MAYBE_WIDE.findall(text))
