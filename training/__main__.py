"""``python -m training --data DIR --out FOLDER``: the whole way from pairs to a model folder."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch

from training.card import RECORD, corpora_summary, model_card
from training.model_folder import write_model
from training.pairs import corpora, log
from training.prepare import ARRAYS, DEVELOPMENT, READ, prepare, save_pairs
from training.reduction import most_used, principal, respelt, turned
from training.train import MeanOfTokens, Schedule, train

KEPT_DIMENSIONS = 256
KEPT_PIECES = 104_000
EVENNESS = 0.2
REDUCED = "reduced"
"""The folder in the work folder with the pairs as the model written reads them, for what is trained over it."""


def main() -> None:
    """Prepare, train, write the model folder."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train the cross-lingual model from sentence pairs."
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[Path("../shared/data/parallel")],
        help="folders of <corpus>.<src>-<tgt>.tsv.xz; a pair that an earlier one holds is passed over",
    )
    parser.add_argument(
        "--evaluation", type=Path, default=Path("../shared/data/eval"), help="texts that must not be trained on"
    )
    parser.add_argument(
        "--settings", type=Path, default=Path(__file__).with_name("corpora.toml"), help="corpus weights"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("training/work"), help="for prepared arrays and the checkpoint"
    )
    parser.add_argument("--out", type=Path, default=Path("training/work/model"), help="the model folder to write")
    parser.add_argument("--vocabulary", type=int, default=128_000, help="pieces")
    parser.add_argument("--tokenizer", type=Path, default=None, help="tokenizer.json to take instead of learning one")
    parser.add_argument(
        "--characters",
        type=int,
        default=24_000_000,
        help="of each spaced language for the vocabulary; half as many for Japanese",
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=KEPT_DIMENSIONS,
        help="dimensions of the model written: the principal ones of those trained",
    )
    parser.add_argument(
        "--pieces",
        type=int,
        default=KEPT_PIECES,
        help="pieces of the model written: the most used ones of --vocabulary",
    )
    parser.add_argument(
        "--evenness",
        type=float,
        default=EVENNESS,
        help="how far the dimensions written are brought to one spread: 0 not at all, 1 wholly",
    )
    for field in fields(Schedule):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    parsed = vars(parser.parse_args())
    schedule = Schedule(**{field.name: parsed[field.name] for field in fields(Schedule)})
    options = {
        "vocabulary": parsed["vocabulary"],
        "characters": parsed["characters"],
        "teaching": int(schedule.teaching > 0),
        "seed": schedule.seed,
    }
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Text hashes mark repeated texts; with a random hash seed two runs would differ.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "training", *sys.argv[1:]])
    tokenizer, pairs, summary = prepare(
        parsed["data"], parsed["evaluation"], parsed["settings"], parsed["work"], options, parsed["tokenizer"]
    )
    torch.manual_seed(schedule.seed)
    model = MeanOfTokens(tokenizer.get_vocab_size(), schedule.dimensions)
    train(model, pairs, schedule, parsed["work"] / "checkpoint.pt")
    weights = {corpus.name: corpus.weight for corpus in corpora(parsed["data"], parsed["settings"])}
    kept = {name: summary[name] for name in ("decontamination", "development", "bridged", "taught", "pairs_used")}
    record = {
        "options": {
            **options,
            **asdict(schedule),
            "kept_dimensions": parsed["keep"],
            "evenness": parsed["evenness"],
            "kept_pieces": parsed["pieces"],
        },
        "summary": {**kept, "corpora": corpora_summary(summary["pairs_by_file"], weights, parsed["data"])},
    }
    written, numbers = most_used(tokenizer, pairs, parsed["pieces"])
    directions = principal(model.token_vectors(), pairs, parsed["keep"], parsed["evenness"], schedule.seed)
    write_model(parsed["out"], written, (model.token_vectors() @ directions)[numbers], model_card(record, None))
    reduced = parsed["work"] / REDUCED
    reduced.mkdir(exist_ok=True)
    pairs = respelt(pairs, tokenizer, written, numbers)
    save_pairs(reduced / ARRAYS, replace(pairs, teacher=turned(pairs.teacher, directions)))
    shutil.copy(parsed["out"] / "tokenizer.json", reduced)
    for name in (DEVELOPMENT, READ):
        shutil.copy(parsed["work"] / name, reduced)
    (parsed["out"] / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    log(f"wrote {parsed['out']}; measure it with: samestory eval --model {parsed['out']}")


if __name__ == "__main__":
    main()
