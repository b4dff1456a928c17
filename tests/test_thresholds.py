"""Knobs: what they decide, and what is no value for them."""

from __future__ import annotations

import pytest

from align.errors import InputError
from align.records import Kind, Relation
from align.thresholds import NAMES, Thresholds, judged, parse_value, thresholds_of


def judge(kind: Kind, score: float, days: int, **knobs: float) -> Relation:
    """A relation as it counts between items published some days of March apart."""
    found = Relation("a", "b", kind, score, {})
    published = {"a": "2026-03-01T09:00:00+01:00", "b": f"2026-03-{1 + days:02}T08:00:00+00:00"}
    [counted] = judged([found], published, Thresholds(**knobs))
    return counted


def test_a_translation_may_come_weeks_later_and_a_report_of_an_event_may_not() -> None:
    """Three weeks leave a translation what it is; a week makes another story of an independent report."""
    assert judge(Kind.TRANSLATION, 0.9, 21) == Relation("a", "b", Kind.TRANSLATION, 0.9, {})
    assert judge(Kind.SAME_STORY, 0.99, 7).kind is Kind.RELATED
    assert judge(Kind.SAME_STORY, 0.99, 2).kind is Kind.SAME_STORY
    assert judge(Kind.EXACT, 1.0, 29) == Relation("a", "b", Kind.EXACT, 1.0, {})


def test_a_score_falls_steadily_beyond_its_window() -> None:
    """The score never rises with the days between two items, and is halved half a window after its window."""
    scores = [judge(Kind.TRANSLATION, 0.8, days, window_translation=8).score for days in range(28)]
    assert scores == sorted(scores, reverse=True)
    assert scores[8] == 0.8
    assert scores[12] == pytest.approx(0.4)


def test_without_a_date_nothing_decays() -> None:
    """An item without a date is as close as its text."""
    found = Relation("a", "b", Kind.SAME_STORY, 0.9, {})
    assert list(judged([found], {"a": None, "b": "2020-01-01"}, Thresholds())) == [found]


def test_joins_turns_relations_either_way() -> None:
    """Raised, a weak relation is only related; lowered, a related item of that score is the same story."""
    assert judge(Kind.SAME_STORY, 0.4, 0, joins=0.5).kind is Kind.RELATED
    assert judge(Kind.RELATED, 0.2, 0, joins=0.2).kind is Kind.SAME_STORY
    assert judge(Kind.RELATED, 0.2, 0).kind is Kind.RELATED


def test_what_is_no_setting_is_refused_with_the_remedy() -> None:
    """A wrong name lists the right ones, a wrong value says its range."""
    with pytest.raises(InputError, match="there are link, joins"):
        parse_value("lnk", "0.5")
    for value in ("1.5", "-0.1", "nan", "much", ""):
        with pytest.raises(InputError, match="from 0 to 1"):
            parse_value("link", value)
    with pytest.raises(InputError, match="days, 0 or more"):
        parse_value("window-near", "inf")
    assert thresholds_of({"window-near": "3"}) == Thresholds(window_near=3.0)
    assert len(NAMES) == len(set(NAMES)) == 8
