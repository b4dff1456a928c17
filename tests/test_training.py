"""The way from pairs to a model folder, on a handful of pairs made here."""

from __future__ import annotations

import hashlib
import lzma
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from untaught import untaught_pairs, untaught_side

from align.contextual import ContextualEncoder
from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.errors import InputError
from align.token_table import packed, unpacked
from training.bigrams import TokensAndBigrams, frequent_bigrams, rounded
from training.bridging import bridge
from training.contextual import Convolutions
from training.development import (
    DevelopmentPair,
    cut_development,
    development_accuracy,
    is_development,
    read_development,
    write_development,
)
from training.ensemble import DIMENSION, all_other_vectors, chosen, targets
from training.loss import ranking_loss, repeated
from training.pairs import Corpus, Decontamination, comparable, corpora, evaluation_sides, read_pairs
from training.reduction import principal
from training.train import Schedule, epoch_batches, kindred, thinned

NOUNS = [("house", "Haus"), ("river", "Fluss"), ("bridge", "Brücke"), ("mountain", "Berg"), ("garden", "Garten"), ("letter", "Brief"), ("window", "Fenster"), ("winter", "Winter"), ("summer", "Sommer"), ("street", "Straße")]  # fmt: skip
VERBS = [("is old", "ist alt"), ("is new", "ist neu"), ("is small", "ist klein"), ("is far away", "ist weit weg"), ("was closed", "wurde geschlossen"), ("was found", "wurde gefunden"), ("is expensive", "ist teuer"), ("has changed", "hat sich verändert")]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eighty pairs of two languages, one of them contaminated, and an evaluation set that holds it."""
    pairs = [f"The {noun} {verb}.\tDer {nomen} {verbum}.\n" for noun, nomen in NOUNS for verb, verbum in VERBS]
    with lzma.open(tmp_path / "toy.en-de.tsv.xz", "wt", encoding="utf-8") as handle:
        handle.writelines([*pairs, pairs[0], "one column only\n"])
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "set.tsv").write_text("en\tde\nTHE HOUSE, is old!\tetwas anderes\n", encoding="utf-8")
    (tmp_path / "settings.toml").write_text("default = 3.0\n[weight]\n", encoding="utf-8")
    return tmp_path


def test_pairs_that_share_a_side_with_an_evaluation_set_are_dropped(data: Path) -> None:
    """Case and punctuation do not hide a contaminated pair; repeated and malformed ones go too, and all are counted."""
    count = Decontamination()
    (corpus,) = corpora([data], data / "settings.toml")
    kept = list(read_pairs(corpus, evaluation_sides(data / "eval"), set(), count))
    assert len(kept) == 79
    assert not any(source == "The house is old." for source, _ in kept)
    assert (count.read, count.contaminated, count.malformed, count.repeated) == (82, 2, 1, 0)


def test_training_gives_a_model_folder_and_gives_it_again(data: Path) -> None:
    """One command makes a folder that both readers load alike; the same pieces and seed make the same vectors."""
    vectors = []
    for run in ("first", "second"):
        arguments = ["--data", data, "--evaluation", data / "eval", "--settings", data / "settings.toml", "--work", data / "work", "--out", data / run, "--vocabulary", "700", "--characters", "100000", "--dimensions", "16", "--epochs", "3", "--batch", "64", "--teaching", "0", "--kin-from", "1"]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "training", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        vectors.append(StaticEncoder(data / run).encode(["The bridge was closed.", "Die Brücke wurde geschlossen."]))
    np.testing.assert_array_equal(vectors[0], vectors[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(data / "first"), device="cpu").encode(
            ["The bridge was closed.", "Die Brücke wurde geschlossen."]
        )
    np.testing.assert_allclose(vectors[0], theirs, atol=1e-5)
    assert "Decontamination" in (data / "first" / "README.md").read_text(encoding="utf-8")


def test_convolutions_are_trained_over_a_model_and_read_without_torch(data: Path) -> None:
    """The second tier starts as its base and learns, and its reader gives the vectors that torch gives."""
    shared = ["--data", data, "--evaluation", data / "eval", "--settings", data / "settings.toml", "--work", data / "work", "--out", data / "base", "--vocabulary", "700", "--characters", "100000", "--dimensions", "16", "--epochs", "1", "--batch", "64", "--teaching", "0"]  # fmt: skip
    tier = ["--work", data / "work" / "reduced", "--base", data / "base", "--out", data / "tier", "--near", "8", "--far", "6", "--hidden", "10", "--steps", "8", "--batch", "64", "--teaching", "0"]  # fmt: skip
    again = [*tier, "--start", data / "tier", "--hidden", "12", "--out", data / "again", "--steps", "2"]
    for module, arguments in (("training", shared), ("training.contextual", tier), ("training.contextual", again)):
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    base, encoder = StaticEncoder(data / "base"), ContextualEncoder(data / "tier", data / "base")
    texts = ["The bridge was closed.", "Was the bridge closed.", "Die Brücke wurde geschlossen.", "x"]
    model = Convolutions(base, near=8, far=6, hidden=10)
    model.save(data / "untrained", base.fingerprint)
    np.testing.assert_allclose(
        ContextualEncoder(data / "untrained", data / "base").encode(texts), base.encode(texts), atol=5e-3
    )  # the turn by nothing, in int8
    model.load(data / "tier")
    ids = [torch.tensor(found) for found in base.token_ids(texts)]
    offsets = torch.tensor(np.cumsum([0, *map(len, ids)])[:-1])
    with torch.no_grad():
        theirs = torch.nn.functional.normalize(model(torch.cat(ids), offsets)).numpy()
    ours = encoder.encode(texts)
    np.testing.assert_allclose(ours, theirs, atol=5e-4)  # bfloat16 there
    np.testing.assert_allclose(ours[:1], encoder.encode(texts[:1]), atol=1e-6)
    assert np.abs(ours - base.encode(texts)).max() > 5e-3
    wider = Convolutions(base, near=9, far=8, hidden=12)
    wider.load(data / "tier")
    wider.save(data / "wider", base.fingerprint)
    np.testing.assert_allclose(ContextualEncoder(data / "wider", data / "base").encode(texts), ours, atol=1e-5)
    wider.turn_by(np.linalg.qr(np.random.default_rng(3).normal(size=(16, 16)))[0].astype(np.float32))
    wider.save(data / "turned", base.fingerprint)
    turned = ContextualEncoder(data / "turned", data / "base").encode(texts)
    np.testing.assert_allclose(turned @ turned.T, ours @ ours.T, atol=2e-2)  # int8
    assert np.abs(turned - ours).max() > 0.1
    with pytest.raises(SystemExit, match="larger than the 16 x 7 asked for; give --near"):
        Convolutions(base, near=8, far=6, hidden=7).load(data / "tier")
    with pytest.raises(InputError, match="made for the static model"):
        ContextualEncoder(data / "tier", SHIPPED_MODEL)


def test_bigrams_are_trained_beside_tokens_and_read_without_torch(data: Path) -> None:
    """Training on gives the folder rows for its frequent bigrams; the reader gives the vectors that torch gives, and the second tier over it starts as its base."""
    shared = ["--data", data, "--evaluation", data / "eval", "--settings", data / "settings.toml", "--work", data / "work", "--out", data / "base", "--vocabulary", "700", "--characters", "100000", "--dimensions", "16", "--epochs", "1", "--batch", "64", "--teaching", "0"]  # fmt: skip
    more = ["--work", data / "work" / "reduced", "--base", data / "base", "--out", data / "more", "--each", "40", "--hidden", "8", "--steps", "8", "--batch", "64", "--teaching", "0"]  # fmt: skip
    for module, arguments in (("training", shared), ("training.bigrams", more)):
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    base, encoder = StaticEncoder(data / "base"), StaticEncoder(data / "more")
    texts = ["The bridge was closed.", "Was the bridge closed.", "Die Brücke wurde geschlossen.", "x"]
    assert encoder.bigrams is not None
    assert 40 < len(encoder.bigrams) <= 80
    assert np.abs(encoder.encode(texts) - base.encode(texts)).max() > 5e-3
    assert "bigrams" in (data / "more" / "README.md").read_text(encoding="utf-8")
    names = np.array([[1, 2, 1], [5, 5, 1], [2, 1, 2]])
    ids = [torch.tensor([1, 2, 1, 2]), torch.tensor([5, 5]), torch.tensor([9])]
    model = TokensAndBigrams(base.rows(np.arange(base.tokenizer.get_vocab_size())), names, hidden=8)
    for found in model.parameters():
        found.data += torch.randn_like(found) * 0.1
    model.save(data / "drawn", base, "")
    drawn = StaticEncoder(data / "drawn")
    with torch.no_grad():
        theirs = torch.nn.functional.normalize(model(torch.cat(ids), torch.tensor([0, 4, 6]))).numpy()
    ours = drawn.finished(drawn.sums([own.tolist() for own in ids]))
    np.testing.assert_allclose(ours, theirs, atol=2e-2)  # the layer in int8, the scales in float16
    assert (
        np.abs(drawn.finished(drawn.sums([[1, 2], [2, 1]]))[0] - drawn.finished(drawn.sums([[2, 1]]))[0]).max() > 1e-2
    )
    Convolutions(drawn, near=8, far=6, hidden=10).save(data / "over", drawn.fingerprint)
    np.testing.assert_allclose(
        ContextualEncoder(data / "over", data / "drawn").encode(texts), drawn.encode(texts), atol=1e-2
    )
    with pytest.raises(SystemExit, match="give --hidden at least 8"):
        Convolutions(drawn, hidden=7)
    words = [f"{first}{second}" for first in ("Ka", "Mo", "Ri", "Ta", "Shi") for second in ("na", "ko", "su", "bo")]
    names = [f"{given} {family}\t{family.upper()}, {given}" for given in words for family in words]
    (data / "names.tsv.xz").write_bytes(lzma.compress("\n".join(names).encode()))
    more = ["--base", data / "more", "--lists", data / "names.tsv.xz", "--out", data / "named", "--most", "30", "--steps", "5", "--batch", "100", "--held-out", "50"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "training.name_bigrams", *map(str, more)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    named = StaticEncoder(data / "named")
    assert named.bigrams is not None
    assert len(named.bigrams) == len(encoder.bigrams) + 30
    assert set(encoder.bigrams.keys.tolist()) <= set(named.bigrams.keys.tolist())
    np.testing.assert_array_equal(named.encode(["The bridge."]), encoder.encode(["The bridge."]))  # no name in it
    assert np.abs(named.encode(["Kana Moko"]) - encoder.encode(["Kana Moko"])).max() > 1e-3


def test_bigrams_are_the_most_frequent_ones() -> None:
    """The bigrams that get rows are those that training sees most often, a pair's weight included, within a text and of each distance."""
    pairs = replace(
        untaught_pairs(
            untaught_side(np.array([1, 2, 3, 1, 2, 4, 5]), np.array([0, 3, 5, 7])),
            untaught_side(np.array([6, 7, 8, 6, 8]), np.array([0, 3, 4, 5])),
        ),
        weight=np.array([1.0, 1.0, 5.0], dtype=np.float32),
    )
    assert frequent_bigrams(pairs, 2, 10).tolist() == [[1, 2, 1], [4, 5, 1], [1, 3, 2], [6, 8, 2]]


