"""Document → items: the main article and the teasers of a page, without its furniture.

A page is read as lines. Phrase lists and line shapes give each line a role (``furniture.py``); this
file decides by position: what stands before the list of related stories is the main article, each
paragraph after it is a teaser of its own, with the headline right above it, if there is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from align.furniture import Role, classify, comparable, dateline, read_more_tail
from align.language import identify_language
from align.records import Document, Form
from align.widths import width

SEGMENTER = "2"
"""Goes into an index; raised when the same document would fall apart differently."""

REPEATED_WIDTH = 80
"""A line no wider than this that stands twice on one page is furniture."""
BOILERPLATE_WIDTH = 200
"""A line no wider than this that `BOILERPLATE_DOCUMENTS` other documents hold is furniture."""
BOILERPLATE_DOCUMENTS = 3


@dataclass(frozen=True)
class Segment:
    """One story text in a document: offsets of the title and of each paragraph. A title may be None."""

    title: tuple[int, int] | None
    paragraphs: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        return min(self.paragraphs[0][0], self.title[0]) if self.title else self.paragraphs[0][0]

    @property
    def end(self) -> int:
        return max(self.paragraphs[-1][1], self.title[1]) if self.title else self.paragraphs[-1][1]


@dataclass(frozen=True)
class _Line:
    start: int
    end: int
    text: str
    block: int  # lines of one block have no blank line between them
    role: Role


def lines_of(text: str) -> list[tuple[int, int]]:
    """Offsets of the non-blank lines of `text`, stripped."""
    found = []
    position = 0
    for raw in text.split("\n"):
        stripped = raw.strip(" \t\r\xa0\u200b\u3000\ufeff")
        if stripped:
            start = position + raw.index(stripped)
            found.append((start, start + len(stripped)))
        position += len(raw) + 1
    return found


def segment(document: Document, seen_in: Mapping[str, int] | None = None) -> list[Segment]:
    """The story texts of `document`, the main article first, then teasers in reading order.

    `seen_in` counts in how many other documents a comparable line stands: short lines that many
    share are furniture. An ARTICLE is one segment. A page whose every line is furniture gives [].
    """
    if document.form is Form.ARTICLE:
        return _whole(document)
    lines = _caption_blocks(_without_repetition(_roles(document.text), seen_in or {}))
    main, rest = _main_and_rest(lines)
    segments = []
    if article := _article(main):
        segments.append(article)
    segments += _teasers(rest)
    if not segments:
        # Nothing like a paragraph: a bare headline or a note. Better one item than none.
        headings = [line for line in lines if line.role is Role.HEADING]
        segments = [Segment(None, tuple((line.start, line.end) for line in headings))] if headings else []
    return segments


def _whole(document: Document) -> list[Segment]:
    body = len(document.title) + 2 if document.title and document.text.startswith(document.title) else 0
    paragraphs = [(start, end) for start, end in lines_of(document.text) if start >= body]
    title = (0, len(document.title)) if body else None
    if not paragraphs:
        return [Segment(None, (title,))] if title else []
    return [Segment(title, ((paragraphs[0][0], paragraphs[-1][1]),))]


def _roles(text: str) -> list[_Line]:
    lines: list[_Line] = []
    block = 0
    for start, end in lines_of(text):
        if lines and text.count("\n", lines[-1].end, start) > 1:
            block += 1
        line = text[start:end]
        lines.append(_Line(start, end, line, block, classify(line)))
    return lines


def _without_repetition(lines: list[_Line], seen_in: Mapping[str, int]) -> list[_Line]:
    """Short lines repeated on the page, or standing in many other documents, become furniture.

    Where most of the page's prose stands elsewhere too, it is an agency's text that others printed,
    and repetition over documents says nothing.
    """
    here = Counter(comparable(line.text) for line in lines)
    prose = [line for line in lines if line.role is Role.PROSE]
    shared = sum(len(line.text) for line in prose if seen_in.get(comparable(line.text), 0) >= BOILERPLATE_DOCUMENTS)
    count_documents = shared <= 0.5 * sum(len(line.text) for line in prose)

    def repeated(line: _Line) -> bool:
        text, wide = comparable(line.text), width(line.text)
        if line.role not in (Role.PROSE, Role.HEADING):
            return False
        if here[text] >= 2 and wide <= REPEATED_WIDTH:
            return True
        return count_documents and wide <= BOILERPLATE_WIDTH and seen_in.get(text, 0) >= BOILERPLATE_DOCUMENTS

    first_heading = next((line for line in lines if line.role is Role.HEADING), None)
    return [
        replace(line, role=Role.FURNITURE) if repeated(line) and not (line is first_heading and not seen_in) else line
        for line in lines
    ]


def _caption_blocks(lines: list[_Line]) -> list[_Line]:
    """The lines above a credit in a small block, and the line after an image marker, are captions."""
    by_block: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        by_block.setdefault(line.block, []).append(number)
    captions: set[int] = set()
    for members in by_block.values():
        credits = [number for number in members if lines[number].role is Role.CREDIT]
        if credits and len(members) <= 4:
            captions.update(number for number in members if number < credits[-1] and width(lines[number].text) <= 300)
    for number, line in enumerate(lines[:-1]):
        following = lines[number + 1]
        single = len(by_block[following.block]) == 1 or following.block == line.block
        if line.role is Role.MARKER and single and width(following.text) <= 200:
            captions.add(number + 1)
    return [
        replace(line, role=Role.FURNITURE) if number in captions and line.role in (Role.PROSE, Role.HEADING) else line
        for number, line in enumerate(lines)
    ]


def _main_and_rest(lines: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """Split at the first line that opens related stories or comments, or at the first paragraph in another language."""
    language: str | None = None
    for number, line in enumerate(lines):
        if line.role in (Role.RELATED, Role.COMMENTS) and language is not None:
            return lines[:number], lines[number:]
        if line.role is Role.PROSE and width(line.text) >= 60:
            code, confidence = identify_language(line.text)
            if language is None:
                language = code
            elif code != language and confidence >= 0.8 and width(line.text) >= PARAGRAPH_WIDTH:
                return lines[:number], lines[number:]
    if language is None and any(line.role is Role.RELATED for line in lines):
        return [], lines
    return lines, []


PARAGRAPH_WIDTH = 100
"""Least width of a paragraph whose language may open the teasers."""


def _overlap(heading: str, body: str) -> float:
    """Share of the heading's character trigrams that the body holds: a headline's words recur, a slogan's do not."""
    grams = {heading[i : i + 3] for i in range(len(heading) - 2)}
    return sum(gram in body for gram in grams) / len(grams) if grams else 0.0


