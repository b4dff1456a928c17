"""Filters that several routes take, as query parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Query

from align.errors import InputError
from align.listing import ItemFilter, moment
from align.records import Item, Kind, Variant
from align.rows import LANG_CODE

Langs = Annotated[
    list[str] | None, Query(description="Only these languages, BCP 47; may be repeated.", examples=["ja"])
]
Sources = Annotated[list[str] | None, Query(description="Only these sources; may be repeated.")]
Kinds = Annotated[list[Kind] | None, Query(description="Only these kinds of relation; may be repeated.")]
Score = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Least score, inclusive.")]
From = Annotated[str | None, Query(description="Published at or after, ISO 8601.", examples=["2026-03-01"])]
To = Annotated[str | None, Query(description="Published at or before, ISO 8601; a date means its whole day.")]
Words = Annotated[str | None, Query(description="Words that title or text hold.", max_length=200)]


def checked_langs(name: str, langs: list[str] | None) -> tuple[str, ...]:
    """The languages of the parameter `name`. Raises InputError for what is no code, such as ``german``."""
    for lang in langs or ():
        if not LANG_CODE.fullmatch(lang):
            raise InputError(f"query.{name}: {lang[:40]!r} is not a BCP 47 code; write en, ja, de, it or another")
    return tuple(langs or ())


def between(published_from: str | None, published_to: str | None) -> tuple[datetime | None, datetime | None]:
    """The two moments of the parameters. Raises InputError for a date that is none, or where nothing lies between."""
    since, until = moment(published_from), moment(published_to, True)
    if since and until and since > until:
        raise InputError(
            f"query.published_from: {published_from} is after published_to {published_to}; exchange the two"
        )
    return since, until


async def item_filter(
    lang: Langs = None, source: Sources = None, published_from: From = None, published_to: To = None, q: Words = None
) -> ItemFilter:
    """The filter that a request's parameters describe. Raises InputError for a date that is none."""
    return ItemFilter(checked_langs("lang", lang), tuple(source or ()), *between(published_from, published_to), q or "")


@dataclass(frozen=True)
class VariantFilter:
    """Which variants a request wants."""

    langs: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    min_score: float = 0.0
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __call__(self, variant: Variant) -> bool:
        return self.fits(variant.item) and self.related(variant.kind, variant.score)

    def related(self, kind: Kind, score: float) -> bool:
        """Whether a relation of this kind and score is wanted."""
        return (not self.kinds or kind in self.kinds) and score >= self.min_score

    def fits(self, item: Item) -> bool:
        """Whether an item's language, source and date are wanted."""
        if (self.langs and item.lang not in self.langs) or (self.sources and item.source not in self.sources):
            return False
        if self.since is None and self.until is None:
            return True
        published = moment(item.published)
        if published is None:
            return False
        return (self.since is None or published >= self.since) and (self.until is None or published <= self.until)


async def variant_filter(
    lang: Langs = None,
    kind: Kinds = None,
    min_score: Score = None,
    source: Sources = None,
    published_from: From = None,
    published_to: To = None,
) -> VariantFilter:
    """The filter that a request's parameters describe. Raises InputError for a date that is none."""
    return VariantFilter(
        checked_langs("lang", lang),
        tuple(kind or ()),
        min_score or 0.0,
        tuple(source or ()),
        *between(published_from, published_to),
    )
