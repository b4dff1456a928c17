"""The editors' desk in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tomllib
from datetime import datetime
from pathlib import Path

import httpx2 as httpx
import pytest
from conftest import ROOT
from playwright.sync_api import Browser, Page, expect, sync_playwright

from align.instants import timestamp
from align.records import Item
from service.desk.pages import latest, month_of, words

expect.set_options(timeout=60_000)  # nothing here is timed: the machine may be busy
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
AXE = Path(__file__).parent / "vendored" / "axe.js"
PATHS = ("/", "/check", "/decide", "/missing", "/numbers", "/sign-in")
DRAFT = "Genoa dockers turn ship away\n\nAbout thirty dockers in Genoa stopped the Meridian Aurora with 1,150 containers from mooring on Friday. Meridian Line put its losses at 600,000 euros a day and threatened to sue. A brass band played on the quay."


@pytest.fixture(scope="module")
def browser():
    """One browser for all pages."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, server: str):
    """A fresh page; it must end without an error in its console and without a request to elsewhere."""
    context = browser.new_context(base_url=server, viewport={"width": 1200, "height": 900}, locale="en")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith(server) else faults.append(request.url))
    yield opened
    context.close()
    assert faults == []


def story_path(server: str, item: str = "port-strike-03.en") -> str:
    """The page of an item's story."""
    return f"/stories/{httpx.get(f'{server}/v1/items/{item}/variants').json()['cluster']}"


def test_from_the_wall_to_a_story_and_an_item(page: Page) -> None:
    """A person finds a story on the wall, sees its versions side by side, and an item's relations with their evidence."""
    page.goto("/?several=true")
    card = page.locator(".card").filter(has_text="2,30 Euro mehr").first
    expect(card.locator(".badge.has")).to_have_count(4)
    card.get_by_role("link").click()
    expect(page.locator("article.version[lang=ja]")).to_have_count(1)
    expect(page.locator(".timeline li")).not_to_have_count(0)
    page.locator("article.version[lang=ja] h2 a").click()
    expect(page.get_by_role("heading", name="Other versions")).to_be_visible()
    page.get_by_text("Matching sentences").first.click()
    expect(page.locator(".sentences li").first).to_be_visible()


def test_pointing_at_a_sentence_lights_its_counterparts(page: Page, server: str) -> None:
    """On a story's page the sentences of other versions that say the same light up with the one pointed at."""
    page.goto(story_path(server))
    matched = page.locator("article.version:not(.base) .s.matched").first
    matched.hover()
    expect(page.locator("article.base .s.lit")).to_have_count(1)
    assert page.locator(".s.lit").count() >= 2


def test_sentences_are_gone_through_by_keyboard(page: Page, server: str) -> None:
    """Keys alone go from sentence to sentence of the base and light what says the same; where the keyboard is can always be seen."""
    page.goto(story_path(server))
    own = page.locator("article.base .s")
    for place in (0, 1, 2):
        page.keyboard.press(".")
        expect(own.nth(place)).to_have_class(re.compile(r"\blit\b"))
    assert page.locator("article.version:not(.base) .s.lit").count() > 0
    page.keyboard.press(",")
    expect(own.nth(1)).to_have_class(re.compile(r"\blit\b"))
    expect(page.locator("article.base .s.lit")).to_have_count(1)
    page.locator(".switch a").first.focus()
    ring = page.evaluate(
        "(() => { const style = getComputedStyle(document.activeElement); return parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth) })()"
    )
    assert ring <= 0  # within the group, which cuts off what stands out


def test_a_headline_stands_once(page: Page, server: str) -> None:
    """A version's headline is marked in its heading and not told again in its text, on a story's page, in the queue and beside a draft."""
    page.goto("/check")
    page.get_by_label("The draft").fill(DRAFT)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Covered", exact=True)).to_be_visible()
    for path in ("", "/decide", story_path(server)):
        if path:
            page.goto(path)
        cards = page.locator("article.version:has(h2 .s, h3 .s)").all()
        assert cards
        for card in cards:
            headline = card.locator("h2, h3").first.inner_text()
            assert card.inner_text().count(headline) == 1, headline
    title = "Pelikan im Hafen von Kiel"
    item = {"id": "echo", "title": title, "text": f"{title}\n\nIm Hafen von Kiel ist ein Pelikan gelandet."}
    assert httpx.post(f"{server}/v1/items", json=item, timeout=60).json()["results"][0]["status"] == "added"
    page.goto("/items/echo")
    assert page.locator("main").inner_text().count(title) == 1
    httpx.delete(f"{server}/v1/items/echo", timeout=60)


