"""Numbers are compared by value across the four languages."""

from __future__ import annotations

import pytest

from align.values import numbers


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (12_000, {"en": "12,000 people", "de": "12.000 Menschen", "it": "12mila persone", "ja": "1万2000人"}),
        (12_000, {"en": "12 thousand", "de": "12 Tsd.", "it": "12.000", "ja": "1.2万人"}),
        (3_400_000_000, {"en": "$3.4 billion", "de": "3,4 Mrd. Dollar", "it": "3,4 miliardi", "ja": "34億ドル"}),
        (1.5, {"en": "1.5 percent", "de": "1,5 Prozent", "it": "1,5 per cento", "ja": "1.5％"}),
        (2025, {"en": "in 2025", "de": "im Jahr 2025", "it": "nel 2025", "ja": "2025年"}),
        (6, {"en": "six hospitals", "de": "sechs Kliniken", "it": "sei ospedali", "ja": "６病院"}),
    ],
)
def test_one_value_in_four_ways_of_writing(value: float, written: dict[str, str]) -> None:
    """The same amount is the same number in every language's own notation."""
    for lang, text in written.items():
        assert value in numbers(text, lang), (lang, text)


def test_a_german_billion_is_a_thousand_times_an_english_one() -> None:
    """Billion is read by language."""
    assert numbers("2 Billionen Euro", "de") == numbers("2 trillion euros", "en") == {2e12}
