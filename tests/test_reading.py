"""Reading: every format's documents, and every format's broken input."""

from __future__ import annotations

import gzip
import io
import json
import logging
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.errors import InputError
from align.reading import found_files, passed_over, read
from align.records import Document, Form, Rejection
from align.rows import parse_record

JAPANESE = "港湾評議会は火曜日、内湾に高潮堤を建設する計画を17対4で承認した。2016年に始まった議論に終止符が打たれた。漁業者は広い水門を求めていた。"
ITALIAN = "Il consiglio del porto ha votato martedì: la barriera, più costosa del previsto, si farà. Così è finita una disputa che durava dal 2016, e nessuno può più opporsi."
GERMAN = "Der Hafenrat beschloss am Dienstag den Bau einer Flutsperre. Die Fischer hatten ein größeres Tor gefordert; nun fließt das Geld für überfällige Arbeiten."
FIRST = "The harbour council voted 17 to 4 on Tuesday to build a tidal barrier across the inner bay, ending a debate that began in 2016."
SECOND = "Engineers expect the barrier to cost 340 million euros and to be ready by 2031. Fishing crews had asked for a wider gate."
THIRD = "Opponents said they would take the decision to court before the end of the month, whatever the council might offer them."


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def documents(*paths: Path | str, standard_input: bytes | None = None) -> list[Document]:
    """What is read from the paths, where nothing may be rejected."""
    found = list(read(paths, io.BytesIO(standard_input) if standard_input is not None else None))
    assert not [entry for entry in found if isinstance(entry, Rejection)]
    return [entry for entry in found if isinstance(entry, Document)]


def split(*paths: Path | str) -> tuple[list[Document], list[Rejection]]:
    """What is read from the paths, documents and rejections apart."""
    found = list(read(paths))
    return [e for e in found if isinstance(e, Document)], [e for e in found if isinstance(e, Rejection)]


def rejection(*paths: Path | str) -> Rejection:
    """The only thing that comes from the paths: a rejection."""
    found, rejected = split(*paths)
    assert not found
    assert len(rejected) == 1
    return rejected[0]


def body(document: Document) -> str:
    """An article's text without its title."""
    return document.text.removeprefix(f"{document.title}\n\n") if document.title else document.text


# paths


def test_missing_path_is_named_before_anything_is_read(tmp_path: Path):
    """All paths are checked at the call, so that a typing error costs no half-done work."""
    with pytest.raises(InputError, match=r"nowhere\.txt: no such file"):
        read([written(tmp_path, "a.txt", "A"), tmp_path / "nowhere.txt"])


def test_folder_is_read_deep_in_name_order_without_hidden_entries(tmp_path: Path):
    """A folder gives its visible files, those of its folders included, in name order."""
    for name in ("b.txt", "a/z.txt", "a/.hidden.txt", ".git/c.txt", "c.TXT", "a.txt"):
        written(tmp_path, name, name)
    assert [d.text for d in documents(tmp_path)] == ["a/z.txt", "a.txt", "b.txt", "c.TXT"]
    assert documents(tmp_path)[0].path == str(tmp_path / "a" / "z.txt")


def test_files_of_other_kinds_are_listed_as_passed_over(tmp_path: Path):
    """What a folder holds and no reader knows is passed over, and can be named."""
    for name in ("a.txt", "b.pdf", "deep/c.png", "d", ".e.pdf", "f.tar.gz", "g.txt.gz"):
        written(tmp_path, name, gzip.compress(b"text") if name.endswith(".gz") else "text")
    assert [p.name for p in passed_over(tmp_path)] == ["b.pdf", "d", "c.png", "f.tar.gz"]
    assert [d.name for d in documents(tmp_path)] == ["a.txt", "g.txt"]
    assert passed_over(tmp_path / "b.pdf") == []


def test_given_file_of_another_kind_is_rejected_with_the_known_ones(tmp_path: Path):
    """A file given by name is never passed over in silence."""
    found = rejection(written(tmp_path, "paper.pdf", "x"))
    assert found.path == str(tmp_path / "paper.pdf")
    assert "'.pdf'" in found.reason
    assert ".jsonl" in found.reason


def test_link_to_an_upper_folder_ends(tmp_path: Path):
    """A folder that links to itself is read once."""
    written(tmp_path, "a/b.txt", "text")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert [p.name for p in found_files(tmp_path) if isinstance(p, Path)] == ["b.txt"]


def test_broken_link_is_rejected_and_the_rest_is_read(tmp_path: Path):
    """A file that cannot be opened is reported, and its neighbours come out."""
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone")
    written(tmp_path, "b.txt", "text")
    found, rejected = split(tmp_path)
    assert [d.name for d in found] == ["b.txt"]
    assert "cannot be opened" in rejected[0].reason