def test_four_bits_keep_a_normal_row() -> None:
    """A row of normal values loses what Max's table says of sixteen levels, a hundredth of its power, and one of zeros stays one."""
    torch.manual_seed(3)
    rows = torch.randn(400, 256) * torch.logspace(-3, 1, 400)[:, None]
    rows[7] = 0.0
    numbers, scales = rounded(rows)
    kept = unpacked(packed(numbers.numpy().astype(np.uint8))) * scales.numpy()[:, None]
    lost = ((kept - rows.numpy()) ** 2).sum(1) / np.maximum((rows.numpy() ** 2).sum(1), 1e-9)
    assert not kept[7].any()
    assert 0.0085 < lost.mean() < 0.0105


def corpus(name: str, source_lang: str, target_lang: str) -> Corpus:
    """A corpus that stands for a file."""
    return Corpus(name, source_lang, target_lang, Path(f"{name}.{source_lang}-{target_lang}"), 1.0)


def test_the_loss_and_its_gradients_are_those_of_autograd() -> None:
    """The gradients worked out by hand are the ones that torch finds, repeated texts left out of the negatives."""
    torch.manual_seed(3)
    a, b = (torch.nn.functional.normalize(torch.randn(40, 16), dim=1).requires_grad_() for _ in range(2))
    keys = np.arange(40)
    keys[[3, 7, 9]] = 3
    places = repeated(keys)
    same = torch.zeros(40, 40, dtype=torch.bool)
    same[places] = True
    assert int(same.sum()) == 6
    itself = torch.eye(40, dtype=torch.bool)
    across = (20 * a @ b.T).masked_fill(same, -1e9)
    within = [(20 * side @ side.T).masked_fill(same | itself, -1e9) for side in (a, b)]
    hit = across.diagonal() - 20 * 0.1
    across = across.where(~itself, across - 20 * 0.1)
    forward = torch.logsumexp(torch.cat([across, within[0]], 1), 1) - hit
    backward = torch.logsumexp(torch.cat([across.T, within[1]], 1), 1) - hit
    expected = 0.5 * (forward.mean() + backward.mean())
    expected.backward()
    loss, grad_a, grad_b = ranking_loss(a.detach(), b.detach(), 20.0, 0.1, [places], torch.float32)
    assert loss == pytest.approx(expected.item(), abs=1e-4)
    torch.testing.assert_close(grad_a, a.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(grad_b, b.grad, atol=1e-5, rtol=1e-4)


def test_a_text_loses_tokens_by_chance_but_never_all() -> None:
    """Of four texts end to end about the share asked for goes; each begins where its offset says, with its first token."""
    torch.manual_seed(5)
    ids, offsets = torch.arange(4000), torch.tensor([0, 1, 1000, 3999])
    kept, starts = thinned(ids, offsets, 0.25)
    assert kept[starts].tolist() == offsets.tolist()
    assert 2800 < len(kept) < 3200
    assert kept.tolist() == sorted(kept.tolist())
    assert all(same is given for same, given in zip(thinned(ids, offsets, 0.0), (ids, offsets), strict=True))


def test_pairs_alike_come_into_one_batch() -> None:
    """Texts of the same tokens make a group; a batch is filled group by group, and every pair is still drawn once."""
    tokens = np.repeat(np.arange(16, dtype=np.int32), 8)
    starts = np.arange(129, dtype=np.int64)
    side = untaught_side(tokens, starts)
    pairs = untaught_pairs(side, side)
    kin = kindred(np.eye(16, dtype=np.float32), pairs, 16, seed=1)
    assert all(len(set(kin[tokens == token])) == 1 for token in range(16))
    batches = epoch_batches(pairs, Schedule(batch=64), 0, kin)
    assert sorted(np.concatenate(batches).tolist()) == list(range(128))
    assert set(kin[batches[0]]).isdisjoint(kin[batches[1]])


def test_bridged_pairs_share_a_sentence_in_a_third_language() -> None:
    """Two versions of one sentence become a pair, drawn as rarely as the rarer; held pairs and repeated ones do not."""
    rare = Corpus("b", "en", "it", Path("b"), 0.25)
    texts = [
        (corpus("a", "en", "de"), "It rains.", "Es regnet."),
        (corpus("a", "en", "de"), "It snows.", "Es schneit."),
        (rare, "it rains", "Piove."),
        (rare, "It snows!", "Nevica."),
        (corpus("c", "de", "it"), "Es schneit.", "Nevica."),
    ]
    ((found, source, target),) = bridge(texts)
    assert (source, target) == ("Es regnet.", "Piove.")
    assert (found.source_lang, found.target_lang, found.weight) == ("de", "it", 0.25)
    through_german = [
        (corpus("a", "en", "de"), "It rains.", "Es regnet."),
        (corpus("c", "de", "it"), "Es regnet!", "Piove."),
    ]
    ((found, source, target),) = bridge(through_german)
    assert (found.source_lang, source, found.target_lang, target) == ("en", "It rains.", "it", "Piove.")


def test_nothing_that_training_sees_shares_a_side_with_a_development_pair(tmp_path: Path) -> None:
    """Development pairs are cut with every pair that repeats a side of them, and come back from their file as they were."""
    news = corpus("wmt_newstest", "en", "de")
    texts = [(news, f"Sentence number {number}.", f"Satz Nummer {number}.") for number in range(2000)]
    number = next(number for number in range(2000) if is_development(news, number))
    texts.append((corpus("other", "en", "de"), f"SENTENCE number {number}", "Etwas anderes."))
    rest, cut = cut_development(texts)
    assert cut
    assert len(rest) == 2000 - len(cut)
    assert {comparable(source) for _, source, _ in rest}.isdisjoint(comparable(pair.source) for pair in cut)
    write_development(tmp_path / "development.tsv", cut)
    assert read_development(tmp_path / "development.tsv") == cut


def test_principal_directions_keep_cosines_and_even_spreads_out() -> None:
    """All principal directions of a table are the table, turned; made wholly even, sentences spread alike along each."""
    chance = np.random.default_rng(3)
    n, pieces, d = 4000, 50, 8
    tokens = chance.integers(0, pieces, 5 * n).astype(np.int32)
    side = untaught_side(tokens, np.arange(0, 5 * n + 1, 5))
    pairs = untaught_pairs(side, side)
    table = (chance.normal(size=(pieces, d)) * np.arange(1, d + 1)).astype(np.float32)

    def sentences(own: np.ndarray) -> np.ndarray:
        means = own[tokens].reshape(n, 5, -1).mean(axis=1)
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))

    turned, even = (sentences(table @ principal(table, pairs, d, evenness, 17)) for evenness in (0.0, 1.0))
    np.testing.assert_allclose(turned[:50] @ turned.T, sentences(table)[:50] @ sentences(table).T, atol=1e-4)
    spread, evened = (np.sqrt((own**2).mean(axis=0)) for own in (turned, even))
    assert list(spread) == sorted(spread, reverse=True)
    assert spread.max() / spread.min() > 5 * evened.max() / evened.min()


