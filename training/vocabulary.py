"""A Unigram vocabulary balanced over the four languages (Kudo 2018, "Subword Regularization")."""

from __future__ import annotations

import itertools
import json
import random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

RUNS = r"[\p{Han}\p{Hiragana}\p{Katakana}ー々〆]+|[\p{L}\p{M}]+|\p{N}+|[^\s]"
"""What no piece crosses: runs of kana and kanji, of other letters, of digits; any other sign stands alone."""
UNKNOWN = "<unk>"
BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]


def blank_tokenizer() -> Tokenizer:
    """Normalisation and splitting, without pieces.

    NFKC and lower case, no accent stripping: that would turn が into か and ü into u. Texts are split at white
    space alone, by the library's own code, which is twice as fast as any regular expression. A piece does not say
    whether it begins a word: ``arbeiter`` is the same piece alone, in ``Hafenarbeiter`` and after an apostrophe.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def train_vocabulary(
    texts_by_lang: dict[str, list[str]], size: int, characters_per_lang: dict[str, int], seed: int
) -> Tokenizer:
    """A tokenizer with `size` pieces from about `characters_per_lang` characters of each language.

    Pieces are learned from the `RUNS` of the texts, so none crosses from one to the next, and reading need not split
    there: the best segmentation of a whole word is that of its runs. A language with less text than asked for is
    gone through again. The trainer's hash tables have no fixed order, so two runs may differ in a few pieces
    near the cut; ``--tokenizer`` takes a vocabulary that is there. The 256 byte pieces are part of `size`: a character outside the vocabulary falls back to its
    bytes, so no text is without a vector.
    """
    drawn: list[str] = []
    chance = random.Random(seed)
    for lang, texts in sorted(texts_by_lang.items()):
        order = list(range(len(texts)))
        chance.shuffle(order)
        left = characters_per_lang[lang]
        for index in itertools.cycle(order):
            drawn.append(texts[index])
            left -= len(texts[index])
            if left <= 0:
                break
    tokenizer = blank_tokenizer()
    whole = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([whole, pre_tokenizers.Split(Regex(RUNS), "isolated")])
    trainer = trainers.UnigramTrainer(
        vocab_size=size - len(BYTE_PIECES),
        unk_token=UNKNOWN,
        special_tokens=[UNKNOWN],
        max_piece_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(drawn, trainer)
    tokenizer.pre_tokenizer = whole
    state = json.loads(tokenizer.to_str())
    pieces = state["model"]["vocab"]
    lowest = min(score for _, score in pieces)
    state["model"]["vocab"] = pieces + [[piece, lowest - 10.0] for piece in BYTE_PIECES]
    state["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
