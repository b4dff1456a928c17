"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    """One browser for all pages."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, server: str):
    """A fresh page; it must end without an error in its console."""
    context = browser.new_context(base_url=server, viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []


def test_from_the_wall_to_a_story_and_an_item(page: Page) -> None:
    """A person finds a story on the wall, sees its versions side by side, and an item's relations with their evidence."""
    page.goto("/?several=true")
    card = page.locator(".card").filter(has_text="2,30 Euro mehr").first
    expect(card.locator(".badge.has")).to_have_count(4)
    card.get_by_role("link").click()
    expect(page.locator("article.version")).not_to_have_count(0)
    expect(page.locator("article.version[lang=ja]")).to_have_count(1)
    page.locator("article.version[lang=ja] h2 a").click()
    expect(page.get_by_role("heading", name="Other versions")).to_be_visible()
    page.get_by_text("matching sentences").first.click()
    expect(page.locator(".sentences li").first).to_be_visible()


def test_a_draft_is_checked(page: Page) -> None:
    """A pasted draft is answered with the versions that cover it; one on something else is not covered."""
    page.goto("/")
    page.get_by_role("link", name="Check a draft").click()
    page.get_by_label("The draft").fill(
        "Genoa dockers turn ship away\n\nAbout thirty dockers in Genoa stopped the Meridian Aurora with 1,150 containers from mooring on Friday."
    )
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="Covered")).to_be_visible()
    page.get_by_label("The draft").fill(
        "Zoo names elephant\n\nThe zoo in Leipzig has named its newborn calf Kiran after a public vote."
    )
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="Not covered")).to_be_visible()


def test_an_empty_draft_is_explained(page: Page, server: str) -> None:
    """A draft of signs alone is answered with what is needed, and the text is still there."""
    page.on("response", lambda response: None)
    page.goto("/check")
    page.get_by_label("The draft").fill("… — !")
    with page.expect_response("**/check") as answer:
        page.get_by_role("button", name="Check").click()
    assert answer.value.status == 200
    expect(page.get_by_role("alert")).to_contain_text("headline or a sentence")
    expect(page.get_by_label("The draft")).to_have_value("… — !")


def test_hostile_titles_are_text(page: Page, server: str) -> None:
    """A title with a script, a right-to-left override and ten thousand characters is shown as text and breaks nothing."""
    page.goto("/items/" + page.request.get("/v1/items/hostile").json()["id"])
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>document.title='taken'</script>")
    expect(page.locator(".asked")).to_contain_text("<img src=x")
    assert "taken" not in page.title().split("·")[-1]
    assert page.locator("img").count() == 0
    page.goto("/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_pages_work_on_a_phone_and_by_keyboard(page: Page) -> None:
    """Nothing overflows on a narrow screen, and the first story can be reached and opened by keyboard alone."""
    page.set_viewport_size({"width": 375, "height": 700})
    for path in ("/", "/check"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.goto("/")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.card') !== null"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("article.version").first).to_be_visible()
