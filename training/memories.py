"""``python -m training.memories FILE.tmx... --out DIR``: translation memories → pair files that training reads."""

from __future__ import annotations

import argparse
import lzma
import re
from pathlib import Path

from align.memories import read_tmx
from training.pairs import LANGUAGES, log

ORDER = ("en", "de", "it", "ja")
"""The order of languages in the names of pair files."""


def write_pairs(path: Path, out: Path) -> dict[str, int]:
    """Write a TMX file's pairs as ``<name>.<src>-<tgt>.tsv.xz``; returns how many pairs each file got.

    The languages are in one order, whichever comes first in the memory. Pairs in other languages than the
    model's are left out and named on standard error. Written anew each time, so that importing twice does
    not double; the same memory under another name holds what training has seen already and passes over.
    """
    name = re.sub(r"[^\w]+", "_", path.stem)
    written = {}
    for (lang_a, lang_b), pairs in read_tmx(path).items():
        if lang_a not in LANGUAGES or lang_b not in LANGUAGES:
            log(
                f"{path}: {len(pairs)} pairs {lang_a}-{lang_b} left out: the model's languages are {', '.join(LANGUAGES)}"
            )
            continue
        if ORDER.index(lang_a) > ORDER.index(lang_b):
            lang_a, lang_b, pairs = lang_b, lang_a, [(second, first) for first, second in pairs]
        target = out / f"{name}.{lang_a}-{lang_b}.tsv.xz"
        with lzma.open(target, "wt", encoding="utf-8", newline="\n") as handle:
            handle.writelines(f"{first}\t{second}\n" for first, second in pairs)
        written[target.name] = len(pairs)
    return written


def main() -> None:
    """Convert every file named."""
    parser = argparse.ArgumentParser(prog="python -m training.memories", description="TMX files as training pairs.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of pair files, for python -m training --data")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in options.files:
        for name, count in write_pairs(path, options.out).items():
            log(f"{options.out / name}: {count} pairs")


if __name__ == "__main__":
    main()
