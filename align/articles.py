"""An HTML page → its article, with what the page says of itself; and pieces of HTML → lines of text."""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import urljoin

from align.encodings import decode, unix_newlines
from align.errors import InputError
from align.instants import parse_moment
from align.records import Document, Form, Rejection
from align.rows import LANG_CODE, string_field

log = logging.getLogger("samestory")
Read = Iterator[Document | Rejection]

_META_CHARSET = re.compile(rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
XML_ENCODING = re.compile(rb"^\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9_.:-]+)[\"']")
_NAVIGATION = ["//nav", "//*[@role='navigation']", "//footer[not(ancestor::article)]"]
"""Taken out before trafilatura looks: on a page with little text it would take a menu for the text."""


def read_html(name: str, path: str, handle: BinaryIO) -> Read:
    """The article of an HTML file, or a Rejection."""
    raw = handle.read()
    declared = XML_ENCODING.search(raw[:1024]) or _META_CHARSET.search(raw[:8192])
    try:
        yield _article(decode(raw, path, declared.group(1).decode("ascii") if declared else None), name, path)
    except InputError as error:
        yield Rejection(path, None, str(error))


def _article(source: str, name: str, path: str) -> Document:
    """The article of an HTML page. Raises InputError for a page without one.

    An identical paragraph right after itself comes once: trafilatura takes it for an artefact.
    """
    import lxml.etree
    import lxml.html

    try:
        # As bytes, since lxml refuses a string that begins with an XML declaration.
        parser = lxml.html.HTMLParser(encoding="utf-8")
        tree = lxml.html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as error:
        raise InputError("holds no HTML; check that it is a page") from error
    meta = _page_meta(tree)
    paragraphs = _main_text(source)
    stated = html_lines(meta["body"])
    if _surpasses(stated, paragraphs):
        paragraphs = stated
    title = " ".join(meta["title"].split())
    while paragraphs and " ".join(paragraphs[0].split()) == title:
        paragraphs = paragraphs[1:]
    if not paragraphs:
        raise InputError("holds no article text that can be told from its furniture; give the text as .txt or JSONL")
    body = "\n".join(paragraphs)
    text = f"{title}\n\n{body}" if title else body
    string_field({"text": text}, "text")  # metadata can smuggle in half a surrogate pair
    return Document(
        name=name,
        path=path,
        form=Form.ARTICLE,
        text=text,
        title=title,
        lang=meta["lang"] or None,
        source=meta["source"] or None,
        url=meta["url"] or None,
        published=lenient_date(meta["published"]),
        alternates=_alternates(tree, meta["url"]),
    )


def _alternates(tree: Any, url: str) -> dict[str, str]:
    """hreflang → absolute address of the same article in another language; the first one of each."""
    found: dict[str, str] = {}
    for link in tree.iterfind(".//link[@hreflang]"):
        lang, address = link.get("hreflang").strip(), (link.get("href") or "").strip()
        if address and LANG_CODE.fullmatch(lang):
            try:
                found.setdefault(lang, urljoin(url, address))
            except ValueError:
                continue  # an address that is none
    return found


def _surpasses(stated: list[str], found: list[str]) -> bool:
    """Whether the text in the metadata is the better one: a page that a script fills holds it there alone.

    It is where it is more than twice as long, or the same in more paragraphs (trafilatura runs them together).
    """
    theirs, ours = ("".join("".join(lines).split()) for lines in (stated, found))
    return len(theirs) > 2 * len(ours) or (theirs == ours and len(stated) > len(found))


_SILENT = logging.NullHandler()
"""Takes trafilatura's complaints, which would reach standard error without a page's name; the Rejection says it better."""


def _main_text(source: str) -> list[str]:
    """The paragraphs that trafilatura finds."""
    import trafilatura

    logging.getLogger("trafilatura").addHandler(_SILENT)
    try:
        # Tables would come as rows of bars; a page laid out in tables is read all the same.
        text = trafilatura.extract(
            source, include_comments=False, include_tables=False, deduplicate=False, prune_xpath=_NAVIGATION
        )
    except Exception as error:  # whatever a parser of broken pages may raise concerns this page alone
        raise InputError(
            f"cannot be read as HTML ({type(error).__name__}: {error}); give the text as .txt or JSONL"
        ) from error
    return [line.strip() for line in unix_newlines(text or "").split("\n") if line.strip()]


def _page_meta(tree: Any) -> dict[str, str]:
    """What a page says of itself: title, lang, source, url, published, body; "" for what it leaves out.

    JSON-LD speaks first, then meta tags, then links, headings and the language of the page.
    """
    tags: dict[str, str] = {}
    for tag in tree.iterfind(".//meta[@content]"):
        key = (tag.get("property") or tag.get("name") or tag.get("itemprop") or "").strip().lower()
        if key and tag.get("content").strip():
            tags.setdefault(key, tag.get("content").strip())
    article = _json_ld(tree)
    headings = (" ".join(heading.text_content().split()) for tag in ("h1", "title") for heading in tree.iter(tag))
    links = (link for link in tree.iterfind(".//link[@href]") if (link.get("rel") or "").lower() == "canonical")
    canonical = next((link.get("href").strip() for link in links), "")
    source = _told(article.get("publisher"), "name") or tags.get("og:site_name", "")
    langs = (
        _told(article.get("inLanguage"), "alternateName"),
        tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or tree.get("xml:lang") or "",
        tags.get("og:locale", ""),
    )
    urls = (
        _told(article.get("url"), "@id"),
        _told(article.get("mainEntityOfPage"), "@id"),
        tags.get("og:url", ""),
        canonical,
    )
    dates = (_told(article.get("datePublished")), *(tags.get(key, "") for key in _DATE_TAGS))
    return {
        "title": _told(article.get("headline"))
        or _without_site(tags.get("og:title") or next(filter(None, headings), ""), source),
        "lang": next((lang.strip().replace("_", "-") for lang in langs if LANG_CODE.fullmatch(lang.strip())), ""),
        "source": source,
        "url": next((url for url in urls if url.startswith(("http://", "https://"))), "")
        or next(filter(None, urls), ""),
        "published": next((date for date in dates if lenient_date(date)), ""),
        "body": _told(article.get("articleBody")),
    }


_DATE_TAGS = (
    "article:published_time",
    "og:article:published_time",
    "datepublished",
    "date",
    "pubdate",
    "dc.date",
    "dc.date.issued",
    "dcterms.date",
)


def _without_site(title: str, site: str) -> str:
    """`title` without the site's name that many pages add to it."""
    return re.sub(rf"\s+[-–—|·•:]\s+{re.escape(site)}\s*$", "", title) if site else title


def _told(value: object, key: str = "name") -> str:
    """The string that a JSON-LD value amounts to: itself, the first of a list, or `key` of an object; else ""."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get(key)
    text = html.unescape(value).strip() if isinstance(value, str) else ""
    return "" if re.search("[\x00\ud800-\udfff]", text) else text  # what is no text is as good as not said


def _json_ld(tree: Any) -> dict[str, Any]:
    """The first article object with a headline in the page's JSON-LD, or else the first one; {} if there is none."""
    nodes: list[dict[str, Any]] = []
    for script in tree.iterfind(".//script[@type]"):
        if script.get("type").split(";")[0].strip().lower() == "application/ld+json":
            nodes += _nodes(_lenient_json(script.text or ""))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    articles = [node for node in nodes if _is_article(node.get("@type"))]
    found = dict(next((node for node in articles if node.get("headline")), articles[0] if articles else {}))
    publisher = found.get("publisher")
    if isinstance(publisher, dict) and "name" not in publisher:
        found["publisher"] = by_id.get(str(publisher.get("@id")), publisher)
    return found


def _lenient_json(script: str) -> object:
    """The JSON in a script, whatever comment it is wrapped in; None for none: broken metadata does not make a text unreadable."""
    start = re.search(r"[{\[](?!CDATA)", script)
    try:
        return json.JSONDecoder(strict=False).raw_decode(script, start.start())[0] if start else None
    except (ValueError, RecursionError):
        return None


def _nodes(value: object) -> list[dict[str, Any]]:
    """The objects that stand for themselves: those of lists, of @graph, and what a page says it is about."""
    found, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            found.append(value)
            waiting += [value.get("mainEntity"), value.get("@graph")]
    return found


def _is_article(kinds: object) -> bool:
    names = (str(kind).rsplit("/", 1)[-1].lower() for kind in (kinds if isinstance(kinds, list) else [kinds]))
    return any(name.endswith(("article", "blogposting")) for name in names)


def lenient_date(value: str) -> str | None:
    """ISO 8601 of a page's or feed's own date, or None where it cannot be read: the date is an extra there."""
    for parse in (parse_moment, parsedate_to_datetime):
        try:
            return parse_moment(parse(value.strip()).isoformat()).isoformat()
        except (InputError, ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


_BLOCKS = ("p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "figure", "pre", "tr")


def html_lines(markup: str) -> list[str]:
    """The text of a piece of HTML, a line for each block; where it has no tags, its lines."""
    import lxml.etree
    import lxml.html

    text = html.unescape(markup)
    if re.search(r"<[A-Za-z/!]", markup):
        try:
            tree = lxml.html.fragment_fromstring(markup, create_parent="div")
        except (lxml.etree.LxmlError, ValueError):
            return plain_lines(text)
        lxml.etree.strip_elements(tree, "script", "style", lxml.etree.Comment, with_tail=False)
        for element in tree.iter():
            element.text, element.tail = run_on(element.text), run_on(element.tail)
        for block in tree.iter(*_BLOCKS):
            block.text = "\n" + (block.text or "")
            block.tail = "\n" + (block.tail or "")
        text = tree.text_content()
    return plain_lines(text)


def plain_lines(text: str) -> list[str]:
    """The lines that are not blank, runs of white space as one space."""
    return [" ".join(line.split()) for line in unix_newlines(text).split("\n") if line.strip()]


def run_on(text: str | None) -> str | None:
    """Text as a page shows it, where a line break in the source is a space; so are control characters, which lxml gives and does not take."""
    return text and re.sub("[\\s\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+", " ", text)