def test_dash_is_jsonl_on_standard_input():
    """ "-" reads rows from standard input, named and placed by it."""
    found = documents("-", standard_input=b'{"text":"one"}\n{"id":"x","text":"two"}\n')
    assert [(d.name, d.path, d.line) for d in found] == [("-:1", "-", 1), ("x", "-", 2)]
    with pytest.raises(InputError, match="standard input"):
        read(["-"])


def test_importing_needs_no_parser():
    """The parsers are imported when a file needs them, so that commands start quickly."""
    script = "import sys, align.reading; sys.exit(bool({'lxml', 'trafilatura', 'feedparser', 'pyarrow', 'charset_normalizer'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# plain pages and encodings


def test_page_text_is_kept_but_for_newlines(tmp_path: Path):
    """A page's text comes as it is, with newlines as \\n and without a byte order mark."""
    path = written(tmp_path, "page.txt", b"\xef\xbb\xbfTitle\r\n\r\n  indented\rlast \xef\xbf\xbd\n")
    assert documents(path) == [Document("page.txt", str(path), Form.PAGE, "Title\n\n  indented\nlast \ufffd\n")]


@pytest.mark.parametrize(
    ("text", "codec"),
    [(JAPANESE, "cp932"), (JAPANESE, "euc_jp"), (JAPANESE, "iso2022_jp"), (ITALIAN, "cp1252"), (GERMAN, "latin-1")],
)
def test_old_encoding_is_detected_and_said(text: str, codec: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """An undeclared old encoding of our languages is read right, and a warning says that it was a guess."""
    with caplog.at_level(logging.WARNING, "samestory"):
        assert documents(written(tmp_path, "page.txt", text.encode(codec)))[0].text == text
    assert "page.txt: the encoding is not declared; read as" in caplog.text


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_mark_decides(codec: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A byte order mark is a declaration: no guess, no warning, and no mark in the text."""
    assert documents(written(tmp_path, "page.txt", JAPANESE.encode(codec)))[0].text == JAPANESE
    assert not caplog.records


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [JAPANESE, ITALIAN])
def test_utf16_without_mark_is_read(codec: str, text: str, tmp_path: Path):
    """UTF-16 without its mark is told by its look."""
    assert documents(written(tmp_path, "page.txt", text.encode(codec)))[0].text == text


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Совет гавани проголосовал во вторник за строительство барьера.", "cp1251"),
        ("Rada přístavu v úterý hlasovala pro stavbu přílivové bariéry přes vnitřní záliv.", "cp1250"),
        ("항만 위원회는 화요일 내만에 조력 장벽을 건설하기로 의결하였다.", "cp949"),
        ("港口委员会周二以十七票对四票通过了在内湾建造防潮闸的计划。", "gb18030"),
        ("港口委員會週二以十七票對四票通過了在內灣建造防潮閘的計劃。", "big5"),
    ],
)
def test_doubtful_encoding_is_rejected_with_offset_and_remedy(text: str, codec: str, tmp_path: Path):
    """An encoding that is not beyond doubt is not guessed: garbled text would look like an item."""
    raw = b"Plain. " + text.encode(codec)
    found = rejection(written(tmp_path, "page.txt", raw))
    with pytest.raises(UnicodeDecodeError) as error:
        raw.decode()
    assert f"byte {error.value.start} is not UTF-8" in found.reason
    assert "convert to UTF-8, or declare its encoding" in found.reason


@pytest.mark.parametrize(
    "raw", [b"A text with \x00 in it.\n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x10", bytes(range(256))]
)
def test_binary_is_rejected(raw: bytes, tmp_path: Path):
    """NUL bytes and binary files are no text."""
    reason = rejection(written(tmp_path, "page.txt", raw)).reason
    assert "byte" in reason or "is NUL" in reason


def test_empty_page_is_rejected(tmp_path: Path):
    """A page with nothing on it is reported."""
    assert "is empty" in rejection(written(tmp_path, "page.txt", "\ufeff \n")).reason


@given(st.binary(max_size=300))
def test_any_bytes_give_one_entry(tmp_path_factory: pytest.TempPathFactory, raw: bytes):
    """Whatever a page's bytes, there is one document or one rejection, and no exception."""
    path = written(tmp_path_factory.getbasetemp(), "any.txt", raw)
    assert len(list(read([path]))) == 1


# HTML


def html_page(head: str = "", text: str | None = None, lang: str = ' lang="en"') -> str:
    """A saved page with menu, footer and an article."""
    text = f"<p>{FIRST}</p><p>{SECOND}</p><p>{FIRST}</p><p>{THIRD}</p>" if text is None else text
    return f"<!doctype html><html{lang}><head><title>Barrier approved - Bay News</title>{head}</head><body><nav><a href='/'>Home</a> <a href='/s'>Sport</a></nav><article><h1>Council approves barrier</h1>{text}</article><footer>Imprint</footer></body></html>"


def ld(value: object) -> str:
    """A JSON-LD script."""
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


def test_html_gives_the_article_with_its_repeated_paragraph(tmp_path: Path):
    """The main text comes in paragraphs, a repeated one included, without menu and footer."""
    path = written(tmp_path, "page.html", html_page())
    (found,) = documents(path)
    assert (found.name, found.form, found.lang) == ("page.html", Form.ARTICLE, "en")
    assert found.text == "\n".join(["Council approves barrier", "", FIRST, SECOND, FIRST, THIRD])
    assert found.title == "Council approves barrier"


@pytest.mark.parametrize(
    "kind",
    ["NewsArticle", "ReportageNewsArticle", "Article", "BlogPosting", ["Thing", "https://schema.org/NewsArticle"]],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda a: a,
        lambda a: [{"@type": "WebSite"}, a],
        lambda a: {"@graph": [{"@type": "Person"}, a]},
        lambda a: {"@type": "WebPage", "mainEntity": a},
    ],
)
def test_json_ld_speaks_first(kind: object, wrap: object, tmp_path: Path):
    """Title, source, address, date and language come from JSON-LD before any tag."""
    article = {
        "@type": kind,
        "headline": "Rat &amp; Hafen  einig",
        "inLanguage": "de-AT",
        "publisher": {"name": "Hafenbote"},
        "mainEntityOfPage": {"@id": "https://bote.example/1"},
        "datePublished": "2026-03-04T08:15:00Z",
    }
    tags = '<meta property="og:title" content="Other"><meta property="og:site_name" content="Other"><meta property="og:url" content="https://other.example/"><meta property="article:published_time" content="2020-01-01">'
    (found,) = documents(written(tmp_path, "page.html", html_page(tags + ld(wrap(article)))))  # type: ignore[operator]
    assert (found.title, found.source, found.url) == ("Rat & Hafen einig", "Hafenbote", "https://bote.example/1")
    assert (found.lang, found.published) == ("de-AT", "2026-03-04T08:15:00+00:00")
    assert found.text.startswith("Rat & Hafen einig\n\n")


def test_meta_tags_speak_where_json_ld_is_broken(tmp_path: Path):
    """Broken JSON-LD costs nothing but itself; the site's name leaves the title."""
    head = (
        '<script type="application/ld+json">{"@type": "NewsArticle", </script>'
        '<meta property="og:title" content="Barrier approved | Bay News"><meta property="og:site_name" content="Bay News">'
        '<meta property="article:published_time" content="2026-03-04"><link rel="canonical" href="https://bay.example/1">'
        '<link rel="alternate" hreflang="ja" href="/ja/1"><link rel="alternate" hreflang="x-default" href="/1">'
    )
    (found,) = documents(written(tmp_path, "page.htm", html_page(head)))
    assert (found.title, found.source, found.url) == ("Barrier approved", "Bay News", "https://bay.example/1")
    assert found.published == "2026-03-04T00:00:00"
    assert found.alternates == {"ja": "https://bay.example/ja/1"}


def test_half_a_surrogate_pair_in_metadata_is_not_said(tmp_path: Path):
    """Metadata that is no Unicode text counts as left out, and does not reach the document."""
    head = ld({"@type": "NewsArticle", "headline": "bad"}).replace("bad", "bad \\ud83d")
    (found,) = documents(written(tmp_path, "page.html", html_page(head)))
    assert found.title == "Council approves barrier"
    found.text.encode("utf-8")


def test_publisher_is_followed_through_the_graph(tmp_path: Path):
    """A publisher given by reference has the name of the object that it refers to."""
    graph = {
        "@graph": [
            {"@type": "NewsArticle", "headline": "H", "publisher": {"@id": "#o"}},
            {"@id": "#o", "name": "Bay News"},
        ]
    }
    assert documents(written(tmp_path, "page.html", html_page(ld(graph))))[0].source == "Bay News"


def test_article_body_in_json_ld_stands_in_for_an_empty_page(tmp_path: Path):
    """A page that a script would fill is read from what it says of itself."""
    article = {"@type": "NewsArticle", "headline": "Council", "articleBody": f"{FIRST}\n\n{SECOND}"}
    (found,) = documents(written(tmp_path, "page.html", html_page(ld(article), text="")))
    assert body(found) == f"{FIRST}\n{SECOND}"


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<!-- nothing -->",
        "<html><body><script>x()</script></body></html>",
        html_page(text="").replace("<h1>Council approves barrier</h1>", ""),
    ],
)
def test_html_without_text_is_rejected(markup: str, tmp_path: Path):
    """A page with a menu and no article is no document."""
    assert "holds no" in rejection(written(tmp_path, "page.html", markup)).reason


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [("Shift_JIS", "cp932", JAPANESE + "①"), ("x-sjis", "cp932", JAPANESE), ("EUC-JP", "euc_jp", JAPANESE), ("iso-8859-1", "cp1252", GERMAN + " – „neu“"), ("windows-1252", "cp1252", ITALIAN), ("gb2312", "gb18030", "港口委员会周二以十七票对四票通过了在内湾建造防潮闸的计划。" * 3)],
)  # fmt: skip
@pytest.mark.parametrize(
    "form", ['<meta charset="{}">', '<meta http-equiv="Content-Type" content="text/html; charset={}">']
)
def test_declared_encoding_is_believed(
    form: str, label: str, codec: str, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A page is read in the encoding that it declares, as browsers understand the name, without a warning."""
    page = html_page(form.format(label), text=f"<p>{text}</p><p>{text}!</p>")
    (found,) = documents(written(tmp_path, "page.html", page.encode(codec)))
    assert text in found.text
    assert not caplog.records


def test_utf8_under_an_old_label_is_read_as_utf8_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A page that was converted without its label is not garbled."""
    page = html_page('<meta charset="iso-8859-1">', text=f"<p>{GERMAN}</p><p>{ITALIAN}</p>")
    assert "größeres" in documents(written(tmp_path, "page.html", page))[0].text
    assert "declares the encoding iso-8859-1 and is UTF-8" in caplog.text


@pytest.mark.parametrize("label", ["klingon", "hex", "utf-16"])
def test_impossible_label_is_no_obstacle(label: str, tmp_path: Path):
    """A label that is unknown, or that cannot be true, is as good as none."""
    page = html_page(f'<meta charset="{label}">', text=f"<p>{JAPANESE}</p><p>{JAPANESE}!</p>")
    assert JAPANESE in documents(written(tmp_path, "page.html", page))[0].text


def test_page_that_is_not_in_its_declared_encoding_is_rejected(tmp_path: Path):
    """Bytes that the declared encoding does not have are named by offset."""
    raw = html_page('<meta charset="utf-8">').encode() + b"\xff"
    assert (
        f"byte {len(raw) - 1} is not utf-8, which it declares" in rejection(written(tmp_path, "page.html", raw)).reason
    )


# records


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "`text` is missing"),
        ({"text": None}, "`text` is empty"),
        ({"text": " \n"}, "`text` is empty"),
        ({"text": 3}, "`text` is 3, not a string"),
        ({"text": ["a"]}, "not a string"),
        ({"text": "…!"}, "no letter or digit"),
        ({"text": "half \ud83d"}, "half a surrogate pair .U.D83D. at character 5"),
        ({"text": "a\x00b"}, "NUL at character 1"),
        ({"text": "a", "id": 1.5}, "`id` 1.5 is neither"),
        ({"text": "a", "id": True}, "`id` true is neither"),
        ({"text": "a", "id": " "}, "`id` is empty"),
        ({"text": "a", "id": "\udc00"}, "half a surrogate pair"),
        ({"text": "a", "id": 10**5000}, "thousands of digits"),
        ({"text": "a", "lang": "English"}, "`lang` 'English' is not a BCP 47 code"),
        ({"text": "a", "lang": "en\n"}, "is not a BCP 47 code"),
        ({"text": "a", "published": "yesterday"}, "`published` 'yesterday' is not ISO 8601"),
        ({"text": "a", "published": "0001-01-01T00:00:00+14:00"}, "is outside the years 1 to 9999 in UTC"),
        ({"text": "a", "published": 1700000000}, "`published` is 1700000000, not a string"),
        ({"text": "a", "title": {"en": "b"}}, "`title` is"),
    ],
)
def test_bad_field_is_named_with_its_value(record: dict[str, object], message: str):
    """What is wrong with a record is said by field and value."""
    with pytest.raises(InputError, match=message):
        parse_record(record, "name", "path", 1)


