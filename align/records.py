"""The nouns of the data's way: document → items → vectors → neighbours → relations → clusters → variants.

Knows nobody. Every record is frozen; arrays carry their shape in the alias's name and comment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, d) float32, rows of unit length."""

Evidence = dict[str, Any]
"""What a relation rests on, JSON-ready."""


class Form(StrEnum):
    """How a document's text came to be, which decides how it is segmented."""

    PAGE = "page"  # a saved page as plain text: an article amid furniture, perhaps teasers
    ARTICLE = "article"  # one text and nothing else: a row, a feed entry, an extracted HTML article


@dataclass(frozen=True)
class Document:
    """One thing read: a saved page, a feed entry, a row of a file.

    `text` is what offsets slice. For an ARTICLE it is the title, a blank line and the body, or the
    body alone where there is no title. `external_id` is the caller's own id, if one was given.
    `line` is the 1-based line, row or entry in `path`, for messages; `lang` is a declared BCP 47
    code or None; `published` is ISO 8601 or None.
    """

    name: str
    path: str
    form: Form
    text: str
    title: str = ""
    external_id: str | None = None
    line: int | None = None
    lang: str | None = None
    source: str | None = None
    url: str | None = None
    published: str | None = None
    alternates: dict[str, str] = field(default_factory=dict)
    """hreflang → URL of the same article in another language, where the page declares it."""


@dataclass(frozen=True)
class Rejection:
    """Something that could not be read: where, and why in one sentence. `line` is 1-based or None."""

    path: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class Item:
    """One story text in one language.

    `document` is the document's name or the caller's external id. `start` and `end` are character
    offsets in the document's text: the hull of title and body, which may have furniture between its
    paragraphs; `spans` are the exact slices that `text` joins with a newline.
    `lang_confidence` is in [0, 1].
    """

    id: str
    document: str
    lang: str
    lang_confidence: float
    title: str
    text: str
    source: str | None
    url: str | None
    published: str | None
    start: int
    end: int
    spans: tuple[tuple[int, int], ...] = ()


class Kind(StrEnum):
    """The kinds of relation, as the contract names them."""

    EXACT = "exact"
    NEAR = "near"
    EXCERPT = "excerpt"
    TRANSLATION = "translation"
    SAME_STORY = "same_story"
    RELATED = "related"

    @property
    def joins(self) -> bool:
        """Whether the relation may bring two items into one cluster."""
        return self is not Kind.RELATED


@dataclass(frozen=True)
class Relation:
    """A typed, undirected link between items `a` < `b`. `score` is a probability in [0, 1] that both tell one story."""

    a: str
    b: str
    kind: Kind
    score: float
    evidence: Evidence

    def other(self, item_id: str) -> str:
        """The id at the other end."""
        return self.b if item_id == self.a else self.a


@dataclass(frozen=True)
class Cluster:
    """The items that tell one story, in order of arrival (``Archive.first_seen`` gives that of publication)."""

    id: str
    item_ids: tuple[str, ...]


class DecisionKind(StrEnum):
    """What an editor can decide about items."""

    SAME_STORY = "same_story"  # the items tell one story
    NOT_SAME_STORY = "not_same_story"  # no two of the items tell one story
    SPLIT = "split"  # the items leave the rest of their cluster, together
    TRANSLATION = "translation"  # the items tell one story, as translations of one another


@dataclass(frozen=True)
class Decision:
    """An editor's correction: it holds until it is undone, whatever is read, related or set anew.

    `at` and `undone_at` are ISO 8601 in UTC; `by` and `undone_by` are names. `rest` are, for a split, the
    items that were left.
    """

    id: str
    kind: DecisionKind
    items: tuple[str, ...]
    by: str
    at: str
    note: str = ""
    undone_at: str | None = None
    undone_by: str | None = None
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One row of the history of a cluster; `number` grows and is the cursor of the feed of changes.

    `what` is created, grew, shrank, merged (`others` redirect to `cluster` from now on), split (`others`
    are the clusters that `items` went to), gone (its last item was deleted) or revised (`items` have
    another text). `why` is ingest, delete, model, settings, or ``decision d1`` or ``undo d1`` with the
    decision's id.
    """

    number: int
    at: str
    cluster: str
    what: str
    why: str
    items: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Revision:
    """A text that an item has had since `at`; `number` counts from 1, the last one is the present text."""

    item: str
    number: int
    at: str
    title: str
    text: str


class Doubt(StrEnum):
    """Why a pair is worth a look: what its story says, and what its relation does."""

    TOGETHER_THOUGH_UNLIKE = "the two stand in one story, though hardly alike"
    TOGETHER_BY_LITTLE = "hardly alike enough for the story they stand in"
    APART_THOUGH_ALIKE = "alike enough for one story, yet their stories stand apart"
    APART_BY_LITTLE = "almost alike enough for one story"


@dataclass(frozen=True)
class QueuedPair:
    """A pair that an editor should look at. `usefulness` is in [0, 1]: how open it is, and how much hangs on it.

    `new_langs` is in how many languages their stories would be together, 0 where neither would gain one.
    """

    a: Item
    b: Item
    relation: Relation
    usefulness: float
    doubt: Doubt
    new_langs: int = 0

    @property
    def why(self) -> str:
        """The doubt in a sentence."""
        return f"{self.doubt}; together they would be in {self.new_langs} languages" if self.new_langs else self.doubt


@dataclass(frozen=True)
class Constraints:
    """What clusters must obey: every group of `together` in one cluster, no pair of `apart` in one."""

    together: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Variant:
    """Another member of an item's cluster. `kind` and `score` are those of the relation to the asked item.

    Where the two are joined only through others, `kind` is same_story, `score` the weakest link of the
    strongest path between them, and the evidence names the items on the way.
    """

    item: Item
    kind: Kind
    score: float
    evidence: Evidence


@dataclass(frozen=True)
class ItemVectors:
    """The vectors of one item.

    `views` is (v, d), the vectors that neighbours are looked up by: the whole story first, then its
    lead. `sentences` is (n, d), one row a sentence, the title first if there is one;
    `sentence_spans` are their offsets in "title, newline, text" as `Item` holds them (title alone,
    then text shifted by the title's length plus one).
    """

    views: Vectors
    sentences: Vectors
    sentence_spans: tuple[tuple[int, int], ...]
