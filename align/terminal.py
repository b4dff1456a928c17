"""What every command shares: its options, opening the index, printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from align.errors import InputError

if TYPE_CHECKING:
    from align.pipeline import Pipeline

DEFAULT_INDEX = "indexes/default"


def options(function: Any) -> Any:
    """The options that every command takes."""
    function = click.option("--json", "as_json", is_flag=True, help="Machine-readable standard output.")(function)
    return click.option(
        "--index",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_INDEX,
        envvar="SAMESTORY_INDEX",
        show_default=True,
        help="The index folder (or SAMESTORY_INDEX).",
    )(function)


model_option = click.option(
    "--model",
    default=None,
    envvar="SAMESTORY_MODEL",
    help="Model folder or sentence-transformers name (or SAMESTORY_MODEL); the shipped one if left out.",
)
as_of_option = click.option(
    "--as-of",
    default=None,
    metavar="TIME",
    help="As it was at a time (ISO 8601; a date means its end), or after the change of that number.",
)


def open_index(folder: Path, model: str | None = None, create: bool = False) -> Pipeline:
    """The index in `folder`. Raises InputError where there is none, unless `create`."""
    from align.pipeline import Pipeline
    from align.store import DATABASE

    if not create and not (folder / DATABASE).exists():
        raise InputError(f"{folder}: no index there; make one with `samestory ingest PATH --index {folder}`")
    return Pipeline(folder, model)


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False))


def show_progress(message: str) -> None:
    """Overwrite the line on standard error, where somebody is looking."""
    if sys.stderr.isatty():
        click.echo(f"\r{message}\033[K", err=True, nl=False)


def print_table(heads: tuple[str, ...], rows: Iterable[list[str]]) -> None:
    """A table on standard output, as wide as the terminal, or 200 columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