def test_a_story_leads_with_the_readers_language(browser: Browser, server: str) -> None:
    """Where a story has a version in the reader's language, its headline leads on the wall and in the matrix, and it is the base of its page."""
    for locale, headline in [
        ("ja", "横浜など3港でゲート停止"),
        ("de", "legt Terminaltore"),
        ("en", "Cyberattack adds"),
    ]:
        context = browser.new_context(base_url=server, locale=locale)
        opened = context.new_page()
        opened.goto("/?q=Meridian")
        expect(opened.locator(".card h3", has_text=headline)).to_have_count(1)
        opened.goto(story_path(server))
        expect(opened.locator("article.base h2")).to_contain_text(headline)
        expect(opened.locator("article.base")).to_have_attribute("lang", locale)
        opened.locator(".swap").first.click()
        expect(opened.locator("article.base h2")).not_to_contain_text(headline)
        context.close()


def test_search_and_filters(page: Page) -> None:
    """The wall shows only stories that hold the searched words, in the language asked for."""
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("Meridian")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    assert "q=Meridian" in page.url
    page.goto("/?missing=ja")
    assert page.locator(".card").count() == page.locator(".card .badge.lacks.ja").count() > 0
    page.goto("/?q=xyzzyxyzzy")
    expect(page.locator(".empty")).to_be_visible()


def test_a_draft_is_checked(page: Page) -> None:
    """A pasted draft is answered with who covers it, in which languages and since when, what it lacks and what contradicts it."""
    page.goto("/check")
    page.get_by_label("The draft").fill(DRAFT)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Covered", exact=True)).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("First on 2026-")
    expect(page.locator("article.base .s.matched").first).to_be_visible()
    expect(page.locator("article.base .s.only")).to_contain_text("brass band")
    expect(page.locator(".differs")).to_contain_text("600,000")
    expect(page.locator(".differs")).to_contain_text("400,000")
    expect(page.get_by_text("What this version has and the draft lacks").first).to_be_visible()
    page.get_by_label("The draft").fill(
        "Zoo names elephant\n\nThe zoo in Leipzig has named its newborn calf Kiran after a public vote."
    )
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="Not covered")).to_be_visible()


def test_an_empty_draft_is_explained(browser: Browser, server: str) -> None:
    """A draft of signs alone is answered with what is needed, and the text is still there."""
    opened = browser.new_page(base_url=server, locale="en")
    opened.goto("/check")
    opened.get_by_label("The draft").fill("… — !")
    opened.get_by_role("button", name="Check").click()
    expect(opened.get_by_role("alert")).to_contain_text("headline or a sentence")
    expect(opened.get_by_label("The draft")).to_have_value("… — !")
    opened.close()


def test_a_text_of_great_length_does_not_hold_a_page_up(page: Page, server: str) -> None:
    """A story with one very long version shows the others side by side and lists that one, saying why; so does a very long draft."""
    text = httpx.get(f"{server}/v1/items/port-strike-03.en").json()["text"]
    filler = "\n".join(f"Der Kran Nummer {number} steht im Hafen von Triest." for number in range(6_000))
    item = {
        "id": "lengthy",
        "title": "Cyberattack adds to Meridian's troubles",
        "lang": "en",
        "text": f"{text}\n{filler}",
    }
    assert httpx.post(f"{server}/v1/items", json=item, timeout=120).json()["results"][0]["status"] == "added"
    first = httpx.get(f"{server}/v1/items/port-strike-03.en").json()["id"]
    made = httpx.post(
        f"{server}/v1/decisions", json={"kind": "same_story", "items": [first, "lengthy"]}, timeout=60
    ).json()
    page.goto(story_path(server))
    expect(page.locator("article.version")).to_have_count(4)
    expect(page.get_by_text("not compared sentence by sentence")).to_be_visible()
    checked = httpx.post(f"{server}/check", data={"text": f"{text}\n{filler}"}, timeout=120)
    assert checked.status_code == 200
    assert "not compared sentence by sentence" in checked.text
    httpx.delete(f"{server}/v1/decisions/{made['id']}", timeout=60)
    httpx.delete(f"{server}/v1/items/lengthy", timeout=60)


