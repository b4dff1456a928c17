"""``python -m training.dictionaries --out DIR``: words and names that installed packages hold, as files of pairs.

The package ``jamdict-data`` carries JMdict and JMnedict (Electronic Dictionary Research and Development Group,
CC BY-SA): 190,000 words with English glosses, half of which the pairs of sentences never show, and 700,000 names with
their readings. Words that newspapers use often are told from the rest by the dictionary's own marks of frequency, and
verbs and adjectives are given in the forms that sentences hold as well as in the form that dictionaries list.

The package ``simplemma`` knows 360,000 Italian and a million German forms of words: each goes with the English of the word it is
a form of, from the lexicons among the sentence pairs.
"""

from __future__ import annotations

import argparse
import importlib.util
import lzma
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.pairs import log

PACKAGE = "jamdict_data"
LICENCES = {
    "jmdict": "CC BY-SA (Electronic Dictionary Research and Development Group)",
    "jmnedict": "CC BY-SA (Electronic Dictionary Research and Development Group)",
    "simplemma": "MIT (simplemma; its word lists under several free licences)",
}
GLOSSES = 3
"""Of a sense, at most so many glosses: what follows are shades of the first ones."""
UNUSUAL = {"archaism", "obscure term", "obsolete term", "rare"}
OLD_FORMS = {"word containing out-dated kanji", "word containing irregular kanji usage", "irregular okurigana usage"}
NAME_KINDS = {
    "person": "jmnedict_person.en-ja",
    "surname": "jmnedict_surname.en-ja",
    "place": "jmnedict_place.en-ja",
    "station": "jmnedict_place.en-ja",
    "organization": "jmnedict_work.en-ja",
    "company": "jmnedict_work.en-ja",
    "product": "jmnedict_work.en-ja",
    "work": "jmnedict_work.en-ja",
}
"""The dictionary's kind of a name → the file it goes to; given names have too many readings to be of use."""

_GODAN = {
    "u": ("う", "って", "った", "い", "わ"),
    "ku": ("く", "いて", "いた", "き", "か"),
    "gu": ("ぐ", "いで", "いだ", "ぎ", "が"),
    "su": ("す", "して", "した", "し", "さ"),
    "tsu": ("つ", "って", "った", "ち", "た"),
    "bu": ("ぶ", "んで", "んだ", "び", "ば"),
    "mu": ("む", "んで", "んだ", "み", "ま"),
    "ru": ("る", "って", "った", "り", "ら"),
}
_SHORTER = ((re.compile(r"o[uo](?![eiu])"), "o"), (re.compile(r"uu"), "u"), (re.compile(r"(?<=[a-z])-"), ""))
"""Long vowels as newspapers write them: Takaichi Sanae, not Takaiti; Ito, not Itou; Inoue stays."""


def inflected(word: str, class_of_word: str) -> tuple[str, ...]:
    """The te-form, past, polite and negative forms of a verb, or the adverb, past and negative of an adjective.

    `class_of_word` is the dictionary's name of the part of speech; of another one there are none.
    """
    if class_of_word == "Ichidan verb" and word.endswith("る"):
        return tuple(word[:-1] + ending for ending in ("て", "た", "ます", "ない"))
    if class_of_word == "adjective (keiyoushi)" and word.endswith("い"):
        return tuple(word[:-1] + ending for ending in ("く", "かった", "くない"))
    if found := re.fullmatch(r"Godan verb with '(\w+)' ending", class_of_word):
        forms = _GODAN.get(found[1])
        if forms and word.endswith(forms[0]):
            _, te, past, polite, negative = forms
            return tuple(word[:-1] + ending for ending in (te, past, polite + "ます", negative + "ない"))
    return ()


def plain(gloss: str) -> str:
    """A gloss without what stands in brackets and without the "to" of verbs."""
    return re.sub(r"^to (?=\w)", "", re.sub(r"\s*\([^)]*\)", "", gloss)).strip()