def _article(lines: list[_Line]) -> Segment | None:
    prose = [line for line in lines if line.role is Role.PROSE]
    if not prose:
        return None
    above = [line for line in lines if line.start < prose[0].start and line.role is Role.HEADING]
    if not above and len(prose) >= 2 and _like_a_title(prose[0], prose[1]):
        return Segment((prose[0].start, prose[0].end), tuple(map(_span, prose[1:])))
    body = comparable(" ".join(line.text for line in prose))
    title = max(above, key=lambda line: (_title_score(line, body), -line.start), default=None)
    if title is not None and width(title.text) < 12:
        title = None
    return Segment((title.start, title.end) if title else None, tuple(map(_span, prose)))


def _title_score(line: _Line, body: str) -> float:
    """How much a heading above the article looks like its title: full-sized, and made of the article's words."""
    return min(width(line.text), 45) / 45 + _overlap(comparable(line.text), body)


def _like_a_title(first: _Line, second: _Line) -> bool:
    """A first line that ends like a sentence and yet is the title: short, alone in its block, above a longer one."""
    return first.block != second.block and width(first.text) <= 110 and width(second.text) >= 1.5 * width(first.text)


def _teasers(lines: list[_Line]) -> list[Segment]:
    """A segment for each paragraph; a headline without one is a link, not a story text."""
    found: list[Segment] = []
    pending: _Line | None = None
    last: _Line | None = None  # the prose line that ended the latest teaser, while it may still go on
    comments = False
    for line in lines:
        if line.role in (Role.RELATED, Role.COMMENTS):
            comments, pending, last = line.role is Role.COMMENTS, None, None
        elif comments or line.role in (Role.FURNITURE, Role.CREDIT, Role.MARKER):
            last = None
        elif line.role is Role.HEADING:
            pending, last = line, None
        elif last is not None and last.block == line.block and found[-1].title is not None:
            found[-1] = replace(found[-1], paragraphs=(*found[-1].paragraphs, _span(line)))
            last = line
        else:
            title = (pending.start, pending.end) if pending is not None else None
            found.append(Segment(title, (_span(line),)))
            pending, last = None, line
    return found


def _span(line: _Line) -> tuple[int, int]:
    """Offsets of the line without its dateline and without a "read more" at its end."""
    start = dateline(line.text)
    return line.start + start, line.start + max(start + 1, read_more_tail(line.text))


def segment_texts(document: Document, segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """(title, body) of each segment; the paragraphs of a body are joined by a newline."""

    def slice_of(span: tuple[int, int]) -> str:
        return document.text[span[0] : span[1]]

    return [
        (slice_of(found.title) if found.title else "", "\n".join(map(slice_of, found.paragraphs))) for found in segments
    ]