def test_record_becomes_an_article():
    """A record's title leads its text, its id is kept as given, its date is normalised, and other fields are ignored."""
    record = {
        "id": 7,
        "title": " A  title ",
        "text": "One.\r\nTwo.",
        "lang": "zh_Hant",
        "published": "2026-03-04T08:15:00Z",
        "score": {},
        "url": "",
    }
    assert parse_record(record, "rows:3", "rows", 3) == Document(
        name="7", path="rows", form=Form.ARTICLE, text="A title\n\nOne.\nTwo.", title="A title", external_id="7", line=3, lang="zh-Hant", published="2026-03-04T08:15:00+00:00"
    )  # fmt: skip
    plain = parse_record({"text": " Body "}, "rows:4", "rows", None)
    assert (plain.name, plain.text, plain.title, plain.external_id) == ("rows:4", " Body ", "", None)


@pytest.mark.parametrize(
    ("given_date", "kept"),
    [("2026-03-04", "2026-03-04T00:00:00"), ("2026-03-04T08:15+0100", "2026-03-04T08:15:00+01:00"), ("", None)],
)
def test_dates_are_iso_8601(given_date: str, kept: str | None):
    """A date alone, an offset and no date are all understood."""
    assert parse_record({"text": "a", "published": given_date}, "n", "p", 1).published == kept