def test_a_long_draft_is_checked(server: str) -> None:
    """A draft may be as long as an item, in any script; above, the answer says how long it is, in the reader's language, and keeps it."""
    long = httpx.post(f"{server}/check", data={"text": "港湾労働者が横浜でストライキを行った。" * 8_000}, timeout=120)
    assert long.status_code == 200
    over = httpx.post(f"{server}/check", data={"text": "a" * 1_000_001}, headers={"Accept-Language": "de"}, timeout=60)
    assert over.status_code == 422
    assert "Der Text hat 1.000.001 Zeichen; höchstens 1.000.000" in over.text
    assert "a" * 1_000_001 in over.text


def test_a_draft_with_a_nul_says_so_in_the_readers_language(server: str) -> None:
    """It is not called a text without a story."""
    for lang, word in [("en", "NUL character"), ("de", "NUL-Zeichen"), ("it", "carattere NUL"), ("ja", "NUL文字")]:
        answer = httpx.post(
            f"{server}/check", data={"text": "Ein Streik\0 endet."}, headers={"Accept-Language": lang}, timeout=60
        )
        assert (answer.status_code, word in answer.text) == (422, True)


def test_a_queued_pair_is_decided_and_taken_back_by_keyboard(page: Page, server: str) -> None:
    """In the queue one key separates a pair, which is then not asked about again, and another takes that back."""
    page.goto("/decide")
    titles = page.locator(".side.two h2").all_inner_texts()
    assert len(titles) == 2
    page.keyboard.press("x")
    expect(page.locator(".notice")).to_be_visible()
    assert page.locator(".side.two h2").all_inner_texts() != titles
    made = httpx.get(f"{server}/v1/decisions").json()["items"]
    assert [(decision["kind"], len(decision["items"])) for decision in made] == [("not_same_story", 2)]
    page.keyboard.press("u")
    expect(page.locator(".recent")).to_contain_text("taken back")
    assert httpx.get(f"{server}/v1/decisions").json()["items"] == []


def test_pairs_put_off_are_not_called_decided(page: Page) -> None:
    """Who puts off pair after pair by key comes to the end of the queue, which says so and leads to its beginning."""
    page.goto("/decide?skip=1000")
    expect(page.locator(".heading")).to_contain_text("put off")
    page.get_by_role("link", name="Begin again").click()
    first = page.locator(".side.two h2").all_inner_texts()
    page.keyboard.press("l")
    page.wait_for_url("**/decide?skip=1")
    assert page.locator(".side.two h2").all_inner_texts() != first


def test_a_story_is_split_and_restored(page: Page, server: str) -> None:
    """From its page an item is split off a story, and undoing the decision brings it back."""
    path = story_path(server)
    page.goto(path)
    n_items = page.locator(".timeline li").count()
    page.locator("article.version:not(.base) .pick input").first.check()
    page.get_by_role("button", name="Split off").click()
    expect(page.locator(".notice")).to_be_visible()
    page.goto(path)
    expect(page.locator(".timeline li")).to_have_count(n_items - 1)
    page.goto("/decide")
    page.keyboard.press("u")
    expect(page.locator(".recent")).to_contain_text("taken back")
    page.goto(path)
    expect(page.locator(".timeline li")).to_have_count(n_items)


def test_stories_are_merged_by_the_address_of_the_other(browser: Browser, server: str) -> None:
    """Another story is named by the address of its page; what is named by nothing, and a decision on nothing, are explained."""
    page = browser.new_page(base_url=server, locale="en")
    path, other = story_path(server), story_path(server, "port-strike-04.en")
    n_items, n_others = (
        len(httpx.get(f"{server}/v1/clusters/{found.rsplit('/', 1)[1]}").json()["items"]) for found in (path, other)
    )
    page.goto(path)
    for name in ("no-such-story", "http://[/stories/x"):
        page.get_by_placeholder("Address or id of the other story").fill(name)
        page.get_by_role("button", name="Merge").click()
        expect(page.get_by_role("alert")).to_have_text(f"No item and no story goes by “{name}”.")
        page.get_by_role("link", name="Back").click()
    page.get_by_role("button", name="Split off").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose at least one item")
    page.get_by_role("link", name="Back").click()
    for box in page.locator(".pick input").all():
        box.check()
    page.keyboard.press("p")
    expect(page.get_by_role("alert")).to_contain_text("Choose fewer")
    page.get_by_role("link", name="Back").click()
    page.get_by_placeholder("Address or id of the other story").fill(server + other)
    page.get_by_role("button", name="Merge").click()
    expect(page.locator(".timeline li")).to_have_count(n_items + n_others)
    page.keyboard.press("u")
    expect(page.locator(".timeline li")).to_have_count(n_items)
    page.close()


