"""The application behind the page. Needs the extra `serve`."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from sightline.errors import DataNotFoundError, SightlineError
from sightline.viewer import answers, listing
from sightline.viewer.desk import Desk, Subject, bias_named
from sightline.viewer.guard import App, Guard
from sightline.viewer.pictures import Plane
from sightline.viewer.reviews import LONGEST_NAME, LONGEST_NOTE, reviews_csv
from sightline.viewer.table import Question
from sightline.viewer.theme import theme_css
from sightline.viewer.uploads import TooLargeError

_log = logging.getLogger(__name__)
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_LONGEST_BODY = 64 * 1024  # of a review
_BYTES = "application/octet-stream"


def create_app(desk: Desk, *, hosts: frozenset[str], numbers: bool = False, token: str = "") -> App:
    """Make the application.

    Args:
        desk: answers its questions.
        hosts: names that a `Host` header may have.
        numbers: whether it may be an address in numbers, too.
        token: that each request must carry; empty for none.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.get_running_loop().run_in_executor(None, desk.warm_up)
        yield
        desk.close()
        warming.cancel()

    app = FastAPI(title="Sightline", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.add_exception_handler(SightlineError, _say_what_is_wrong)
    app.include_router(_page())
    app.include_router(_cases(desk))
    app.include_router(_subjects(desk))
    app.include_router(_reviews(desk))
    app.include_router(_uploads(desk))
    return Guard(app, hosts=hosts, numbers=numbers, token=token)


async def _say_what_is_wrong(_: Request, error: Exception) -> Response:
    status = 413 if isinstance(error, TooLargeError) else 404 if isinstance(error, DataNotFoundError) else 422
    return JSONResponse({"error": str(error)}, status)


def _page() -> APIRouter:
    """The page itself: files that are known beforehand, so that no path is ever made of what is asked."""
    router = APIRouter()
    folder = files("sightline.viewer") / "static"
    kept = {item.name: item.read_bytes() for item in folder.iterdir() if PurePath(item.name).suffix in _TYPES}
    kept["theme.css"] = theme_css().encode()

    def send(name: str) -> Response:
        if name not in kept:
            return JSONResponse({"error": "no such file"}, 404)
        return Response(kept[name], media_type=_TYPES[PurePath(name).suffix], headers={"cache-control": "no-cache"})

    router.get("/")(lambda: send("index.html"))
    router.get("/static/{name}")(send)
    return router


def _cases(desk: Desk) -> APIRouter:
    """The list."""
    router = APIRouter(prefix="/api")

    @router.get("/overview")
    def overview() -> dict[str, Any]:
        return answers.overview(desk)

    @router.get("/cases")
    def cases(
        question: Annotated[Question, Depends(Question)], mark: str = "", offset: int = 0, limit: int = 50
    ) -> dict[str, Any]:
        return listing.rows(desk, question, mark, max(0, offset), min(max(1, limit), 200))

    @router.get("/place/{key}")
    def place(key: str, question: Annotated[Question, Depends(Question)], mark: str = "") -> dict[str, Any]:
        return listing.place(desk, question, mark, key)

    return router


def _subject(key: str, run: str = "", bias: str = "on") -> Subject:
    return Subject(key, run, bias_named(bias))


def _subjects(desk: Desk) -> APIRouter:
    """One image: what is known about it, its planes, and maps of it."""
    router = APIRouter(prefix="/api/subjects/{key}")
    one = Annotated[Subject, Depends(_subject)]
    turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @router.get("")
    def about(subject: one) -> dict[str, Any]:
        return answers.about(desk, subject)

    @router.get("/picture")
    def picture(subject: one) -> dict[str, Any]:
        return answers.picture(desk, subject)

    @router.get("/answer")
    def answer(subject: one) -> dict[str, Any]:
        return answers.answer(desk, subject)

    @router.get("/thumbnail")
    def thumbnail(subject: one) -> Response:
        return Response(answers.thumbnail(desk, subject), media_type="image/png")

    @router.get("/plane/{plane}/{at}")
    def plane(subject: one, plane: Plane, at: int) -> Response:
        return Response(answers.plane(desk, subject, plane, at), media_type=_BYTES)

    @router.get("/outline/{plane}/{at}")
    def outline(subject: one, plane: Plane, at: int, of: int = 0) -> dict[str, Any]:
        return answers.outlines(desk, subject, plane, at, of)

    @router.get("/map")
    async def heat(request: Request, subject: one, method: str, of: int, smooth: bool = False) -> dict[str, Any]:
        async with turns[subject.run]:  # a map takes all cores: one at a time, and none that nobody waits for
            if await request.is_disconnected():
                return {}
            return await run_in_threadpool(answers.heat, desk, subject, method, of, smooth)

    @router.get("/map/{plane}/{at}")
    def heat_plane(subject: one, plane: Plane, at: int, method: str, of: int, smooth: bool = False) -> Response:
        return Response(answers.heat_plane(desk, subject, plane, at, method, of, smooth), media_type=_BYTES)

    return router


def _reviews(desk: Desk) -> APIRouter:
    """What reviewers say."""
    router = APIRouter(prefix="/api")

    @router.put("/reviews")
    async def put(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST_BODY:
                raise TooLargeError(f"a review has at most {LONGEST_NOTE} letters, and a name {LONGEST_NAME}")
        review = answers.review_of(bytes(body), request.headers.get("content-type", ""))
        return JSONResponse(answers.plain_review(await run_in_threadpool(desk.put, review)))

    @router.get("/reviews.csv")
    def download() -> Response:
        text = reviews_csv(desk.all_reviews())
        headers = {"content-disposition": 'attachment; filename="reviews.csv"'}
        return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _uploads(desk: Desk) -> APIRouter:
    """Images that are dropped in: the body is the file, so that nothing of it is parsed on the way."""
    router = APIRouter(prefix="/api/uploads")

    @router.post("")
    async def post(request: Request, name: str = "") -> Response:
        if request.headers.get("content-type") != _BYTES:
            return JSONResponse({"error": f"send the file as it is, as {_BYTES}"}, 415)
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > desk.uploads.most_bytes:
            raise TooLargeError(f"the file is larger than {desk.uploads.most_bytes / 2**20:g} MiB")
        upload = await desk.uploads.receive(name, request.stream())
        return JSONResponse({"key": upload.key, "name": upload.name})

    @router.delete("/{key}")
    def delete(key: str) -> Response:
        desk.forget_upload(key)
        return Response(status_code=204)

    return router
