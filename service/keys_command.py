"""``samestory keys``: make, list and revoke the service's API keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.keys import SCOPES

if TYPE_CHECKING:
    from service.keys import Key, KeyRing


def _shape(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "rate": key.rate or None,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def _ring(folder: Path) -> KeyRing:
    from service.keys import KeyRing
    from service.ledger import Ledger

    return KeyRing(Ledger(folder))


@click.group()
def keys() -> None:
    """API keys of the service: kept hashed, each with scopes (read, write, decide)."""


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every command."""
    function = click.option("--json", "as_json", is_flag=True, help="Machine-readable standard output.")(function)
    return click.option(
        "--index", "folder", type=click.Path(file_okay=False, path_type=Path), default="indexes/default",
        envvar="SAMESTORY_INDEX", show_default=True, help="The index folder (or SAMESTORY_INDEX).",
    )(function)  # fmt: skip


@keys.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated; read if left out.")
@click.option("--rate", default="", help="Its own rate limit, such as 100/second.")
@_options
def add(name: str, scopes: tuple[str, ...], rate: str, folder: Path, as_json: bool) -> None:
    """Make a key for NAME; its text is printed this once."""
    key, text = _ring(folder).add(name, scopes or ("read",), rate)
    if as_json:
        click.echo(json.dumps({**_shape(key), "key": text}, ensure_ascii=False))
    else:
        click.echo(text)
        click.echo(
            f"key {key.id} for {key.name} ({' '.join(key.scopes)}); the text above is not kept and cannot be shown again",
            err=True,
        )


@keys.command("list")
@_options
def list_keys(folder: Path, as_json: bool) -> None:
    """List the keys, revoked ones included."""
    for key in _ring(folder).all():
        if as_json:
            click.echo(json.dumps(_shape(key), ensure_ascii=False))
        else:
            state = f"revoked {key.revoked_at}" if key.revoked_at else "in force"
            click.echo(
                f"{key.id}  {' '.join(key.scopes):<17}  {key.rate or '-':<14}  {key.created_at}  {state}  {key.name}"
            )


@keys.command()
@click.argument("key_id")
@_options
def revoke(key_id: str, folder: Path, as_json: bool) -> None:
    """End the key KEY_ID, at once and in running services too."""
    key = _ring(folder).revoke(key_id)
    click.echo(json.dumps(_shape(key), ensure_ascii=False) if as_json else f"key {key.id} ({key.name}) is revoked")