def test_an_error_page_is_in_the_readers_language(browser: Browser, server: str) -> None:
    """A page that is not there says so in the reader's language and nothing of programs."""
    context = browser.new_context(base_url=server, locale="de")
    opened = context.new_page()
    for path in ("/nowhere", "/stories/none", "/items/none"):
        opened.goto(path)
        assert opened.locator("main").inner_text().split("\n\n")[1:] == ["Diese Seite gibt es nicht.", "Geschichten"]
    context.close()


def test_a_forged_form_decides_nothing(server: str) -> None:
    """A decision without this desk's token, or sent by another site's page, is refused."""
    form = {"kind": "not_same_story", "items": ["port-strike-01.en", "port-strike-02.en"]}
    assert httpx.post(f"{server}/decide", data=form).status_code == 403
    assert (
        httpx.post(
            f"{server}/decide", data={**form, "token": "guessed"}, cookies={"samestory_form": "kept"}
        ).status_code
        == 403
    )
    same = {**form, "token": "t"}
    answer = httpx.post(
        f"{server}/decide", data=same, cookies={"samestory_form": "t"}, headers={"Origin": "http://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert httpx.get(f"{server}/v1/decisions").json()["items"] == []


def test_missing_translations_can_be_taken_along(page: Page, server: str) -> None:
    """The matrix shows what is missing, and its CSV holds the same stories and cannot run as a formula."""
    page.goto("/missing")
    n_rows = page.locator(".matrix tbody tr").count()
    assert n_rows == len(page.locator(".matrix tbody tr:has(.gap)").all()) > 0
    rows = list(csv.DictReader(io.StringIO(httpx.get(f"{server}/missing.csv").content.decode("utf-8-sig"))))
    assert len(rows) == n_rows
    assert all(row["missing"] for row in rows)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_numbers_are_drawn(page: Page) -> None:
    """Every chart is drawn, and its figures can be read as a table."""
    page.goto("/numbers")
    page.wait_for_function("document.querySelectorAll('canvas[data-chart]').length === 5")
    blank = (
        "canvas => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value)"
    )
    page.wait_for_timeout(700)
    for canvas in page.locator("canvas").all():
        assert canvas.evaluate(blank) is False
    page.get_by_text("as a table").first.click()
    expect(page.locator("figure table").first).to_be_visible()


def test_hostile_titles_are_text(page: Page, server: str) -> None:
    """A title with a script, a right-to-left override and ten thousand characters is shown as text and breaks no page."""
    item = page.request.get("/v1/items/hostile").json()["id"]
    for path in (f"/items/{item}", story_path(server, "hostile"), "/", "/missing"):
        page.goto(path)
        assert "taken" not in re.sub(r"<script>.*", "", page.title())
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.locator("bdi", has_text="<script>document.title").count() > 0, path
    page.goto(f"/items/{item}")
    expect(page.locator(".asked")).to_contain_text("<img src=x")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_fails_axe(browser: Browser, server: str, theme: str) -> None:
    """axe-core finds nothing serious or critical on any page, light or dark."""
    context = browser.new_context(
        base_url=server, color_scheme="dark" if theme == "dark" else "light", locale="en", bypass_csp=True
    )
    opened = context.new_page()
    found = []
    for path in (*PATHS, story_path(server), "/items/port-strike-03.ja", "/nowhere"):
        opened.goto(path)
        opened.add_script_tag(path=str(AXE))
        for fault in opened.evaluate("axe.run()")["violations"]:
            if fault["impact"] in ("serious", "critical"):
                found.append((path, fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]))
    opened.goto("/check")
    opened.fill("#text", DRAFT)
    opened.keyboard.press("Control+Enter")
    opened.wait_for_selector(".verdict")
    opened.add_script_tag(path=str(AXE))
    found += [
        ("checked", fault["id"], [node["html"][:120] for node in fault["nodes"][:3]])
        for fault in opened.evaluate("axe.run()")["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    context.close()
    assert found == []


def test_the_pages_work_on_a_phone_and_by_keyboard(page: Page, server: str) -> None:
    """Nothing overflows on a narrow screen, and every page is reached by keys alone."""
    page.set_viewport_size({"width": 375, "height": 700})
    for path in (*PATHS, story_path(server)):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        for link in page.locator(".masthead nav a").all():
            place = link.bounding_box()
            assert place is not None
            assert place["x"] + place["width"] <= 375, path
    for key, path in [("c", "/check"), ("d", "/decide"), ("m", "/missing"), ("n", "/numbers"), ("s", "/")]:
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"**{path}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("article.version").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_desk_speaks_four_languages(browser: Browser, server: str) -> None:
    """The desk follows the browser's language, the switch overrules it, and the choice of dark stays."""
    for locale, heading in [
        ("en", "Stories"),
        ("ja", "話題一覧"),
        ("de", "Geschichten"),
        ("it", "Storie"),
        ("fr", "Stories"),
    ]:
        context = browser.new_context(base_url=server, locale=locale)
        opened = context.new_page()
        opened.goto("/")
        expect(opened.get_by_role("heading", level=1)).to_have_text(heading)
        context.close()
    context = browser.new_context(base_url=server, locale="en")
    opened = context.new_page()
    opened.goto("/missing?several=true")
    opened.get_by_title("Deutsch").first.click()
    expect(opened.get_by_role("heading", level=1)).to_have_text("Fehlende Übersetzungen")
    assert opened.url.endswith("/missing?several=true")
    opened.get_by_role("link", name="dunkel").click()
    assert opened.locator("html").get_attribute("data-theme") == "dark"
    context.close()


def test_the_catalogues_have_the_same_words() -> None:
    """Every language has every word, with the same places for values."""
    found = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "service/web/words").glob("*.toml")
    }
    assert found.keys() == {"en", "ja", "de", "it"}
    for catalogue in found.values():
        assert catalogue.keys() == found["en"].keys()
        for key, said in catalogue.items():
            assert sorted(re.findall(r"{\w+}", said)) == sorted(re.findall(r"{\w+}", found["en"][key])), key


def test_every_word_is_used() -> None:
    """No catalogue keeps words that no page says."""
    pages = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "service").rglob("*") if path.suffix in (".html", ".py")
    )
    named = re.compile(
        r"(kind|lang|what|because|doubt|extent|theme|unit|error)_"
    )  # these are put together from a value
    unused = [
        key for key in words("en") if not named.match(key) and f'"{key}"' not in pages and f"'{key}'" not in pages
    ]
    assert unused == []


