"""Names are one across scripts, by their sound."""

from __future__ import annotations

import pytest

from align.sounds import names_in, sound_keys


@pytest.mark.parametrize(
    ("latin", "katakana"),
    [
        ("Ansaldi", "アンサルディ"), ("Meloni", "メローニ"), ("Schneider", "シュナイダー"), ("Zelensky", "ゼレンスキー"), ("Merz", "メルツ"),
        ("Giorgetti", "ジョルジェッティ"), ("Michelangelo", "ミケランジェロ"), ("California", "カリフォルニア"), ("Vittoria", "ヴィットリア"),
        ("Alexander", "アレクサンダー"), ("Smith", "スミス"), ("Müller-Rossini", "ロッシーニ"),
    ],
)  # fmt: skip
def test_a_name_has_a_key_in_common_with_its_katakana(latin: str, katakana: str) -> None:
    """The Latin and the Japanese spelling of a name meet."""
    assert names_in(f"the {latin}", "en").keys() & names_in(f"{katakana}氏", "ja").keys()


def test_other_names_have_other_keys() -> None:
    """Names that only begin alike stay apart, and one of too few consonants has no key."""
    assert not set(sound_keys("Ansaldi")) & set(sound_keys("アンセルミ"))
    assert not set(sound_keys("Schneider")) & set(sound_keys("シュルツ"))
    assert sound_keys("Ueno") == ()


def test_names_are_those_inside_sentences() -> None:
    """The first word of a sentence proves nothing; what follows keeps its spelling."""
    assert set(names_in("Yesterday Vittoria Ansaldi won. Nobody said more.", "en").values()) == {"Vittoria", "Ansaldi"}
