"""The commands that follow stories and correct them: communities, history, changes, decisions, queue, settings."""

from __future__ import annotations

from pathlib import Path

import click

from align.errors import InputError
from align.terminal import model_option, open_index, options, print_json, print_table, show_progress

KINDS = ("same-story", "not-same-story", "split", "translation")


@click.command()
@click.argument("cluster")
@options
def history(cluster: str, folder: Path, as_json: bool) -> None:
    """What became of CLUSTER: every change, when and why."""
    from align.shapes import change_shape

    with open_index(folder) as pipeline:
        found = pipeline.history(cluster)
    if as_json:
        for change in found:
            print_json(change_shape(change))
    else:
        _print_changes([change_shape(change) for change in found])


@click.command()
@click.option("--after", type=click.IntRange(0), default=0, show_default=True, help="The last number already seen.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
@options
def changes(after: int, limit: int, folder: Path, as_json: bool) -> None:
    """The feed of changes to stories, oldest first; go on from the last number with --after."""
    from align.shapes import change_shape

    with open_index(folder) as pipeline:
        found = pipeline.changes(after, limit)
    if as_json:
        for change in found:
            print_json(change_shape(change))
    else:
        _print_changes([change_shape(change) for change in found])


def _print_changes(shapes: list[dict[str, object]]) -> None:
    print_table(
        ("number", "when", "story", "what", "why", "items", "other stories"),
        ([str(shape["number"]), str(shape["at"])[:19], str(shape["cluster"]), str(shape["what"]), str(shape["why"]), _listed(shape["items"]), _listed(shape["others"])] for shape in shapes),
    )  # fmt: skip


def _listed(names: object) -> str:
    found = [str(name) for name in names] if isinstance(names, list) else []
    return " ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("items", nargs=-1, required=True)
@click.option("--by", required=True, help="Who decides.")
@click.option("--note", default="", help="Why.")
@options
def decide(kind: str, items: tuple[str, ...], by: str, note: str, folder: Path, as_json: bool) -> None:
    """Correct the stories: ITEMS (ids or external ids) tell one story, do not, split from the rest, or are translations.

    Applied at once, and kept through whatever is read or set later, until it is undone.
    """
    from align.shapes import decision_shape

    with open_index(folder) as pipeline:
        made = pipeline.decide(kind.replace("-", "_"), items, by, note)
        stories = sorted({pipeline.store.cluster_of(item_id) or "" for item_id in made.items})
    print_json(decision_shape(made)) if as_json else click.echo(
        f"{made.id}: {kind} {' '.join(items)}, by {made.by}; now in {'story' if len(stories) == 1 else 'stories'} {' '.join(stories)}"
    )


@click.command()
@click.option("--all", "include_undone", is_flag=True, help="Also those that were undone.")
@options
def decisions(include_undone: bool, folder: Path, as_json: bool) -> None:
    """The corrections that hold, with who and when."""
    from align.shapes import decision_shape

    with open_index(folder) as pipeline:
        found = pipeline.decisions(include_undone)
    if as_json:
        for entry in found:
            print_json(decision_shape(entry))
        return
    print_table(
        ("decision", "kind", "items", "by", "when", "note", "undone"),
        ([entry.id, entry.kind.value.replace("_", "-"), _listed(list(entry.items)), entry.by, entry.at[:19], entry.note, f"{entry.undone_at[:19]} by {entry.undone_by}" if entry.undone_at else ""] for entry in found),
    )  # fmt: skip


@click.command()
@click.argument("decision")
@click.option("--by", required=True, help="Who takes it back.")
@options
def undo(decision: str, by: str, folder: Path, as_json: bool) -> None:
    """Take DECISION back, at once."""
    from align.shapes import decision_shape

    with open_index(folder) as pipeline:
        undone = pipeline.undo(decision, by)
    print_json(decision_shape(undone)) if as_json else click.echo(
        f"{undone.id}: {undone.kind.value.replace('_', '-')} {' '.join(undone.items)} is undone, by {undone.undone_by}"
    )


@click.command()
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option(
    "--lang", "langs", multiple=True, help="Pairs with this language on a side; several: pairs within these languages."
)
@options
def queue(limit: int, langs: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Borderline pairs that an editor should look at, most useful first."""
    from align.shapes import headline, queued_shape

    with open_index(folder) as pipeline:
        found = pipeline.queue(limit, langs)
    if as_json:
        for pair in found:
            print_json(queued_shape(pair))
        return
    for pair in found:
        click.echo(f"{pair.usefulness:.2f} {pair.relation.kind.value} {pair.relation.score:.2f}: {pair.why}")
        for item in (pair.a, pair.b):
            click.echo(f"     {item.lang} {headline(item)}\n        {item.id} · {item.document}")
    if not found:
        click.echo("no pair is open")


@click.command()
@click.argument("name", required=False)
@click.argument("value", required=False)
@options
def settings(name: str | None, value: str | None, folder: Path, as_json: bool) -> None:
    """The thresholds and windows of clustering; NAME VALUE sets one, at once and without embedding anything again.

    The value `default` sets it back.
    """
    from align.thresholds import ABOUT, NAMES, attribute_of

    with open_index(folder) as pipeline:
        if name is not None and value is not None:
            pipeline.set_threshold(name, value)
        found = pipeline.thresholds
    shown = NAMES if name is None else (name,)
    values = {one: getattr(found, attribute_of(one)) for one in shown}
    print_json(values) if as_json else print_table(
        ("setting", "value", "what it is"), ([one, f"{held:g}", ABOUT[one]] for one, held in values.items())
    )


@click.command()
@click.argument("item")
@options
def revisions(item: str, folder: Path, as_json: bool) -> None:
    """Every text that ITEM (an id or external id) has had, oldest first, the present one last."""
    from align.shapes import revision_shape

    with open_index(folder) as pipeline:
        found = pipeline.revisions(item)
    if as_json:
        for revision in found:
            print_json(revision_shape(revision))
        return
    for revision in found:
        click.echo(f"{revision.number} · {revision.at[:19]} · {revision.title}\n{revision.text}\n")


@click.command()
@model_option
@options
def reembed(model: str | None, folder: Path, as_json: bool) -> None:
    """Put the index under another model, beside its running, and switch over at once."""
    from align.reembedding import reembed as reembed_index

    if model is None:
        raise InputError("name the new model with --model")
    with open_index(folder) as pipeline:
        n_items = reembed_index(pipeline, model, show_progress)
    print_json({"model": model, "items": n_items}) if as_json else click.echo(
        f"{n_items} items are embedded and related by {model}"
    )


@click.command()
@click.option("--least", type=float, default=0.75, show_default=True, help="The cosine with the centre, from 0.5 to 1.")
@click.option("--smallest", type=click.IntRange(2), default=2, show_default=True, help="Items of a group.")
@options
def communities(least: float, smallest: int, folder: Path, as_json: bool) -> None:
    """A first look at an archive: groups of items that lie close together, by vectors alone. Stories are `clusters`."""
    from align.shapes import community_shape, headline

    with open_index(folder) as pipeline:
        found = pipeline.communities(least, smallest)
    shapes = list(map(community_shape, found))
    if as_json:
        for shape in shapes:
            print_json(shape)
        return
    print_table(
        ("items", "languages", "centre", "headline"),
        ([str(len(items)), " ".join(shape["langs"]), shape["centre"], headline(items[0][0])] for items, shape in zip(found, shapes, strict=True)),
    )  # fmt: skip


COMMANDS = (communities, history, changes, decide, decisions, undo, queue, settings, revisions, reembed)