def test_stories_in_order_of_time_are_in_order_of_months() -> None:
    """The newest of items counts by the moment, not by how it is written, and so does a story's month."""
    stamps = ["2026-03-31T23:30:00-05:00", "2026-04-01T01:00:00+09:00", "2026-03-31"]
    items = [
        Item(f"i{number}", "d", "en", 1.0, "", "text", None, None, stamp, 0, 4)
        for number, stamp in enumerate([*stamps, None])
    ]
    assert latest(items) == stamps[0]
    assert latest(items[3:]) == ""
    ordered = sorted(stamps, key=timestamp)
    assert [month_of(stamp) for stamp in ordered] == ["2026-03", "2026-03", "2026-04"]


def test_the_queue_gives_its_reasons_in_the_readers_language(browser: Browser, server: str) -> None:
    """Why a pair is worth a look, and how a story came to be, is said in each of the desk's languages."""
    reasons = set()
    for locale in ("en", "ja", "de", "it"):
        context = browser.new_context(base_url=server, locale=locale)
        opened = context.new_page()
        opened.goto("/decide")
        reasons.add(opened.locator(".queue .soft").first.inner_text())
        opened.goto(story_path(server))
        reasons.add(opened.locator(".history .soft").last.inner_text())
        context.close()
    assert len(reasons) == 8


def test_times_of_several_places_say_where_they_count(page: Page, server: str) -> None:
    """On a story's timeline each time names its distance from UTC, so that the order can be understood."""
    page.goto(story_path(server))
    times = page.locator(".timeline time").all_inner_texts()
    assert all(re.search(r"UTC([+-]\d\d:\d\d)?$", shown) for shown in times)
    moments = [page.locator(".timeline time").nth(i).get_attribute("datetime") or "" for i in range(len(times))]
    assert moments == sorted(moments, key=lambda stamp: datetime.fromisoformat(stamp).timestamp())