def words(database: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """(file, English, Japanese) of every word in use."""
    forms_of: dict[str, dict[int, list[tuple[str, bool]]]] = {"Kanji": defaultdict(list), "Kana": defaultdict(list)}
    old = {kid for kid, text in database.execute("SELECT kid, text FROM KJI") if text in OLD_FORMS}
    for table, marks in (("Kanji", "KJP"), ("Kana", "KNP")):
        common = {kid for (kid,) in database.execute(f"SELECT kid FROM {marks}")}
        for kid, entry, text in database.execute(f"SELECT ID, idseq, text FROM {table} ORDER BY ID"):
            if table == "Kana" or kid not in old:
                forms_of[table][entry].append((text, kid in common))
    kanji, kana = forms_of["Kanji"], forms_of["Kana"]
    marks_of = defaultdict(set)
    for sense, text in database.execute("SELECT sid, text FROM misc"):
        marks_of[sense].add(text)
    classes = defaultdict(list)
    for sense, text in database.execute("SELECT sid, text FROM pos"):
        classes[sense].append(text)
    glosses = defaultdict(list)
    for sense, text in database.execute("SELECT sid, text FROM SenseGloss WHERE lang = 'eng'"):
        glosses[sense].append(text)
    for sense, entry in database.execute("SELECT ID, idseq FROM Sense ORDER BY ID"):
        if marks_of[sense] & UNUSUAL:
            continue
        by_sound = "word usually written using kana alone" in marks_of[sense]
        forms = kanji[entry][:3] + (kana[entry][:2] if by_sound or not kanji[entry] else [])
        for gloss in filter(None, map(plain, glosses[sense][:GLOSSES])):
            for form, often in forms:
                yield "jmdict_common.en-ja" if often else "jmdict_rare.en-ja", gloss, form
                if often:
                    for one in classes[sense]:
                        yield from (("jmdict_inflected.en-ja", gloss, other) for other in inflected(form, one))


def names(database: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """(file, English, Japanese) of persons, surnames, places, organisations and works, as they are written in kanji or kana."""
    written: dict[int, list[str]] = defaultdict(list)
    for table in ("NEKanji", "NEKana"):
        found = database.execute(f"SELECT idseq, text FROM {table} ORDER BY ID").fetchall()
        has_kanji = set(written)
        for entry, text in found:
            if entry not in has_kanji:
                written[entry].append(text)
    for entry, kind, gloss in database.execute(
        "SELECT t.idseq, y.text, g.text FROM NETranslation t JOIN NETransType y ON y.tid = t.ID"
        " JOIN NETransGloss g ON g.tid = t.ID ORDER BY t.ID"
    ):
        if (file := NAME_KINDS.get(kind)) and (name := re.sub(r"\s*\([^)]*\)", "", gloss).strip()):
            if file != "jmnedict_work.en-ja":
                for pattern, shorter in _SHORTER:
                    name = pattern.sub(shorter, name)
            yield from ((file, name, text) for text in written[entry][:2])


def forms(lexicons: Path) -> Iterator[tuple[str, str, str]]:
    """(file, English, form) of every other form of the Italian and German words in the lexicons of `lexicons`."""
    from simplemma.strategies.dictionaries.dictionary_factory import DefaultDictionaryFactory

    for lang in ("it", "de"):
        of_word: dict[str, list[str]] = defaultdict(list)
        for form, word in DefaultDictionaryFactory().get_dictionary(lang).items():
            if form.isalpha() and form.lower() != word.lower():
                of_word[word].append(form)
        for path in sorted(lexicons.glob(f"lex_*.en-{lang}.tsv.xz")):
            with lzma.open(path, "rt", encoding="utf-8") as handle:
                for english, word in (line.rstrip("\n").split("\t") for line in handle):
                    yield from ((f"simplemma_forms.en-{lang}", plain(english), form) for form in of_word.get(word, ()))


def write(pairs: Iterable[tuple[str, str, str]], out: Path) -> None:
    """Each file of `pairs` as ``<file>.tsv.xz`` in `out`, a pair a line, none twice."""
    by_file: dict[str, dict[str, None]] = defaultdict(dict)
    for file, english, japanese in pairs:
        by_file[file][f"{english}\t{japanese}\n"] = None
    for file, lines in by_file.items():
        with lzma.open(out / f"{file}.tsv.xz", "wt", encoding="utf-8", preset=1) as handle:
            handle.writelines(lines)
        log(f"{file}: {len(lines)} pairs")
    with (out / "SOURCES.tsv").open("w", encoding="utf-8") as handle:
        handle.write("file\tlicence as stated there\n")
        handle.writelines(f"{file}\t{LICENCES[file.split('_')[0]]}\n" for file in by_file)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        prog="python -m training.dictionaries", description="Words and names that installed packages hold, as pairs."
    )
    parser.add_argument(
        "--lexicons", type=Path, default=Path("../shared/data/parallel"), help="the folder of pairs, for its lexicons"
    )
    parser.add_argument("--out", type=Path, default=Path("training/work/dictionaries"), help="the folder to write")
    options = parser.parse_args()
    out: Path = options.out
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit("the dictionaries are not installed: pip install 'samestory[teacher]'")
    out.mkdir(parents=True, exist_ok=True)
    from jamdict_data import JAMDICT_DB_PATH  # unpacks the database at its first import

    with sqlite3.connect(JAMDICT_DB_PATH) as database:
        write((*words(database), *names(database), *forms(options.lexicons)), out)


if __name__ == "__main__":
    main()
