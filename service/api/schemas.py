"""Request bodies and answers of the HTTP service, in the contract's shapes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.problems import PROBLEM

_EXAMPLE_TITLE = "Dockers in Hamburg call two-day strike"
_EXAMPLE_TEXT = "The dockers' union in Hamburg has called a 48-hour strike from Friday over a pay dispute. The union asks for 9.5 percent more."
_EXAMPLE: dict[str, Any] = {
    "id": "story-1.en",
    "title": _EXAMPLE_TITLE,
    "text": _EXAMPLE_TEXT,
    "lang": "en",
    "source": "Harbour Post",
    "published": "2026-03-04T08:15:00+01:00",
}
_EXAMPLE_DE = {
    "id": "story-1.de",
    "title": "Hafenarbeiter in Hamburg rufen zweitägigen Streik aus",
    "text": "Die Gewerkschaft der Hafenarbeiter in Hamburg hat im Tarifstreit ab Freitag zu einem 48-stündigen Streik aufgerufen. Sie fordert 9,5 Prozent mehr.",
    "lang": "de",
    "source": "Elbkurier",
    "published": "2026-03-04T09:40:00+01:00",
}
ITEM_EXAMPLES: dict[str, dict[str, Any]] = {
    "json": {
        "one": {"summary": "One item", "value": _EXAMPLE},
        "several": {"summary": "A list", "value": [_EXAMPLE, _EXAMPLE_DE]},
    },
    "ndjson": {
        "lines": {
            "summary": "An item a line",
            "value": "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in (_EXAMPLE, _EXAMPLE_DE)),
        }
    },
}
ITEM_PATH = Annotated[str, Path(description="An item's id or external id.", examples=["story-1.en"])]
OTHER_PATH = Annotated[str, Path(description="Another item's id or external id.", examples=["story-1.de"])]
_MEANING = {
    401: "No key, or one that is not in force.",
    403: "The key lacks the scope, or another site's page asked.",
    404: "There is no such thing.",
    409: "The request and what is there do not go together.",
    413: "More than one request may hold.",
    415: "A body of a kind that is not read here.",
    422: "Something in the request cannot be used as it is; `detail` says what and where.",
    429: "Over the key's rate limit; Retry-After says when to come again.",
    503: "Busy; Retry-After says when to come again.",
}


PROBLEM_CONTENT: dict[str, Any] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with, for its description."""
    return {
        code: {"description": _MEANING[code], "content": PROBLEM_CONTENT}
        for code in sorted({401, 403, 422, 429, 503, *codes})
    }


def _whole(text: str) -> str:
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise ValueError(
                f"character {place} is half of a surrogate pair (U+{ord(character):04X}); send whole characters"
            )
    return text


Text = Annotated[str, AfterValidator(_whole)]
"""A string that is Unicode text: JSON can write half of a surrogate pair, which is no character."""


class ItemIn(BaseModel):
    """One text to store, as a line of the contract's JSONL."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
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

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": _EXAMPLE_TITLE, "text": _EXAMPLE_TEXT}]})
    text: Text
    title: Text = ""
    published: Text | None = Field(None, description="ISO 8601.")


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


class FirstSeenOut(BaseModel):
    """An item in the order of publication."""

    id: str
    lang: str
    source: str | None
    published: str | None


class SourcesOut(BaseModel):
    """Who reports by themselves, by name, and which items are copies or excerpts of another, by id."""

    independent: list[str]
    copies: list[str]


class ClusterOut(BaseModel):
    """One story: its items and languages; `missing_langs` are those of en, ja, de, it that none is in.

    `first_seen` are its items, earliest first; `representatives` name for each language the item that stands for it.
    """

    id: str
    items: list[ClusterItemOut]
    langs: list[str]
    missing_langs: list[str]
    first_seen: list[FirstSeenOut]
    representatives: dict[str, str]
    sources: SourcesOut


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


class DecisionIn(BaseModel):
    """An editor's correction. `by` is who decides, where the key does not say it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "same_story", "items": ["story-1.en", "story-1.de"], "by": "night desk", "note": "same strike"}
            ]
        }
    )
    kind: Literal["same_story", "not_same_story", "split", "translation"]
    items: list[Text] = Field(min_length=1, max_length=1000, description="Ids or external ids.")
    by: Text = Field("", max_length=200)
    note: Text = Field("", max_length=2000)


