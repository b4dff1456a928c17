"""A Unigram vocabulary balanced over the four languages (Kudo 2018, "Subword Regularization")."""

from __future__ import annotations

import json
import random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}ー々〆]"
UNKNOWN = "<unk>"
BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]


def blank_tokenizer() -> Tokenizer:
    """Normalisation and splitting, without pieces.

    NFKC and lower case, no accent stripping: that would turn が into か and ü into u. Runs of kana
    and kanji stand alone, as does each punctuation mark; only words of spaced scripts carry the
    word-start mark, so that 日本 is one piece wherever it stands.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CJK + "+"), "isolated"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(r"^▁(?=" + CJK + r"|\p{P}|$)"), "removed"),
        ]
    )
    return tokenizer


def train_vocabulary(
    texts_by_lang: dict[str, list[str]], size: int, characters_per_lang: dict[str, int], seed: int
) -> Tokenizer:
    """A tokenizer with `size` pieces from about `characters_per_lang` characters of each language.

    The trainer works in parallel and sums in whatever order threads finish, so two runs may differ in a
    few pieces near the cut. The 256 byte pieces are part of `size`: a character outside the vocabulary falls back to its
    bytes, so no text is without a vector.
    """
    drawn: list[str] = []
    chance = random.Random(seed)
    for lang, texts in sorted(texts_by_lang.items()):
        order = list(range(len(texts)))
        chance.shuffle(order)
        left = characters_per_lang[lang]
        for index in order:
            drawn.append(texts[index])
            left -= len(texts[index])
            if left <= 0:
                break
    tokenizer = blank_tokenizer()
    trainer = trainers.UnigramTrainer(
        vocab_size=size - len(BYTE_PIECES),
        unk_token=UNKNOWN,
        special_tokens=[UNKNOWN],
        max_piece_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(drawn, trainer)
    state = json.loads(tokenizer.to_str())
    pieces = state["model"]["vocab"]
    lowest = min(score for _, score in pieces)
    state["model"]["vocab"] = pieces + [[piece, lowest - 10.0] for piece in BYTE_PIECES]
    state["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
