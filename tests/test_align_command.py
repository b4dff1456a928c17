"""``samestory align`` as a user runs it: on real items and on files."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from serving import COMMAND, ROOT, command, ingest

VENDORED = Path(__file__).parent / "vendored"
XLIFF = "{urn:oasis:names:tc:xliff:document:2.0}"
METADATA = "{urn:oasis:names:tc:xliff:metadata:2.0}"
ENGLISH = "Harbour vote\nThe council voted 17 to 4 to build a tidal barrier. It will cost 340 million euros.\nFishing crews had asked for a wider gate.\n"
GERMAN = (
    "Abstimmung am Hafen\nDer Rat stimmte mit 17 zu 4 für den Bau eines Sperrwerks. Es kostet 340 Millionen Euro.\n"
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of one bundled topic."""
    return ingest(tmp_path_factory.mktemp("align"), "seeds/port-strike.jsonl")


@pytest.mark.parametrize("lang", ["de", "it", "ja"])
def test_two_items_give_the_beads_of_the_contract(index: Path, lang: str) -> None:
    """Every sentence stands in exactly one bead, in order; the demand in euros meets the demand; scores are probabilities."""
    shape = json.loads(command("align", "port-strike-01.en", f"port-strike-01.{lang}", "--index", index).stdout)
    for side in ("a", "b"):
        assert [place for bead in shape["beads"] for place in bead[side]] == list(range(len(shape[side])))
    assert all(0.0 <= bead["score"] <= 1.0 for bead in shape["beads"])
    demand = next(bead for bead in shape["beads"] if any("3.20 euros" in shape["a"][place] for place in bead["a"]))
    assert any("20" in shape["b"][place] for place in demand["b"])


def test_two_files_and_what_one_leaves_out(tmp_path: Path) -> None:
    """Text files are split; the sentence that the other lacks is a bead of its own."""
    (tmp_path / "a.txt").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "b.txt").write_text(GERMAN, encoding="utf-8")
    shape = json.loads(command("align", tmp_path / "a.txt", tmp_path / "b.txt").stdout)
    found = [(bead["a"], bead["b"]) for bead in shape["beads"]]
    assert found == [([0], [0]), ([1], [1]), ([2], [2]), ([3], [])]
    assert shape["langs"] == ["en", "de"]


def test_people_read_text_and_programs_json(tmp_path: Path) -> None:
    """On a terminal the differences and sentences stand in plain words; what is not a terminal gets JSON, as with --json."""
    (tmp_path / "a.txt").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "b.txt").write_text(GERMAN, encoding="utf-8")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    own, other = pty.openpty()
    subprocess.run([COMMAND, "align", *files], check=True, stdout=other, cwd=ROOT)
    os.close(other)
    shown = os.read(own, 10_000).decode().replace("\r\n", "\n")
    os.close(own)
    assert shown == command("align", *files, "--format", "text").stdout
    assert "The German version leaves out: Fishing crews had asked for a wider gate.\n" in shown
    assert "340 million euros against 340 Millionen Euro: agree\n" in shown
    assert shown.startswith("partial translation · ")
    assert command("align", *files).stdout == command("align", *files, "--json").stdout


def test_lines_are_taken_as_they_are(tmp_path: Path) -> None:
    """With --lines each line is one sentence, however many full stops it has."""
    (tmp_path / "a.txt").write_text("One thing happened. Then another did.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Etwas geschah. Dann etwas anderes.\n", encoding="utf-8")
    shape = json.loads(command("align", tmp_path / "a.txt", tmp_path / "b.txt", "--lines").stdout)
    assert shape["a"] == ["One thing happened. Then another did."]
    assert [(bead["a"], bead["b"]) for bead in shape["beads"]] == [([0], [0])]


