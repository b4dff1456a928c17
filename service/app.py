"""The HTTP service: ``create_app(settings)``, its parts and their order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from align.pipeline import Pipeline
from service.access import Access
from service.api import alignment, changes, clusters, decisions, drafts, health, items, jobs, webhooks
from service.api.openapi import describe
from service.children import stop_with_parent
from service.desk import decide, missing, numbers, sessions, stories
from service.desk import drafts as draft_pages
from service.desk.pages import WEB, error_page
from service.envelope import Envelope, Heads, Tags
from service.guard import Guard
from service.jobs import Jobs
from service.ledger import Ledger
from service.logs import configure_logs
from service.problems import add_problem_handlers
from service.settings import Settings
from service.webhooks import Webhooks
from service.writer import Writer

ROUTERS = (
    health.router,
    changes.router,
    alignment.router,
    items.router,
    drafts.router,
    clusters.router,
    decisions.router,
    jobs.router,
    webhooks.router,
)
PAGES = (stories.router, draft_pages.router, decide.router, missing.router, numbers.router, sessions.router)


def create_app(settings: Settings) -> FastAPI:
    """The service over one index folder, which it opens when it starts and closes when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state = app.state
        state.settings = settings
        state.ledger = Ledger(settings.path)
        state.access = Access(settings, state.ledger)
        state.pipeline = Pipeline(settings.path, settings.model)
        state.writer = Writer(settings.path, settings.model, state.pipeline.store.opened, settings.max_waiting_items)
        state.jobs = Jobs(settings, state.ledger, state.writer)
        state.jobs.sweep()
        state.webhooks = Webhooks(state.ledger, state.pipeline)
        await asyncio.to_thread(state.pipeline.warm)
        # What is loaded by now stays: going through it again at every collection would hold a request up by a tenth of a second.
        gc.collect()
        gc.freeze()
        if state.pipeline.store.rows("SELECT 1 FROM item WHERE related = 0 LIMIT 1"):
            state.writer.catch_up_soon()
        work = [asyncio.create_task(state.jobs.work()), asyncio.create_task(state.webhooks.work())]
        try:
            yield
        finally:
            state.jobs.stop()
            state.webhooks.stop()
            await asyncio.gather(*work, return_exceptions=True)
            await state.writer.close()
            state.pipeline.close()
            state.ledger.close()

    app = FastAPI(
        title="samestory",
        version=version("samestory"),
        summary="The English, Japanese, German and Italian versions of the same news story.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (*ROUTERS, *PAGES):
        app.include_router(router)
    app.state.error_page = error_page
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    describe(app)
    add_problem_handlers(app)
    # The last added is the outermost.
    app.add_middleware(Tags)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Envelope)
    app.add_middleware(Heads)
    return app


def app_of_worker() -> Any:
    """The app of a process that ``samestory serve`` started."""
    configure_logs()
    stop_with_parent()
    return create_app(Settings.handed_over())
