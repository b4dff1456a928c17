"""Arguments in, one pipeline call, printing out. The only file that turns errors into exit codes.

Imports are inside the commands, so that ``samestory variants`` starts without what it does not need.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from align.align_command import align
from align.cli_stories import COMMANDS
from align.errors import AlignError, InputError, ModelMismatchError
from align.terminal import as_of_option as _as_of
from align.terminal import model_option as _model
from align.terminal import open_index as _open
from align.terminal import options as _options
from align.terminal import print_json as _print_json
from align.terminal import print_table as _table
from align.terminal import show_progress as _progress
from service.keys_command import keys

if TYPE_CHECKING:
    from align.embedding import Encoder
    from align.figures import Figure
    from align.records import Variant

LANGUAGE_NAMES = {"en": "English", "ja": "Japanese", "de": "German", "it": "Italian"}


class _Failing(click.Group):
    """A group whose commands end with one clear line on standard error, whatever goes wrong on the user's side."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AlignError as error:
            click.echo(f"samestory: {' '.join(str(error).split())}", err=True)
            sys.exit(2 if isinstance(error, InputError | ModelMismatchError) else 1)
        except BrokenPipeError:
            # The reader of our output (head, less) has gone: nothing is wrong.
            sys.stderr.close()
            sys.exit(0)


@click.group(cls=_Failing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="samestory", prog_name="samestory")
def main() -> None:
    """Finds the English, Japanese, German and Italian versions of the same news story."""
    # Only what samestory itself has to say: libraries' loggers keep to themselves.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("samestory: %(message)s"))
    logger = logging.getLogger("samestory")
    logger.handlers, logger.propagate = [handler], False


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@_model
@_options
def ingest(paths: tuple[Path, ...], model: str | None, folder: Path, as_json: bool) -> None:
    """Read PATHS (files, folders, or - for JSONL on standard input) into the index."""
    from align.reading import passed_over
    from align.shapes import ingest_shape

    for path in paths:
        if path.is_dir() and (left := passed_over(path)):
            click.echo(
                f"samestory: {path}: passed over {len(left)} files of other kinds: {', '.join(str(file.relative_to(path)) for file in left[:5])}{' …' if len(left) > 5 else ''}",
                err=True,
            )
    with _open(folder, model, create=True) as pipeline:
        report = pipeline.ingest([str(path) for path in paths], sys.stdin.buffer, _progress)
    if sys.stderr.isatty():
        click.echo(err=True)
    for rejected in report.rejected:
        place = rejected.path if rejected.line is None else f"{rejected.path}:{rejected.line}"
        click.echo(f"samestory: rejected {place}: {rejected.reason}", err=True)
    if as_json:
        _print_json(ingest_shape(report))
    else:
        click.echo(
            f"{report.documents} documents, {report.items} items: {report.added} added, {report.updated} updated, {report.unchanged} unchanged; {len(report.rejected)} rejected"
        )
    if report.rejected and not report.documents:
        sys.exit(2)


@main.command()
@_options
def items(folder: Path, as_json: bool) -> None:
    """List the items in order of arrival."""
    from align.shapes import headline, item_shape

    with _open(folder) as pipeline:
        if as_json:
            for item in pipeline.items():
                _print_json(item_shape(item))
        else:
            _table(
                ("item", "lang", "document", "story"),
                ([item.id, item.lang, item.document, headline(item)] for item in pipeline.items()),
            )


@main.command()
@click.argument("item")
@click.option("--lang", "langs", multiple=True, help="Only variants in this language; may be repeated.")
@_as_of
@_options
def variants(item: str, langs: tuple[str, ...], as_of: str | None, folder: Path, as_json: bool) -> None:
    """The other versions of ITEM (an id or external id), best first, grouped by language."""
    from align.shapes import headline, variants_shape

    with _open(folder) as pipeline:
        asked, cluster, found = pipeline.variants(item, langs, as_of)
        if as_json:
            _print_json(variants_shape(asked, cluster, _grouped(found)))
            return
        click.echo(f"{headline(asked)}\n  {asked.id} · {asked.lang} · {asked.document} · story {cluster}")
        _print_variants(found)


def _grouped(found: Iterable[Variant]) -> list[Variant]:
    """Variants by language, the language of the best variant first, best first within it."""
    by_lang: dict[str, list[Variant]] = defaultdict(list)
    for variant in found:
        by_lang[variant.item.lang].append(variant)
    return [variant for group in by_lang.values() for variant in group]


