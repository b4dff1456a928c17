"""Request bodies and answers of the HTTP service, in the contract's shapes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_EXAMPLE_TEXT = "The dockers' union in Hamburg has called a 48-hour strike from Friday over a pay dispute."


class ItemIn(BaseModel):
    """One text to store, as a line of the contract's JSONL."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "story-1.en",
                    "title": "Dockers call two-day strike",
                    "text": _EXAMPLE_TEXT,
                    "lang": "en",
                    "published": "2026-03-04T08:15:00+01:00",
                }
            ]
        }
    )
    text: str = Field(description="The story's text; required.")
    id: str | int | None = Field(
        None, description="Your own id; the item keeps it as its external id, and sending it again updates the item."
    )
    title: str | None = None
    lang: str | None = Field(None, description="BCP 47 code, if you know it.")
    source: str | None = None
    url: str | None = None
    published: str | None = Field(None, description="ISO 8601.")


class TextIn(BaseModel):
    """A text that is looked up and not stored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Dockers call two-day strike", "text": _EXAMPLE_TEXT}]}
    )
    text: str
    title: str = ""
    published: str | None = Field(None, description="ISO 8601.")


class ItemOut(BaseModel):
    """A stored item; `start` and `end` are character offsets in its document."""

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


class VariantOut(BaseModel):
    """Another version of a story; `kind` is its relation to the item that was asked about."""

    id: str
    document: str
    lang: str
    title: str
    kind: Literal["exact", "near", "excerpt", "translation", "same_story", "related"]
    score: float
    evidence: dict[str, Any]


class VariantsOut(BaseModel):
    """An item, its cluster and the other versions, best first."""

    item: ItemOut
    cluster: str
    variants: list[VariantOut]


class MatchOut(VariantOut):
    """A variant of a draft, with its cluster."""

    cluster: str


class CheckOut(BaseModel):
    """Whether a draft's story is covered, and by which items."""

    lang: str
    covered: bool
    matches: list[MatchOut]


class LookupOut(BaseModel):
    """The versions of a text that was not stored; `cluster` is the story of the best of them, null where there is none."""

    item: ItemOut
    cluster: str | None
    variants: list[MatchOut]


class ClusterItemOut(BaseModel):
    """The head of one item of a cluster."""

    id: str
    lang: str
    title: str
    source: str | None
    document: str


class ClusterOut(BaseModel):
    """One story: its items and languages; `missing_langs` are those of en, ja, de, it that none is in."""

    id: str
    items: list[ClusterItemOut]
    langs: list[str]
    missing_langs: list[str]


class ItemsPage(BaseModel):
    """A page of items; `next` is the cursor of the next page or null."""

    items: list[ItemOut]
    next: str | None


class ClustersPage(BaseModel):
    """A page of clusters; `next` is the cursor of the next page or null."""

    items: list[ClusterOut]
    next: str | None


class ResultOut(BaseModel):
    """What became of one item that was sent. `id` is the item's id, null where it was rejected."""

    id: str | None
    document: str
    status: Literal["added", "updated", "unchanged", "rejected"]
    reason: str | None


class ResultsOut(BaseModel):
    """One result for each item sent, in the order sent."""

    results: list[ResultOut]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