def test_tmx_ids_are_the_same_every_time_and_either_way_round(index: Path, tmp_path: Path) -> None:
    """A memory that imports a pair twice, or from the other side, gets the same units; the score is a prop."""
    for name, pair in (("there", ("en", "ja")), ("back", ("ja", "en"))):
        ids = [f"port-strike-01.{lang}" for lang in pair]
        command("align", *ids, "--index", index, "--format", "tmx", "-o", tmp_path / name)
    there, back = (etree.parse(str(tmp_path / name)).getroot() for name in ("there", "back"))
    assert {tu.get("tuid") for tu in there.iter("tu")} == {tu.get("tuid") for tu in back.iter("tu")}
    assert len(list(there.iter("tu"))) >= 3
    first = next(there.iter("tu"))
    assert [child.tag for child in first] == ["prop", "prop", "prop", "tuv", "tuv"]
    assert 0.0 <= float(first[0].text or "") <= 1.0


def test_exporting_twice_gives_the_same_units(index: Path, tmp_path: Path) -> None:
    """A whole index is the same memory and translators' file, ids and all, each time; so it is from an index made anew in another order."""
    lines = (ROOT / "seeds/port-strike.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "backwards.jsonl").write_text("\n".join(reversed(lines)), encoding="utf-8")
    anew = ingest(tmp_path, tmp_path / "backwards.jsonl")
    for form, unit in (("tmx", "tu"), ("xliff", f"{XLIFF}unit")):
        first, again, other = (
            command("align", "--all", "--langs", "en-de", "--index", folder, "--format", form).stdout
            for folder in (index, index, anew)
        )
        assert first == again
        ids = [
            {one.get("tuid") or one.get("id") for one in etree.fromstring(text.encode()).iter(unit)}
            for text in (first, other)
        ]
        assert ids[0] == ids[1]
        assert len(ids[0]) > 20


def test_tmx_is_valid(index: Path) -> None:
    """A whole index as a memory is valid against the DTD of TMX 1.4b."""
    done = command("align", "--all", "--index", index, "--format", "tmx")
    dtd = etree.DTD(str(VENDORED / "tmx14.dtd"))
    assert dtd.validate(etree.fromstring(done.stdout.encode())), dtd.error_log


@pytest.fixture(scope="module")
def xliff_schema() -> etree.XMLSchema:
    """OASIS's schemas of XLIFF 2.1's core and of its metadata module, together."""
    imports = "".join(
        f'<xs:import namespace="{name.strip("{}")}" schemaLocation="{file}"/>'
        for name, file in ((XLIFF, "xliff_core_2.0.xsd"), (METADATA, "metadata.xsd"))
    )
    both = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(both, base_url=f"{VENDORED / 'xliff-2.1'}/"))


def test_xliff_is_valid(index: Path, tmp_path: Path, xliff_schema: etree.XMLSchema) -> None:
    """A pair and a whole index of one language pair are valid XLIFF 2.1, whatever signs the texts hold; ids are unique."""
    done = [command("align", "--all", "--langs", "en-ja", "--index", index, "--format", "xliff")]
    (tmp_path / "a.txt").write_text("The council <b>voted</b> on \x02 Tuesday & left.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Der Rat stimmte am Dienstag ab & ging.\n", encoding="utf-8")
    done.append(command("align", tmp_path / "a.txt", tmp_path / "b.txt", "--format", "xliff"))
    for run in done:
        root = etree.fromstring(run.stdout.encode())
        assert xliff_schema.validate(root), xliff_schema.error_log
        for scope in [root, *root.iter(f"{XLIFF}file")]:  # which the schema cannot say
            ids = [str(child.get("id")) for child in scope]
            assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("needed", [f"{XLIFF}source", f"{METADATA}meta"])
def test_the_schema_sees_what_is_missing(needed: str, index: Path, xliff_schema: etree.XMLSchema) -> None:
    """A document without a source, or with an empty group of metadata, is not taken for valid."""
    done = command("align", "port-strike-01.en", "port-strike-01.de", "--index", index, "--format", "xliff")
    root = etree.fromstring(done.stdout.encode())
    missing = next(root.iter(needed))
    missing.getparent().remove(missing)
    assert not xliff_schema.validate(root)