class DecisionOut(BaseModel):
    """A correction, with who took it back and when, if anyone did."""

    id: str
    kind: Literal["same_story", "not_same_story", "split", "translation"]
    items: list[str]
    by: str
    at: str
    note: str
    undone_at: str | None
    undone_by: str | None


class DecisionsPage(BaseModel):
    """A page of decisions; `next` is the cursor of the next page or null."""

    items: list[DecisionOut]
    next: str | None


class QueuedOut(BaseModel):
    """A pair that an editor should look at, and why; `usefulness` is in [0, 1]."""

    a: ItemOut
    b: ItemOut
    kind: str
    score: float
    evidence: dict[str, Any]
    usefulness: float
    why: str


class QueuePage(BaseModel):
    """The most useful pairs; `next` is always null: the queue changes with every decision."""

    items: list[QueuedOut]
    next: str | None


class ChangeOut(BaseModel):
    """A row of history; `number` grows, and the feed goes on after it."""

    number: int
    at: str
    cluster: str
    what: str
    why: str
    items: list[str]
    others: list[str]


class ChangesPage(BaseModel):
    """A page of changes, oldest first. `next` is null at the end; `after` is where to go on later."""

    items: list[ChangeOut]
    next: str | None
    after: int


class RevisionOut(BaseModel):
    """A text that an item has had; the last is the present one."""

    item: str
    number: int
    at: str
    title: str
    text: str


class RevisionsPage(BaseModel):
    """Every text that an item has had, oldest first."""

    items: list[RevisionOut]
    next: str | None


class DeliveredChanges(BaseModel):
    """What happened to stories, oldest first."""

    changes: list[ChangeOut]


class Delivery(BaseModel):
    """The body of a delivery to a webhook."""

    type: Literal["changes"]
    timestamp: str = Field(description="When it was sent, ISO 8601.")
    data: DeliveredChanges


class WebhookIn(BaseModel):
    """Where changes are to be sent. Without a `secret` one is made; `after` is the number of the last change not wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "https://cms.example.org/hooks/samestory"}]})
    url: Text = Field(max_length=2000)
    secret: Text | None = Field(None, max_length=200, description="`whsec_` and base64 of 24 to 64 bytes.")
    after: int | None = Field(None, ge=0, lt=2**63)


class WebhookOut(BaseModel):
    """A webhook: `after` is the last change delivered, `attempts` how often the next ones have failed, `reason` why."""

    id: str
    url: str
    active: bool
    after: int
    attempts: int
    created_at: str
    delivered_at: str | None
    reason: str | None
    secret: str | None = Field(None, description="Told once, when the webhook is made.")


class WebhooksPage(BaseModel):
    """The webhooks."""

    items: list[WebhookOut]
    next: str | None


class JobRejection(BaseModel):
    """A line of a job that was not stored, and why."""

    line: int | None
    document: str | None
    reason: str | None


class JobOut(BaseModel):
    """A job. An ingest: `done` of `total` lines, how many items were added, updated, unchanged, rejected, and the first rejections.

    A rebuild: `done` of `total` items in the step that `message` names.
    """

    id: str
    kind: Literal["ingest", "rebuild"]
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    counts: dict[str, int]
    rejected: list[JobRejection]
    reason: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    message: str | None


class JobsPage(BaseModel):
    """A page of jobs; `next` is the cursor of the next page or null."""

    items: list[JobOut]
    next: str | None


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
