"""Numbers: what the index holds, as charts with their tables."""

from __future__ import annotations

import itertools
from typing import Any

from fastapi import APIRouter, Request

from align.shapes import LANGUAGES
from align.statistics import count
from service.access import Reader
from service.api.health import Served
from service.desk.pages import render

router = APIRouter(include_in_schema=False)


@router.get("/numbers")
def numbers(request: Request, pipeline: Served, caller: Reader) -> Any:
    """Items, languages and stories over time."""
    counted = count(pipeline.store)
    known = [lang for lang in LANGUAGES if lang in counted.by_lang]
    others = [lang for lang in counted.by_lang if lang not in LANGUAGES]
    items = {lang: list(counted.by_span[lang]) for lang in known}
    if others:
        items["other"] = [sum(span) for span in zip(*(counted.by_span[lang] for lang in others), strict=True)]
    in_all = list(itertools.accumulate(counted.stories_by_span, initial=counted.stories_before))[1:]
    sizes = {"1": 0, "2": 0, "3–5": 0, "6–10": 0, "11+": 0}
    for size, n in counted.story_sizes.items():
        sizes["1" if size == 1 else "2" if size == 2 else "3–5" if size <= 5 else "6–10" if size <= 10 else "11+"] += n
    charts = {
        "spans": list(counted.spans), "items": items, "growth": {"new": list(counted.stories_by_span), "all": in_all},
        "langs": {**{lang: counted.by_lang[lang] for lang in known}, **({"other": sum(counted.by_lang[lang] for lang in others)} if others else {})},
        "storyLangs": {str(n): found for n, found in counted.story_langs.items()}, "sizes": sizes,
    }  # fmt: skip
    return render(request, "numbers.html", counted=counted, charts=charts, sizes=sizes)