@given(
    st.dictionaries(
        st.sampled_from(["id", "text", "title", "lang", "published", "url"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_any_record_is_a_document_or_an_input_error(record: dict[str, object]):
    """No record makes the parser fail otherwise, and a document's text ends with its body."""
    try:
        found = parse_record(record, "n", "p", 1)
    except InputError:
        return
    assert found.text.startswith(found.title)
    assert found.text.endswith(str(record["text"]).replace("\r\n", "\n").replace("\r", "\n"))


# JSONL


def test_jsonl_reads_all_good_lines_around_the_bad_ones(tmp_path: Path):
    """Each bad line is rejected at its own number; every other line is read."""
    lines = [
        b'\xef\xbb\xbf{"text":"one"}',
        b'{"text":"two"',
        b"",
        b'["text"]',
        b'{"text":"\\ud800"}',
        b'{"text":"\xe9"}',
        b'{"text":"seven","other":NaN}\r',
        b'{"text":""}',
        b"[" * 100_000,
        b'{"id":' + b"9" * 5000 + b"}",
        b'{"text":"a\x00b"}',
        '{"id":"é","text":"zwölf"}'.encode(),
    ]
    found, rejected = split(written(tmp_path, "rows.jsonl", b"\n".join(lines)))
    assert [(d.name, d.text, d.line) for d in found] == [
        ("rows.jsonl:1", "one", 1),
        ("rows.jsonl:7", "seven", 7),
        ("é", "zwölf", 12),
    ]
    assert [r.line for r in rejected] == [2, 4, 5, 6, 8, 9, 10, 11]
    assert "column 14" in rejected[0].reason
    assert "not an object" in rejected[1].reason
    assert "byte 9 of the line" in rejected[3].reason


def test_jsonl_in_utf16_is_read(tmp_path: Path):
    """What PowerShell redirects into a file is read, umlauts included; a torn last line is said."""
    raw = '{"text":"schön"}\r\n{"text":"Ċ 港"}\r\n'.encode("utf-16")
    assert [d.text for d in documents(written(tmp_path, "a.ndjson", raw))] == ["schön", "Ċ 港"]
    found, rejected = split(written(tmp_path, "b.ndjson", raw + b"\x00"))
    assert [d.text for d in found] == ["schön", "Ċ 港"]
    assert rejected[0].line == 3


def test_rows_come_one_by_one(tmp_path: Path):
    """Rows are streamed: the first comes before the end is read."""
    given_lines = iter([b'{"text":"one"}\n'])

    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1) -> bytes:
            return next(given_lines)

    assert isinstance(next(read(["-"], Endless())), Document)  # type: ignore[arg-type]


# CSV


def test_csv_reads_all_good_rows_around_the_bad_ones(tmp_path: Path):
    """A row of another width or with a bad value is rejected at the physical line where it begins."""
    content = 'id,text,lang,other\r\n1,"one\r\nstill, one",en,x\r\n2,two,en\r\n3,three,en,x,y\r\n\r\n4,,en,\r\n5,five,,\r\n6,six,Deutsch,\r\n7,seven,de,'
    found, rejected = split(written(tmp_path, "rows.csv", content))
    assert [(d.name, d.text, d.line) for d in found] == [
        ("1", "one\nstill, one", 2),
        ("5", "five", 8),
        ("7", "seven", 10),
    ]
    assert [(r.line, r.reason[:17]) for r in rejected] == [
        (4, "has 3 columns whe"),
        (5, "has 5 columns whe"),
        (7, "`text` is empty; "),
        (9, "`lang` 'Deutsch' "),
    ]


def test_csv_rows_after_an_unclosed_quote_are_read(tmp_path: Path):
    """An unclosed quote does not swallow the rows after it, nor do its paragraphs become rows."""
    content = 'id,text\n1,one\n2,"two\nHe said, quietly\n3,three\n4,"fo"ur\n5,"five, ""really"""\n'
    found, rejected = split(written(tmp_path, "rows.csv", content))
    assert [(d.name, d.text) for d in found] == [("1", "one"), ("3", "three"), ("5", 'five, "really"')]
    assert [r.line for r in rejected] == [3, 4, 6]


def test_csv_many_unclosed_quotes_do_not_stop_it(tmp_path: Path):
    """The rows between broken ones come out, however many are broken."""
    content = "id,text\n" + "".join(f'{n},"open\n{n}b,good {n}\n' for n in range(50))
    found, rejected = split(written(tmp_path, "rows.csv", content))
    assert len(found) + len(rejected) >= 50
    assert {d.name for d in found} <= {f"{n}b" for n in range(50)} | {str(n) for n in range(50)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "id\ttext\n1\tone, two\n"),
        ("a.csv", 'id;text\n1;"one, two"\n'),
        ("a.csv", '\ufeffid,text\n1,"one, two"\n'),
    ],
)
def test_tables_with_other_separators_are_read(name: str, content: str, tmp_path: Path):
    """Tabs, the semicolons of European spreadsheets, and a byte order mark are understood."""
    assert [(d.name, d.text) for d in documents(written(tmp_path, name, content))] == [("1", "one, two")]


def test_long_field_is_read(tmp_path: Path):
    """A text longer than the csv module's own limit is read whole."""
    assert len(documents(written(tmp_path, "a.csv", f"text\n{'a' * 300_000}\n"))[0].text) == 300_000


@pytest.mark.parametrize(
    "content", ["", "\n", "id,body\n1,a\n", "text,text\na,b\n", 'text,"ti"tle\na,b\n', "a\x00\x01\x02"]
)
def test_table_without_a_usable_header_is_rejected(content: str, tmp_path: Path):
    """A table that does not say which column is the text is not guessed at."""
    assert (
        "columns" in rejection(written(tmp_path, "a.csv", content)).reason
        or "twice" in rejection(tmp_path / "a.csv").reason
    )


@pytest.mark.parametrize(("codec", "text"), [("cp1252", ITALIAN), ("cp932", JAPANESE), ("utf-16", JAPANESE)])
def test_csv_in_an_old_encoding_is_read(codec: str, text: str, tmp_path: Path):
    """What a spreadsheet saves in the encoding of its country is read."""
    (found,) = documents(written(tmp_path, "a.csv", f'id,text\n1,"{text}"\n'.encode(codec)))
    assert found.text == text


def test_csv_with_one_bad_byte_loses_that_row_alone(tmp_path: Path):
    """A stray byte in a UTF-8 table does not make the table another encoding's."""
    raw = "id,text\n1,schön\n2,größer\n3,".encode() + b"\xff\n4,vier\n"
    found, rejected = split(written(tmp_path, "a.csv", raw))
    assert [d.text for d in found] == ["schön", "größer", "vier"]
    assert rejected[0].line == 4
    assert "byte 0xFF in column 'text' is not utf-8" in rejected[0].reason


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
            lambda t: any(c.isalnum() for c in t)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_csv_that_python_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]):
    """Whatever text the csv module writes comes back, newlines as \\n."""
    import csv

    path = tmp_path_factory.getbasetemp() / "back.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["id", "text"], *([str(n), t] for n, t in enumerate(texts))])
    assert [d.text for d in documents(path)] == [t.replace("\r\n", "\n").replace("\r", "\n") for t in texts]


