"""A Unigram vocabulary balanced over the four languages (Kudo 2018, "Subword Regularization")."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}ー々〆]"
JAPANESE = r"[\u3041-\u309f\u30a0-\u30ff\u3400-\u9fff\uf900-\ufaff々〆]"
"""The same for Python's regular expressions."""
MARK = "▁"
UNKNOWN = "<unk>"
LEAST_WORD = 4
"""Times that a Japanese word is seen before it becomes a piece."""
BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]


def _marks() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=True)


def blank_tokenizer() -> Tokenizer:
    """Normalisation and splitting, without pieces.

    NFKC and lower case, no accent stripping: that would turn が into か and ü into u. A text is split where the
    script changes and at white space, by the library's own code, which is twice as fast as regular expressions.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace("\n", " "),
            normalizers.Replace("\t", " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), _marks()])
    return tokenizer


def learning_splits() -> pre_tokenizers.PreTokenizer:
    """The splits that pieces are learned from: what no piece crosses.

    Runs of kana and kanji stand alone, as does each punctuation mark, and do not carry the word-start mark, so that
    日本 is one piece wherever it stands. When read, a run begins with the bare mark, a piece of its own.
    """
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CJK + "+"), "isolated"),
            pre_tokenizers.Punctuation("isolated"),
            _marks(),
            pre_tokenizers.Split(Regex(r"^▁(?=" + CJK + r"|\p{P}|$)"), "removed"),
        ]
    )


def with_words(pieces: Sequence[tuple[str, float]], words: Counter[str]) -> list[tuple[str, float]]:
    """As many pieces (text, log probability), the rarest of which have given way to the most frequent Japanese words.

    The likelihood by which the trainer keeps a piece counts what the piece saves. A word of two kanji saves little, for its
    characters are frequent by themselves, however little its meaning has to do with theirs: 会見 is no meeting of eyes. So a
    fifth of the pieces are words of two to eight Japanese characters that were seen at least four times, by their frequency.
    """
    total = sum(words.values())
    known = {piece for piece, _ in pieces}
    share = sum(math.exp(score) for piece, score in pieces if re.match(JAPANESE, piece))  # of Japanese among all pieces
    found = [
        (word, math.log(share * count / total))
        for word, count in words.most_common()
        if count >= LEAST_WORD and word not in known and re.fullmatch(JAPANESE + "{2,8}", word)
    ][: len(pieces) // 5]
    # The unknown piece comes first; single characters stay, so that no text falls apart into bytes.
    removable = [number for number, (piece, _) in enumerate(pieces) if number and len(piece.lstrip(MARK)) > 1]
    removed = set(sorted(removable, key=lambda number: pieces[number][1])[: len(found)])
    kept = [(piece, score) for number, (piece, score) in enumerate(pieces) if number not in removed]
    return kept + found


def train_vocabulary(
    texts_by_lang: dict[str, list[str]], size: int, characters_per_lang: dict[str, int], seed: int
) -> Tokenizer:
    """A tokenizer with `size` pieces from about `characters_per_lang` characters of each language.

    A language with less text than asked for is gone through again. The trainer's hash tables have no fixed order, so
    two runs may differ in a few pieces near the cut; ``--tokenizer`` takes a vocabulary that is there. The 256 byte
    pieces are part of `size`: a character outside the vocabulary falls back to its bytes, so no text is without a vector.
    Japanese texts come with spaces between their words, the most frequent of which become pieces (`with_words`).
    """
    drawn: list[str] = []
    japanese: Counter[str] = Counter()
    chance = random.Random(seed)
    for lang, texts in sorted(texts_by_lang.items()):
        order = list(range(len(texts)))
        chance.shuffle(order)
        left = characters_per_lang[lang]
        first = len(drawn)
        for index in itertools.cycle(order):
            drawn.append(texts[index])
            left -= len(texts[index])
            if left <= 0:
                break
        if lang == "ja":
            japanese = Counter(word for text in drawn[first:] for word in text.split())
    tokenizer = blank_tokenizer()
    reading = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = learning_splits()
    trainer = trainers.UnigramTrainer(
        vocab_size=size - len(BYTE_PIECES),
        unk_token=UNKNOWN,
        special_tokens=[UNKNOWN],
        max_piece_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(drawn, trainer)
    tokenizer.pre_tokenizer = reading
    state = json.loads(tokenizer.to_str())
    pieces = with_words(state["model"]["vocab"], japanese)
    lowest = min(score for _, score in pieces)
    state["model"]["vocab"] = pieces + [(piece, lowest - 10.0) for piece in BYTE_PIECES]
    state["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