def _print_variants(found: Iterable[Variant]) -> None:
    from align.shapes import headline

    lang = None
    for variant in _grouped(found):
        if variant.item.lang != lang:
            lang = variant.item.lang
            click.echo(f"\n{LANGUAGE_NAMES.get(lang, lang)}")
        click.echo(
            f"  {variant.score:.2f} {variant.kind.value:<11} {headline(variant.item)}\n       {variant.item.id} · {variant.item.document}{f' · {variant.item.source}' if variant.item.source else ''}"
        )
    if lang is None:
        click.echo("\nno other version is known")


@main.command()
@_as_of
@_options
def clusters(as_of: str | None, folder: Path, as_json: bool) -> None:
    """The stories: each cluster with its items and languages."""
    from align.shapes import LANGUAGES, cluster_shape, headline

    with _open(folder) as pipeline:
        found = pipeline.clusters(as_of)
        if as_json:
            for cluster in found:
                _print_json(cluster_shape(cluster, pipeline.members(cluster, as_of), pipeline.story(cluster)))
            return
        told = ((cluster, pipeline.members(cluster, as_of), pipeline.story(cluster).sources) for cluster in found)
        _table(
            ("story", "items", "sources", "languages", "first item"),
            ([cluster.id, str(len(cluster.item_ids)), str(len(sources.independent)), " ".join(lang if lang in {item.lang for item in members} else "·" * len(lang) for lang in LANGUAGES) + "".join(f" {lang}" for lang in sorted({item.lang for item in members} - set(LANGUAGES))), headline(members[0]) if members else "(deleted since)"] for cluster, members, sources in told),
        )  # fmt: skip


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--published", default=None, help="When the draft is to be published, ISO 8601.")
@_model
@_options
def check(file: Path, published: str | None, model: str | None, folder: Path, as_json: bool) -> None:
    """Is the story of a draft (FILE, or - for standard input) covered already? Nothing is stored."""
    from align.shapes import checked_shape, headline

    with _open(folder, model) as pipeline:
        checked = pipeline.check(_text_of(file), published=published)
    if as_json:
        _print_json(checked_shape(checked))
        return
    n_stories = len({match.cluster for match in checked.matches})
    click.echo(
        f"{headline(checked.item)}\n  {checked.item.lang} · {f'covered: {len(checked.matches)} items in {n_stories} story' if checked.matches else 'not covered'}"
    )
    if checked.matches:
        _print_variants(match.variant for match in checked.matches)


def _text_of(file: Path) -> str:
    raw = sys.stdin.buffer.read() if str(file) == "-" else None
    try:
        raw = file.read_bytes() if raw is None else raw
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: byte {error.start} is not UTF-8; convert the draft to UTF-8") from error


@main.command()
@click.option(
    "--input", "source", type=click.Path(path_type=Path, allow_dash=True), required=True, help="One text a line, UTF-8."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The .npy file to write: float32 (n_lines, dim), rows of unit length.",
)
@_model
@_options
def embed(source: Path, output: Path, model: str | None, folder: Path, as_json: bool) -> None:
    """Embed a file of texts, one a line."""
    import numpy as np

    from align.embedding import load_encoder

    lines = _text_of(source).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise InputError(f"{source}:{number}: a blank line has no vector; leave it out")
    encoder = load_encoder(model)
    vectors = encoder.encode(lines)
    if not output.parent.is_dir():
        raise InputError(f"{output.parent}: no such folder to write {output.name} into")
    with output.open("wb") as handle:
        np.save(handle, vectors)
    shape = {"model": encoder.name, "texts": len(lines), "dimension": encoder.dimension, "output": str(output)}
    _print_json(shape) if as_json else click.echo(
        f"{len(lines)} texts, {encoder.dimension} dimensions, by {encoder.name}: {output}"
    )


@main.command()
@click.option(
    "--format", "form", type=click.Choice(["html", "md", "json", "csv", "parquet"]), default="html", show_default=True
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The file to write; standard output if left out (not for parquet).",
)
@_as_of
@_options
def report(form: str, output: Path | None, as_of: str | None, folder: Path, as_json: bool) -> None:
    """The batch cluster report over the whole index."""
    from align.reports import write_report

    with _open(folder) as pipeline:
        content = write_report(pipeline, "json" if as_json and form == "html" and output is None else form, as_of)
    if output is None:
        if form == "parquet":
            raise InputError("a parquet report is binary; name its file with -o")
        click.echo(content, nl=False)
        return
    if not output.parent.is_dir():
        raise InputError(f"{output.parent}: no such folder to write {output.name} into")
    output.write_bytes(content if isinstance(content, bytes) else content.encode())
    _print_json({"output": str(output), "format": form}) if as_json else click.echo(f"report: {output}")


