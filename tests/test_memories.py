"""A translation memory comes back as the pairs that went in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from align.cli import main
from align.errors import InputError
from align.memories import read_tmx
from training.memories import write_pairs
from training.pairs import Corpus, Decontamination, read_pairs

STRANGER = """<?xml version="1.0"?>
<tmx version="1.4"><header creationtool="x" creationtoolversion="1" segtype="sentence" o-tmf="x" adminlang="en" srclang="en" datatype="xml"/>
<body>
<tu><tuv xml:lang="en-GB"><seg>The <bpt i="1">&lt;b&gt;</bpt>harbour<ept i="1">&lt;/b&gt;</ept> is closed.</seg></tuv>
<tuv xml:lang="DE_de"><seg>Der Hafen ist
 geschlossen.</seg></tuv><tuv xml:lang="ja"><seg>港は閉鎖されている。</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Die Brücke bleibt.</seg></tuv><tuv xml:lang="en"><seg>The bridge stays.</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Die Brücke bleibt.</seg></tuv><tuv xml:lang="en"><seg>The bridge stays.</seg></tuv></tu>
</body></tmx>"""


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A memory that another tool wrote: regions in codes, inline tags, three languages, a unit twice."""
    path = tmp_path / "stranger.tmx"
    path.write_text(STRANGER, encoding="utf-8")
    return path


def test_a_strangers_memory_is_read(stranger: Path) -> None:
    """Every two languages of a unit make a pair, units said twice count once, and one order of languages holds."""
    found = read_tmx(stranger)
    assert set(found) == {("en", "de"), ("en", "ja"), ("de", "ja")}
    assert found["en", "de"][1:] == [("The bridge stays.", "Die Brücke bleibt.")]
    assert found["de", "ja"] == [("Der Hafen ist geschlossen.", "港は閉鎖されている。")]


def test_our_own_memory_comes_back(tmp_path: Path) -> None:
    """What `align --format tmx` writes is read again, pair for pair."""
    for lang, text in (
        ("en", "The port closes on Friday.\nNobody was hurt."),
        ("de", "Der Hafen schließt am Freitag.\nNiemand wurde verletzt."),
    ):
        (tmp_path / f"{lang}.txt").write_text(text, encoding="utf-8")
    files = [str(tmp_path / "en.txt"), str(tmp_path / "de.txt")]
    run = CliRunner().invoke(
        main, ["align", *files, "--lang-a", "en", "--lang-b", "de", "--format", "tmx", "-o", str(tmp_path / "own.tmx")]
    )
    assert run.exit_code == 0, run.output
    assert read_tmx(tmp_path / "own.tmx") == {
        ("en", "de"): [
            ("The port closes on Friday.", "Der Hafen schließt am Freitag."),
            ("Nobody was hurt.", "Niemand wurde verletzt."),
        ]
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [("no xml", "not well-formed"), ("<html/>", "not <tmx>"), ("<tmx><body/></tmx>", "no translation unit"),
     ("<tmx><body><tu><tuv><seg>a</seg></tuv></tu></body></tmx>", "without xml:lang")],
)  # fmt: skip
def test_what_is_no_memory_is_refused(content: str, said: str, tmp_path: Path) -> None:
    """The message names the file and what is wrong with it."""
    (tmp_path / "bad.tmx").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_tmx(tmp_path / "bad.tmx")


def test_training_reads_a_memory_and_importing_twice_does_not_double(stranger: Path, tmp_path: Path) -> None:
    """Training gets each pair of the memory once, however often, under whatever name and whichever way round it is imported."""
    for _ in range(2):
        written = write_pairs(stranger, tmp_path)
    assert written == {"stranger.en-de.tsv.xz": 2, "stranger.en-ja.tsv.xz": 1, "stranger.de-ja.tsv.xz": 1}
    again = tmp_path / "again.tmx"
    again.write_text(STRANGER.replace("<body>", '<body><tu><tuv xml:lang="de"><seg>Die Brücke bleibt.</seg></tuv><tuv xml:lang="en"><seg>The bridge stays.</seg></tuv></tu>'), encoding="utf-8")  # fmt: skip
    assert next(iter(read_tmx(again))) == ("de", "en")
    assert [name.replace("again", "stranger") for name in write_pairs(again, tmp_path)] == list(written)
    seen: set[int] = set()
    corpora = [Corpus(name, "en", "de", tmp_path / f"{name}.en-de.tsv.xz", 1.0) for name in ("stranger", "again")]
    drawn = [list(read_pairs(corpus, frozenset(), seen, Decontamination())) for corpus in corpora]
    assert drawn == [read_tmx(stranger)["en", "de"], []]


def test_a_memory_is_an_evaluation_set(stranger: Path) -> None:
    """`samestory eval --pairs` gives retrieval accuracy both ways on the memory's pairs."""
    command = [
        str(Path(sys.executable).with_name("samestory")),
        "eval",
        "--pairs",
        str(stranger),
        "--only-pairs",
        "--json",
    ]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["figures"]
    assert {figure["name"]: figure["value"] for figure in figures}["en→de"] == 100.0
    assert len(figures) == 6