# Parquet


def test_parquet_reads_all_good_rows_around_the_bad_ones(tmp_path: Path):
    """Rows of a Parquet file come typed: integers as ids, dates as ISO 8601; bad rows are rejected by number."""
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "text": pa.array(["one", None, "three"]).dictionary_encode(),
            "published": pa.array([datetime(2026, 3, 4, 8, 15, tzinfo=UTC)] * 3, pa.timestamp("ns", "UTC")),
            "extra": [[1], [2], [3]],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found, rejected = split(tmp_path / "a.parquet")
    assert [(d.name, d.text, d.line, d.published) for d in found] == [
        ("1", "one", 1, "2026-03-04T08:15:00+00:00"),
        ("3", "three", 3, "2026-03-04T08:15:00+00:00"),
    ]
    assert [(r.line, r.reason[:15]) for r in rejected] == [(2, "`text` is empty")]


def test_parquet_dates_nanoseconds_and_bad_utf8(tmp_path: Path):
    """A day is a date, nanoseconds are cut, and a value that is not UTF-8 costs its own row."""
    bad = pa.array([b"fine", b"\xff\xfe", b"too"]).view(pa.string())
    pq.write_table(pa.table({"text": bad, "published": [date(2026, 3, 4)] * 3}), tmp_path / "a.parquet")
    found, rejected = split(tmp_path / "a.parquet")
    assert [(d.text, d.published) for d in found] == [("fine", "2026-03-04T00:00:00"), ("too", "2026-03-04T00:00:00")]
    assert [r.line for r in rejected] == [2]
    pq.write_table(
        pa.table({"text": ["a"], "published": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))}),
        tmp_path / "b.parquet",
    )
    assert documents(tmp_path / "b.parquet")[0].published == "2023-11-14T22:13:20.123456"


