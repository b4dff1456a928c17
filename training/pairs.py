"""Sentence pairs, read, decontaminated and numbered: the training text as arrays."""

from __future__ import annotations

import csv
import lzma
import sys
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("en", "ja", "de", "it")
MAX_CHARACTERS = 1000  # a side longer than this is a page that slipped into a sentence corpus


@dataclass(frozen=True)
class Corpus:
    """One file of pairs in one direction, with the number of times a pair is drawn an epoch."""

    name: str
    source_lang: str
    target_lang: str
    path: Path
    weight: float


def comparable(text: str) -> str:
    """`text` as it is compared for contamination: NFKC, case-folded, letters and digits only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def evaluation_sides(folder: Path) -> frozenset[str]:
    """Every text of every evaluation file under `folder`, comparable.

    Reads each cell of the tab-separated files and each line of the plain ones, so a column that is
    not text costs nothing: it never equals a sentence. Sides under eight characters are left out,
    because they are words that any text holds.
    """
    sides: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("README") or path.suffix in {".jsonl", ".defr"}:
            continue
        with path.open(encoding="utf-8", newline="") as handle:
            if path.suffix == ".tsv":
                rows: Iterable[list[str]] = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
                cells = (cell for row in rows for cell in row)
            else:
                cells = (line.rstrip("\n") for line in handle)
            sides.update(side for side in map(comparable, cells) if len(side) >= 8)
    return frozenset(sides)


def corpora(folders: Sequence[Path], settings: Path) -> list[Corpus]:
    """The pair files of each folder in name order, with their weights from `settings`.

    Raises FileNotFoundError if a folder holds no pair file.
    """
    table = tomllib.loads(settings.read_text(encoding="utf-8"))
    found = []
    for folder in folders:
        if not (paths := sorted(folder.glob("*.tsv.xz"))):
            raise FileNotFoundError(f"{folder}: no *.tsv.xz pair files; name the folder with --data")
        for path in paths:
            name, pair, *_ = path.name.split(".")
            source_lang, target_lang = pair.split("-")
            weight = float(table["weight"].get(name, table["default"]))
            found.append(Corpus(name, source_lang, target_lang, path, weight))
    return found


@dataclass
class Decontamination:
    """What was read and what was left out, for the model card."""

    read: int = 0
    contaminated: int = 0
    malformed: int = 0
    repeated: int = 0

    def line(self) -> str:
        return (
            f"{self.read} pairs read; left out: {self.contaminated} that share a side with an evaluation set, "
            f"{self.malformed} empty, over-long or not two columns, {self.repeated} repeated within their language pair"
        )


def read_pairs(
    corpus: Corpus, forbidden: frozenset[str], seen: set[int], count: Decontamination
) -> Iterator[tuple[str, str]]:
    """The usable pairs of one corpus. `seen` holds hashes of pairs already drawn and is added to."""
    with lzma.open(corpus.path, "rt", encoding="utf-8", newline="\n") as handle:
        for line in handle:
            count.read += 1
            columns = line.rstrip("\n").split("\t")
            if len(columns) != 2 or not all(0 < len(side) <= MAX_CHARACTERS for side in columns):
                count.malformed += 1
                continue
            source, target = (comparable(side) for side in columns)
            if not source or not target:
                count.malformed += 1
            elif source in forbidden or target in forbidden:
                count.contaminated += 1
            elif (key := hash((corpus.source_lang, corpus.target_lang, source, target))) in seen:
                count.repeated += 1
            else:
                seen.add(key)
                yield columns[0], columns[1]


def log(message: str) -> None:
    """Progress, on standard error."""
    print(message, file=sys.stderr, flush=True)