def test_xliff_holds_source_target_and_score(index: Path) -> None:
    """Every unit of the XLIFF document has a segment with source and target, and ids are unique."""
    done = command("align", "port-strike-01.en", "port-strike-01.de", "--index", index, "--format", "xliff")
    root = etree.fromstring(done.stdout.encode())
    names = {"x": "urn:oasis:names:tc:xliff:document:2.0", "m": "urn:oasis:names:tc:xliff:metadata:2.0"}
    assert (root.get("version"), root.get("srcLang"), root.get("trgLang")) == ("2.1", "en", "de")
    units = root.findall(".//x:unit", names)
    assert len({unit.get("id") for unit in units}) == len(units) >= 3
    for unit in units:
        assert unit.findtext("x:segment/x:source", namespaces=names)
        assert unit.findtext("x:segment/x:target", namespaces=names)
        assert float(unit.findtext(".//m:meta", namespaces=names) or "") >= 0.0


def test_html_escapes_what_it_shows(tmp_path: Path) -> None:
    """A page side by side holds the text, never its markup."""
    (tmp_path / "a.txt").write_text("The council <b>voted</b> on Tuesday.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Der Rat stimmte am Dienstag ab.\n", encoding="utf-8")
    page = command("align", tmp_path / "a.txt", tmp_path / "b.txt", "--format", "html").stdout
    assert "&lt;b&gt;voted" in page
    assert "100 % of the English version and 100 % of the German version are in both" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("port-strike-01.en", "nobody"), 1, "nobody"),
        (("nobody.txt", "seeds/README.md", "--lines"), 2, "nobody.txt"),
        (("port-strike-01.en", "port-strike-01.de", "--json", "--format", "tmx"), 2, "leave one out"),
        (("port-strike-01.en",), 2, "two items"),
        (("--all", "--format", "tmx", "--langs", "english"), 2, "en-ja"),
        (("--all", "--format", "xliff"), 2, "--langs"),
        (("--cluster", "c-nobody", "--format", "tmx"), 1, "c-nobody"),
    ],
)
def test_bad_input_is_named(index: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    """An item or file that is not there, or formats that contradict, give one line and an exit code."""
    done = command("align", *arguments, "--index", index, check=False)
    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_whole_index_by_language_pair_and_score(index: Path) -> None:
    """--all writes one memory of a language pair, each unit once; a higher score leaves fewer units."""
    counts = []
    for score in ("0", "0.9"):
        done = command("align", "--all", "--langs", "en-ja", "--min-score", score, "--index", index, "--format", "tmx")
        units = list(etree.fromstring(done.stdout.encode()).iter("tu"))
        assert len({unit.get("tuid") for unit in units}) == len(units)
        langs = "{http://www.w3.org/XML/1998/namespace}lang"
        assert {tuple(tuv.get(langs) for tuv in unit.iter("tuv")) for unit in units} == {("en", "ja")}
        assert all(float(unit[0].text or "") >= float(score) for unit in units)
        counts.append(len(units))
    assert counts[0] > counts[1] > 0


def test_a_cluster_holds_every_pair_of_its_languages(index: Path) -> None:
    """--cluster writes the pairs of one story."""
    story = json.loads(command("variants", "port-strike-01.en", "--index", index, "--json").stdout)["cluster"]
    done = command("align", "--cluster", story, "--index", index, "--format", "tmx")
    root = etree.fromstring(done.stdout.encode())
    langs = "{http://www.w3.org/XML/1998/namespace}lang"
    assert {frozenset(tuv.get(langs) or "" for tuv in unit.iter("tuv")) for unit in root.iter("tu")} >= {
        frozenset(pair) for pair in (("en", "de"), ("en", "ja"), ("de", "it"))
    }


def test_a_whole_index_as_json_is_a_line_a_pair(index: Path) -> None:
    """Each line of --all --json is the alignment of two items of one story, which it names, in the languages asked for."""
    done = command("align", "--all", "--langs", "de-it", "--index", index, "--json")
    shapes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(shapes) >= 5
    assert {tuple(shape["langs"]) for shape in shapes} == {("de", "it")}
    one, other = shapes[0]["versions"]
    alone = json.loads(command("align", one, other, "--index", index).stdout)
    assert alone == shapes[0]