def test_damaged_row_group_leaves_the_others(tmp_path: Path):
    """Rows before and after a damaged part of a Parquet file are read."""
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": [f"text {n}" for n in range(9)]}),
        path,
        row_group_size=3,
        compression="zstd",
        use_dictionary=False,
    )
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.data_page_offset : chunk.data_page_offset + chunk.total_compressed_size] = (
        b"\xff" * chunk.total_compressed_size
    )
    found, rejected = split(written(tmp_path, "b.parquet", bytes(raw)))
    assert [d.line for d in found] == [1, 2, 3, 7, 8, 9]
    assert [r.line for r in rejected] == [4]


def test_truncated_parquet_is_rejected_and_the_next_file_read(tmp_path: Path):
    """A Parquet file without its end cannot be read; the file after it can."""
    pq.write_table(pa.table({"text": ["a"] * 100}), tmp_path / "whole.parquet")
    cut = written(tmp_path, "cut.parquet", (tmp_path / "whole.parquet").read_bytes()[:-20])
    found, rejected = split(cut, tmp_path / "whole.parquet")
    assert len(found) == 100
    assert "is not Parquet that can be read" in rejected[0].reason
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "other.parquet")
    assert "has no column `text`, only 'body'" in rejection(tmp_path / "other.parquet").reason


