"""``samestory align``: two items or two text files → their sentence alignment, in the format asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from align.errors import InputError
from align.terminal import model_option, open_index, options

if TYPE_CHECKING:
    from align.embedding import Encoder
    from align.exchange import AlignedPair

FORMATS = ("text", "json", "tmx", "xliff", "html")


@click.command()
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option(
    "--cluster", default=None, metavar="ID", help="Every pair of languages of this cluster, in place of A and B."
)
@click.option("--all", "everything", is_flag=True, help="Every pair of every cluster, in place of A and B.")
@click.option("--langs", default=None, metavar="EN-JA", help="With --cluster and --all: only this language pair.")
@click.option("--lines", is_flag=True, help="The files hold a sentence a line, already split.")
@click.option("--lang-a", default=None, help="Language of file A (BCP 47); found out if left out.")
@click.option("--lang-b", default=None, help="Language of file B.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default=None, help="text on a terminal, json elsewhere if left out."
)
@click.option(
    "--min-score", type=click.FloatRange(0.0, 1.0), default=0.0, help="Least score of a bead in TMX and XLIFF."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here, not to standard output."
)
@model_option
@options
def align(
    a: str | None, b: str | None, cluster: str | None, everything: bool, langs: str | None, lines: bool,
    lang_a: str | None, lang_b: str | None, form: str | None, min_score: float,
    output: Path | None, model: str | None, folder: Path, as_json: bool,
) -> None:  # fmt: skip
    """Sentence alignment of A and B: two items (ids or external ids), or two text files.

    With --cluster or --all: a translation memory or translators' file of a story, or of the whole index.
    """
    if form is None:
        form = "text" if output is None and sys.stdout.isatty() and not as_json else "json"
    if as_json and form != "json":
        raise InputError(f"--json and --format {form} ask for two formats; leave one out")
    if cluster is not None or everything:
        if a or lines or lang_a or lang_b or (cluster is not None and everything):
            raise InputError("--cluster, --all, and A and B say three ways what to align; choose one")
        if form not in ("json", "tmx", "xliff"):
            raise InputError(f"--cluster and --all write --format json, tmx or xliff, not {form}")
        with open_index(folder, model) as pipeline:
            pairs = pipeline.aligned_pairs(cluster, _lang_pair(langs))
            if form == "json":
                _write(b"".join(_json(pair, pipeline.encoder) for pair in pairs), output)
            else:
                _write(_memory(pairs, form, min_score), output)
        return
    if a is None or b is None or langs:
        raise InputError("name two items or two files, A and B; --langs goes with --cluster ID or --all")
    files = [Path(name) for name in (a, b) if _is_file(name)]
    if len(files) == 2:
        pair, encoder = _pair_of_files(files, lines, (lang_a, lang_b), model)
    elif lines or lang_a or lang_b:
        missing = b if _is_file(a) else a
        raise InputError(f"{missing}: no such file; --lines, --lang-a and --lang-b are for two files")
    else:
        pair, encoder = _pair_of_items(a, b, model, folder)
    _write(_formatted(pair, encoder, form, min_score), output)


def _lang_pair(langs: str | None) -> tuple[str, str] | None:
    if langs is None:
        return None
    first, _, second = langs.lower().partition("-")
    if not (first.isalpha() and second.isalpha()):
        raise InputError(f"{langs!r} is no language pair; write it like en-ja")
    return first, second


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # an id that no file system would take for a name
        return False


def _pair_of_files(
    files: list[Path], lines: bool, langs: tuple[str | None, str | None], model: str | None
) -> tuple[AlignedPair, Encoder]:
    from align.embedding import load_encoder
    from align.exchange import AlignedPair
    from align.versions import align_versions, version_of_file

    first, second = (version_of_file(path, lines, lang) for path, lang in zip(files, langs, strict=True))
    encoder = load_encoder(model)
    return AlignedPair(first, second, align_versions(first, second, encoder)), encoder


def _pair_of_items(a: str, b: str, model: str | None, folder: Path) -> tuple[AlignedPair, Encoder]:
    with open_index(folder, model) as pipeline:
        return pipeline.aligned_pair(a, b), pipeline.encoder


def _formatted(pair: AlignedPair, encoder: Encoder, form: str, min_score: float) -> bytes:
    from align.alignment_shapes import alignment_page, alignment_text

    if form in ("tmx", "xliff"):
        return _memory([pair], form, min_score)
    if form in ("text", "html"):
        write = alignment_text if form == "text" else alignment_page
        return write(pair.a, pair.b, pair.alignment, encoder).encode()
    return _json(pair, encoder)


def _json(pair: AlignedPair, encoder: Encoder) -> bytes:
    """One line; of several pairs the names tell them apart."""
    from align.alignment_shapes import alignment_shape

    shape = alignment_shape(pair.alignment, encoder)
    return (json.dumps({**shape, "versions": [pair.a.name, pair.b.name]}, ensure_ascii=False) + "\n").encode()


def _memory(pairs: Iterable[AlignedPair], form: str, min_score: float) -> bytes:
    from align.exchange import to_tmx, to_xliff

    return to_tmx(pairs, min_score) if form == "tmx" else to_xliff(pairs, min_score)


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror})") from error