def test_the_ensemble_reads_the_same_texts_whatever_their_order() -> None:
    """Of a corpus that has more than are asked for, the same ones are read, none of them a page and none of another corpus."""
    texts = [(corpus("news", "en", "de"), f"Sentence {number}.", f"Satz {number}.") for number in range(40)]
    others = [(corpus("manual", "en", "de"), "Press the key.", "Taste drücken."), (corpus("news", "en", "de"), "x" * 999, "y")]  # fmt: skip
    read = chosen(texts + others, {"news": 30})
    assert len(read) == len(set(read)) == 30
    assert read == chosen(others + texts[::-1], {"news": 30})
    assert set(read) < {side for _, *sides in texts for side in sides} | {"y"}


def test_the_ensemble_draws_texts_to_both_models_and_to_no_language(tmp_path: Path) -> None:
    """A target has what either model tells apart, and nothing of what the other model says of all texts of a language alike."""
    base = StaticEncoder(SHIPPED_MODEL)
    words = "bridge river storm minister school bank train forest doctor market harbour museum".split()
    texts = [f"The {a} is near the {b}, says the {c}." for a in words for b in words for c in words]
    texts += [f"{text} 橋" for text in texts[::4]]
    chance = np.random.default_rng(11)
    speaker = np.array([words.index(text.split("says the ")[1].split(".")[0]) for text in texts])
    other = chance.normal(size=(len(words), DIMENSION)).astype(np.float16)[speaker]
    found, turn = targets(base, 0.6, texts, other, 17)
    assert found.shape == (len(texts), base.dimension)
    assert turn.shape == (base.dimension, base.dimension)
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float32), axis=1), 1.0, atol=2e-3)
    spoken = other.astype(np.float32)
    spoken[len(words) ** 3 :] += chance.normal(size=DIMENSION)
    moved, _ = targets(base, 0.6, texts, spoken.astype(np.float16), 17)
    np.testing.assert_allclose(np.abs((found * moved).astype(np.float32).sum(axis=1)).min(), 1.0, atol=2e-2)
    silent, _ = targets(base, 0.6, texts, np.zeros_like(other), 17)
    with_other, alone = (own.astype(np.float32) @ own[0].astype(np.float32) for own in (found, silent))
    own = base.encode(texts)
    assert np.corrcoef(alone, own @ own[0])[0, 1] > 0.95
    gained = with_other - alone
    assert gained[speaker == speaker[0]].mean() > gained[speaker != speaker[0]].mean() + 0.1
    np.savez(tmp_path / "kept.npz", keys=np.array([hashlib.blake2b(t.encode(), digest_size=8).hexdigest() for t in texts]), vectors=other)  # fmt: skip
    np.testing.assert_array_equal(all_other_vectors(texts[:9], tmp_path / "kept.npz"), other[:9])


def test_of_two_translations_of_one_sentence_neither_is_wrong() -> None:
    """Where development pairs share a text, retrieval among them asks for the first alone."""
    sentences = [("The river is frozen.", "Der Fluss ist zugefroren."), ("The bridge is closed.", "Die Brücke ist gesperrt.")]  # fmt: skip
    again = [("The river is frozen!", "Zugefroren ist der Fluss."), ("They closed the bridge.", "Die Brücke ist gesperrt")]  # fmt: skip
    pairs = [DevelopmentPair("tatoeba_hels", "en", "de", 0, *texts) for texts in (*sentences, *again)]
    assert development_accuracy(StaticEncoder(SHIPPED_MODEL), pairs) == {"everyday en-de": 100.0, "mean": 100.0}