# feeds

RSS = """<?xml version="1.0" encoding="{}"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Bay &amp; News</title><language>de-de</language>
<item><title>Rat &amp;amp; Hafen</title><link>https://bay.example/1</link><guid isPermaLink="false">g-1</guid><pubDate>Wed, 04 Mar 2026 08:15:00 +0100</pubDate><description>Short.</description><content:encoded><![CDATA[<p>Größere <b>Sperre</b><br>beschlossen.</p><script>x()</script><p>Zweiter
Absatz.</p>]]></content:encoded></item>
<item><title>No guid</title><link>https://bay.example/2</link><description>Only &lt;i&gt;this&lt;/i&gt;: 3 &amp;lt; 4</description></item>
<item><title>No text</title></item>
<item><description>Nothing but text.</description></item>
</channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="it"><title>Porto</title>
<entry><id>urn:1</id><title type="text">3 &lt; 4</title><updated>2026-03-04T08:15:00Z</updated><link href="https://porto.example/1"/><content type="text">Il consiglio &lt;ha&gt; votato.</content></entry>
<entry xml:lang="en"><id>urn:2</id><title>Two</title><published>2026-03-05T08:15:00+01:00</published><updated>2026-03-06T08:15:00Z</updated><summary type="html">&lt;p&gt;The council voted.&lt;/p&gt;</summary></entry></feed>"""


@pytest.mark.parametrize("codec", ["utf-8", "iso-8859-1", "utf-16"])
def test_rss_entries_are_read(codec: str, tmp_path: Path):
    """An RSS feed gives its entries with id, link, date, language and source, their HTML as text; one without text is rejected."""
    path = written(tmp_path, "feed.xml", RSS.format(codec).encode(codec))
    found, rejected = split(path)
    assert [(d.name, d.title, body(d)) for d in found] == [
        ("g-1", "Rat & Hafen", "Größere Sperre\nbeschlossen.\nZweiter Absatz."),
        ("https://bay.example/2", "No guid", "Only this: 3 < 4"),
        ("feed.xml:4", "", "Nothing but text."),
    ]
    assert (found[0].source, found[0].lang, found[0].url, found[0].published) == (
        "Bay & News",
        "de-de",
        "https://bay.example/1",
        "2026-03-04T08:15:00+01:00",
    )
    assert [(r.line, r.reason[:15]) for r in rejected] == [(3, "`text` is empty")]


