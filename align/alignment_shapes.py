"""An alignment → the JSON shape of the contract, the same for command and HTTP, and a page side by side."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from align.sentences import Alignment, Bead
from align.versions import Version

Json = dict[str, Any]


def alignment_shape(alignment: Alignment) -> Json:
    """What ``samestory align`` prints: `beads` with indices from 0, the sentences `a` and `b`, and what was `moved`."""
    return {
        "beads": _beads(alignment.beads),
        "a": list(alignment.a),
        "b": list(alignment.b),
        "langs": list(alignment.langs),
        "moved": _beads(alignment.moved),
    }


def _beads(beads: Sequence[Bead]) -> list[Json]:
    return [{"a": list(bead.a), "b": list(bead.b), "score": round(bead.score, 4)} for bead in beads]


def alignment_page(a: Version, b: Version, alignment: Alignment) -> str:
    """Both versions side by side in HTML, a row a bead."""
    import jinja2

    source = (resources.files("align") / "alignment.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    return template.render(a=a, b=b, alignment=alignment)
