"""What several tests share: the real model, and pages written for the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings
from serving import ingest, served

from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.records import Document, Form

# No test is timed; the same examples at every run, so that a failure can be repeated.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def encoder() -> StaticEncoder:
    """The shipped model, read once."""
    return StaticEncoder(SHIPPED_MODEL)


def page(text: str, name: str = "page.txt") -> Document:
    """A saved page with this text."""
    return Document(name, name, Form.PAGE, text)


GERMAN_EDITION = """Harbour council approves tidal barrier after ten-year debate

The harbour council voted 17 to 4 on Tuesday to build a tidal barrier across the inner bay, ending a debate that began in 2016.

Engineers expect the barrier to cost 340 million euros and to be ready by 2031. Fishing crews had asked for a wider gate, and the final plan gives them one.

Opponents said they would take the decision to court before the end of the month.

Verwandte Artikel

A drone picture of the inner bay with the planned barrier drawn in.
Bild generiert von KI

Reederei verlegt Fähren während der Bauarbeiten

Von KI berichtet Bild generiert von KI

Die Reederei Nordsund verlegt ihre Fähren für die Dauer der Bauarbeiten in den Südhafen. Betroffen sind täglich rund 4.200 Pendler, die künftig eine Viertelstunde länger unterwegs sein werden.

Fishing crews along the inner bay have ended their blockade after winning a wider gate in the barrier, their cooperative said on Wednesday.

Von KI berichtet

Il consiglio del porto ha stanziato altri dodici milioni di euro per risarcire i pescatori della baia interna, che resteranno fermi per due stagioni.

 

Diese Website verwendet Cookies

Wir verwenden Cookies für Analysen, um unsere Website zu verbessern. Lesen Sie unsere Datenschutzrichtlinie für weitere Informationen.
Ablehnen"""
"""An English article amid the furniture of a German edition, with three teasers in three languages."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory):
    """The address of a real server process over an index of two bundled topics, one with borderline pairs and one hostile item."""
    folder = tmp_path_factory.mktemp("served")
    hostile = folder / "hostile.jsonl"
    hostile.write_text(json.dumps(HOSTILE, ensure_ascii=False) + "\n", encoding="utf-8")
    index = ingest(folder, "seeds/port-strike.jsonl", "seeds/chip-plant.jsonl", BORDERLINE, hostile)
    with served(index) as running:
        yield running.url


BORDERLINE = "training/stories/border-truce.jsonl"
"""A topic some of whose pairs are neither surely one story nor surely two."""
HOSTILE = {
    "id": "hostile",
    "title": "<script>document.title='taken'</script>\u202eesrever " + "W" * 10_000,
    "text": "<img src=x onerror=\"document.title='taken'\"> Der Text einer feindlichen Meldung, die nur Text bleiben darf.",
}
"""An item whose title tries a script, a right-to-left override and ten thousand characters."""