def test_atom_entries_are_read(tmp_path: Path):
    """An Atom feed gives its entries; plain text stays plain, and the date is that of publication."""
    one, two = documents(written(tmp_path, "feed.atom", ATOM))
    assert (one.external_id, one.title, body(one), one.lang) == ("urn:1", "3 < 4", "Il consiglio <ha> votato.", "it")
    assert (one.published, one.url, one.source, one.line) == (
        "2026-03-04T08:15:00+00:00",
        "https://porto.example/1",
        "Porto",
        1,
    )
    assert (body(two), two.lang, two.published) == ("The council voted.", "en", "2026-03-05T08:15:00+01:00")


def test_cut_feed_gives_its_whole_entries(tmp_path: Path):
    """Of a feed that is cut off, the entries with an end are read, and the place of the cut is said."""
    raw = RSS.format("utf-8")
    found, rejected = split(written(tmp_path, "feed.rss", raw[: raw.index("Only")] + "half"))
    assert [d.name for d in found] == ["g-1"]
    assert rejected[0].line == 5
    assert "entry 2 is cut off" in rejected[0].reason


def test_ill_formed_feed_gives_its_entries_and_says_so(tmp_path: Path):
    """A bare ampersand does not cost the feed, and is named by line."""
    found, rejected = split(written(tmp_path, "feed.xml", RSS.format("utf-8").replace("No guid", "R&D")))
    assert [d.name for d in found] == ["g-1", "https://bay.example/2", "feed.xml:4"]
    assert [r.line for r in rejected] == [3, 5]


@pytest.mark.parametrize(
    "content", ["<catalog><book/></catalog>", "", "no markup", "<a><b></a>", "https://example.com/feed"]
)
def test_xml_that_is_no_feed_is_rejected(content: str, tmp_path: Path):
    """An XML file of another kind is reported, and never taken for an address."""
    assert (
        "feed" in rejection(written(tmp_path, "a.xml", content)).reason or "XML" in rejection(tmp_path / "a.xml").reason
    )


def test_feed_with_a_bad_byte_is_rejected_by_offset(tmp_path: Path):
    """Bytes that are not in the declared encoding are named."""
    raw = RSS.format("utf-8").encode().replace("ß".encode(), b"\xff")
    assert "is not utf-8, which it declares" in rejection(written(tmp_path, "a.xml", raw)).reason


# gzip


@pytest.mark.parametrize(
    ("name", "content", "n"),
    [
        ("a.txt", FIRST, 1),
        ("a.html", html_page(), 1),
        ("a.jsonl", '{"text":"a"}\n' * 3, 3),
        ("a.csv", "text\na\nb\n", 2),
        ("a.xml", ATOM, 2),
    ],
)
def test_gzip_of_any_kind_is_read(name: str, content: str, n: int, tmp_path: Path):
    """A packed file is read like the file in it, under that file's name."""
    found = documents(written(tmp_path, f"{name}.GZ", gzip.compress(content.encode())))
    assert len(found) == n
    assert found[0].name.startswith(name) or found[0].external_id


def test_packed_parquet_is_read(tmp_path: Path):
    """Parquet can be packed, though it seeks."""
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    assert len(documents(written(tmp_path, "b.parquet.gz", gzip.compress((tmp_path / "a.parquet").read_bytes())))) == 2


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_cut_gzip_gives_the_rows_before_the_cut(kind: str, tmp_path: Path):
    """What came before the end of a truncated file stays; the next line is named as the place."""
    import random

    noise = random.Random(1)
    texts = ["".join(noise.choices("abcdefghijklmnop", k=200)) for _ in range(500)]
    rows = [f'{{"text":"{t}"}}' for t in texts] if kind == "jsonl" else ["text", *texts]
    raw = gzip.compress("\n".join(rows).encode())
    found, rejected = split(written(tmp_path, f"a.{kind}.gz", raw[: len(raw) // 2]))
    assert 100 < len(found) < 400
    assert [d.text for d in found] == texts[: len(found)]
    assert len(rejected) == 1
    assert rejected[0].line == (found[-1].line or 0) + 1
    assert "cut off" in rejected[0].reason


@pytest.mark.parametrize("raw", [b"not gzip", gzip.compress(b"x" * 1000)[:12] + b"\xff" * 30])
def test_damaged_gzip_is_rejected(raw: bytes, tmp_path: Path):
    """What is no gzip, or broken inside, is reported, and the next file read."""
    found, rejected = split(written(tmp_path, "a.txt.gz", raw), written(tmp_path, "b.txt", "text"))
    assert len(found) == len(rejected) == 1
