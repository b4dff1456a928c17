"""An alignment → the JSON shape of the contract, the same for command and HTTP, lines for people, and a page side by side."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from align.differences import Differences, differences, version_names
from align.embedding import Encoder
from align.quantities import Quantity
from align.sentences import Alignment, Bead
from align.versions import Version

Json = dict[str, Any]


def alignment_shape(alignment: Alignment, encoder: Encoder) -> Json:
    """What ``samestory align`` prints: `beads` with indices from 0, the sentences `a` and `b`, what was `moved`, and what differs."""
    differing = differences(alignment, encoder)
    return {
        "beads": _beads(alignment.beads),
        "a": list(alignment.a),
        "b": list(alignment.b),
        "langs": list(alignment.langs),
        "moved": _beads(alignment.moved),
        "differences": _differences(differing),
        "coverage": {"a": round(differing.coverage[0], 4), "b": round(differing.coverage[1], 4)},
        "kind": differing.kind,
    }


def _differences(found: Differences) -> Json:
    return {
        "aligned": found.aligned,
        "merged": found.merged,
        "split": found.split,
        "left_out": list(found.left_out),
        "added": list(found.added),
        "quantities": [
            {"bead": entry.bead, "verdict": entry.verdict, "a": _quantity(entry.a), "b": _quantity(entry.b)}
            for entry in found.quantities
        ],
        "names": [{"bead": entry.bead, "verdict": entry.verdict, "a": entry.a, "b": entry.b} for entry in found.names],
        "summary": list(found.summary),
    }


def _quantity(found: Quantity | None) -> Json | None:
    if found is None:
        return None
    shape: Json = {"text": found.text, "value": found.value, "unit": found.unit}
    return shape if found.end is None else {**shape, "end": found.end}


def _beads(beads: Sequence[Bead]) -> list[Json]:
    return [{"a": list(bead.a), "b": list(bead.b), "score": round(bead.score, 4)} for bead in beads]


def alignment_text(a: Version, b: Version, alignment: Alignment, encoder: Encoder) -> str:
    """For people in a terminal: what the versions are to each other and what differs, then the beads with their scores.

    A sentence that stands alone has "—" for the other side.
    """
    found = differences(alignment, encoder)
    names = version_names(alignment.langs)
    shares = " and ".join(f"{share:.0%} of the {name}" for share, name in zip(found.coverage, names, strict=True))
    lines = [f"{found.kind.replace('_', ' ')} · {shares} are in both", *found.summary]
    for head, beads in (("Sentence by sentence", alignment.beads), ("Moved to another place", alignment.moved)):
        if beads:
            lines += ["", head]
        for bead in beads:
            told = [" ".join(side.sentences[at] for at in own) or "—" for side, own in ((a, bead.a), (b, bead.b))]
            lines += [f"  {bead.score:.2f} {told[0]}", f"       {told[1]}"]
    return "\n".join(lines) + "\n"


def alignment_page(a: Version, b: Version, alignment: Alignment, encoder: Encoder) -> str:
    """Both versions side by side in HTML, a row a bead."""
    import jinja2

    source = (resources.files("align") / "alignment.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    return template.render(
        a=a,
        b=b,
        names=version_names(alignment.langs),
        alignment=alignment,
        differences=differences(alignment, encoder),
    )