@main.command("eval")
@_model
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    envvar="SAMESTORY_EVAL_DATA",
    help="Folder of the public evaluation sets (or SAMESTORY_EVAL_DATA); ../shared/data/eval where that is there.",
)
@click.option(
    "--stories",
    type=click.Path(path_type=Path, file_okay=False),
    default="seeds",
    show_default=True,
    help="Folder of stories with an expected.toml.",
)
@click.option(
    "--pairs",
    "memories",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="A TMX file whose pairs are an evaluation set too; may be repeated.",
)
@click.option("--only-pairs", is_flag=True, help="Measure nothing but the --pairs.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Write the figures as JSON."
)
@_options
def evaluate(
    model: str | None, data: Path | None, stories: Path, memories: tuple[Path, ...], only_pairs: bool,
    output: Path | None, folder: Path, as_json: bool,
) -> None:  # fmt: skip
    """Measure the model and the clusters: the project's quality benchmark."""
    from align.embedding import load_encoder
    from align.evaluation import evaluate_memory
    from align.published import PUBLISHED

    if only_pairs and not memories:
        raise InputError("--only-pairs without --pairs leaves nothing to measure; name a TMX file with --pairs")
    encoder = load_encoder(model)
    figures = [] if only_pairs else _measured(encoder, data, stories)
    for path in memories:
        figures += evaluate_memory(encoder, path)
    shape = {
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "figures": [
            {
                "group": f.group,
                "name": f.name,
                "value": round(f.value, 2),
                "unit": f.unit,
                "goal": f.goal,
                "reached": f.reached,
                "published": PUBLISHED.get((f.group, f.name), {}),
            }
            for f in figures
        ],
    }
    if output is not None:
        output.write_text(json.dumps(shape, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _print_json(shape) if as_json else _print_figures(encoder.name, figures)


def _measured(encoder: Encoder, data: Path | None, stories: Path) -> list[Figure]:
    """The figures of the public sets and the stories at hand."""
    from align.evaluation import evaluate as measure

    beside = Path("../shared/data/eval")
    data = data or (beside if beside.is_dir() else None)
    if data is not None and not data.is_dir():
        raise InputError(f"{data}: no such folder of evaluation sets; name it with --data")
    if data is None:
        click.echo(
            "samestory: no public evaluation sets at hand (--data DIR): only the bundled stories are measured", err=True
        )
    if not (stories / "expected.toml").is_file():
        raise InputError(f"{stories / 'expected.toml'}: no such file; name a folder of stories with --stories")
    return measure(encoder, data, stories)


def _print_figures(name: str, figures: Sequence[Figure]) -> None:
    """One table: our figure, its goal, and the published figures of other models beside it."""
    from align.published import MODELS, NEWS, PUBLISHED

    def row(group: str, what: str, ours: str, goal: str, reached: str) -> list[str]:
        others = PUBLISHED.get((group, what), {})
        return [
            group,
            what,
            ours,
            goal,
            reached,
            *(f"{others[model]:.1f}" if model in others else "" for model in MODELS),
        ]

    rows = []
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≤' if figure.at_most else '≥'} {figure.goal:.1f}"
        reached = {None: "", True: "yes", False: "NO"}[figure.reached]
        rows.append(row(figure.group, figure.name, f"{figure.value:.1f} {figure.unit}", goal, reached))
    rows += [row(group, what, "not at hand", "", "") for group, what in PUBLISHED if group == NEWS]
    group = None
    for cells in rows:
        cells[0], group = ("" if cells[0] == group else cells[0]), cells[0]
    _table(("set", "what", name, "goal", "reached", *MODELS), rows)
    click.echo(
        "Published by MTEB, not measured here: " + "; ".join(f"{short}: {long}" for short, long in MODELS.items())
    )


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address than loopback needs an API key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--rate", default="", help="Rate limit of a key without its own, such as 100/second; none if left out.")
@click.option(
    "--timeout", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="Seconds for an answer."
)
@click.option("--max-body", type=click.IntRange(1), default=32, show_default=True, help="MiB in one request's body.")
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Requests answered at once by a process; above, 503.",
)
@_model
@_options
def serve(
    host: str, port: int, workers: int, rate: str, timeout: float, max_body: int, max_requests: int, model: str | None, folder: Path, as_json: bool
) -> None:  # fmt: skip
    """Serve the index over HTTP, with the editors' desk at /."""
    from service.serving import run
    from service.settings import MIB, Settings

    settings = Settings(
        str(folder),
        model,
        host,
        workers,
        rate,
        max_body_bytes=max_body * MIB,
        max_requests=max_requests,
        timeout=timeout,
    )
    run(settings, port)


main.add_command(keys)


for command in (align, *COMMANDS):
    main.add_command(command)


if __name__ == "__main__":
    main()
