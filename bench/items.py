"""Any number of items without outside data: the bundled stories with other words."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path

SEEDS = Path(__file__).parent.parent / "seeds"
DAYS = 365
"""Rounds before a day comes again."""


def made(n_items: int, seed: int = 7, first_round: int = 0) -> list[dict[str, str]]:
    """`n_items` items: a bundled item with two thirds of its words, and every number, exchanged.

    Items of one bundled story share the names and numbers that replace theirs, so that they stay one story,
    as long as the same round makes them; other rounds' numbers are others. A round stands for a day: its items are
    published so many days before the bundled ones, a year at most, under addresses of their own. Japanese, which has no
    spaces, exchanges runs of kanji or kana.
    """
    chance = random.Random(seed)
    lines = [json.loads(line) for path in sorted(SEEDS.glob("*.jsonl")) for line in path.open(encoding="utf-8")]
    piece = re.compile(r"\d+|[^\W\d_]{3,}|[\u4e00-\u9fff]{2,}|[\u30a0-\u30ff]{2,}")
    pool: dict[str, list[str]] = {}
    for line in lines:
        pool.setdefault(line["lang"], []).extend(word for word in piece.findall(line["text"]) if not word.isdigit())
    items: list[dict[str, str]] = []
    round_number = first_round
    while len(items) < n_items:
        for line in lines:
            own = random.Random(f"{round_number}:{line['id'].rsplit('.', 1)[0]}")
            offset = own.randrange(1, 10_000)

            def exchanged(found: re.Match[str], lang: str = line["lang"], offset: int = offset) -> str:
                word = found.group()
                if word.isdigit():
                    return str(int(word) % 9000 + offset)
                return chance.choice(pool[lang]) if chance.random() < 0.67 else word

            text, title = piece.sub(exchanged, line["text"]), piece.sub(exchanged, line["title"])
            day = datetime.fromisoformat(line["published"]) - timedelta(days=round_number % DAYS)
            own_fields = {"url": f"{line['url']}?round={round_number}", "published": day.isoformat()}
            items.append({**line, **own_fields, "id": f"{round_number}-{line['id']}", "title": title, "text": text})
        round_number += 1
    return items[:n_items]
