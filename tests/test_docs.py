"""What the README says is so."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from align.cli import main
from service.app import ROUTERS

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_in_the_readme(command: str) -> None:
    """A command that the README does not mention is not there for anyone."""
    assert f"samestory {command}" in README


@pytest.mark.parametrize("path", sorted(set(re.findall(r"^\s+([a-z_]+\.py)\b", README, re.MULTILINE))))
def test_files_named_in_the_tree_exist(path: str) -> None:
    """Every file of the tree in the README is there."""
    assert list((ROOT / "align").glob(path)) or list((ROOT / "service").glob(f"**/{path}"))


def test_pictures_and_links_exist() -> None:
    """Every relative link of the README leads somewhere."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert all((ROOT / link).exists() for link in links)


def test_routes_have_a_description() -> None:
    """Every route under /v1 says in OpenAPI what it does."""
    routes = [route for router in ROUTERS for route in router.routes]
    assert routes
    assert all(route.endpoint.__doc__ for route in routes)


def test_the_two_commands_are_in_the_makefile() -> None:
    """make run and make test exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^run:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)
