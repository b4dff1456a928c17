"""The words that quantities are written with, from ``quantity_words.toml``, as compiled regular expressions."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def vocabulary() -> dict[str, Any]:
    """The whole file."""
    return tomllib.loads(Path(__file__).with_name("quantity_words.toml").read_text(encoding="utf-8"))


def spoken(lang: str) -> str:
    """The language whose words are used for `lang`: its own, else English."""
    return lang if lang in vocabulary()["between"] else "en"


def words(name: str, lang: str, default: str = "(?!)") -> str:
    """The regular expression of table `name` for `lang`; `default`, which matches nothing, where it has none."""
    found: str = vocabulary()[name].get(spoken(lang), default)
    return f"(?:{found})"


def table(name: str, lang: str) -> dict[str, Any]:
    """The rows of table `name` for `lang`."""
    found: dict[str, Any] = vocabulary()[name].get(spoken(lang), {})
    return found


class Choice:
    """Alternatives, each with a value: which of them stands at a place, and its value."""

    def __init__(self, rows: dict[str, Any], before: str = "", after: str = "") -> None:
        self.values = list(rows.values())
        inner = "|".join(f"(?P<c{place}>{pattern})" for place, pattern in enumerate(rows))
        self.pattern = re.compile(f"{before}(?:{inner or '(?!)'}){after}", re.IGNORECASE)

    def value(self, match: re.Match[str]) -> Any:
        """The value of the alternative that matched."""
        return next(self.values[int(name[1:])] for name, found in match.groupdict().items() if found and name[0] == "c")
