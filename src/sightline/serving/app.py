"""The service's endpoints and their OpenAPI description."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from sightline import __version__
from sightline.answering import Answerer
from sightline.errors import MissingExtraError, SightlineError
from sightline.serving import answers
from sightline.serving.content import MEDIA
from sightline.serving.guard import Guard, busy, refused
from sightline.serving.limits import Limits
from sightline.serving.metrics import MEDIA_TYPE, Metrics
from sightline.serving.questions import offered
from sightline.serving.service import Service
from sightline.serving.uploads import FORM

_log = logging.getLogger(__name__)
_MOST_NUMBERS = 1 << 20  # of a map as JSON
_WORDS = {
    400: "The request is malformed.",
    401: "The token is missing or wrong.",
    403: "Called by a name, or from a page, that is not known here.",
    408: "The body did not come in time.",
    413: "The body is too large, or has too many files.",
    415: "A file is none that is read here, or is not what it was sent as.",
    422: "The file cannot be used, or a parameter is wrong.",
    503: "There is no room or no time; try again after `Retry-After` seconds.",
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "model": answers.Refusal} for status, words in _WORDS.items()
}
_BINARY = {"type": "string", "format": "binary"}


def _body(several: bool) -> dict[str, Any]:
    files = {"type": "array", "items": _BINARY, "minItems": 1} if several else _BINARY
    form = {"type": "object", "properties": {"file": files}, "required": ["file"], "additionalProperties": False}
    content = {FORM: {"schema": form}} | {media: {"schema": _BINARY} for media in MEDIA}
    return {"requestBody": {"required": True, "content": content}}


def make_app(
    answerer: Answerer,
    *,
    limits: Limits | None = None,
    token: str = "",
    hosts: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> FastAPI:
    """Make the application of a service, to be run by any ASGI server.

    Args:
        answerer: the run that answers.
        limits: of a request; by default those for the images or volumes of the run.
        token: that requests must bear; empty for none.
        hosts: names by which the service may be called; empty for any.
        methods: of explanation that are offered, or `all`; by default those of a few passes through the model.

    Raises:
        SettingsError: there is no such method.
    """
    limits, metrics = limits or Limits.of(answerer.axes), Metrics()
    service = Service(answerer, limits=limits, methods=offered(methods), metrics=metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title=f"Sightline: {answerer.name}",
        version=__version__,
        description=f"Predictions and explanations of one trained classifier. {answers.NOTICE}",
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Guard, limits=limits, metrics=metrics, token=token, hosts=tuple(hosts))
    _refuse_in_one_line(app)
    _say_how_it_is(app, service)
    _answer(app, service)
    return app


def _answer(app: FastAPI, service: Service) -> None:
    answerer = service.answerer

    @app.post("/predict", openapi_extra=_body(several=True), responses=_REFUSALS)
    async def predict(request: Request) -> answers.PredictionsBody:
        """Which class is on each image: files of a form, or one file as the body."""
        found = await service.predict(request)
        return answers.PredictionsBody(
            model=answerer.name,
            weights_sha256=answerer.checksum,
            predictions=[answers.prediction_body(answerer, answer, upload.shown) for upload, answer in found],
        )

    shapes: Mapping[str, Any] = {
        "image/png": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
        "application/json": {"schema": answers.MapBody.model_json_schema()},
    }
    drawn_as: dict[int | str, dict[str, Any]] = {200: {"description": "The map.", "content": shapes}}

    @app.post("/explain", openapi_extra=_body(several=False), response_class=Response, responses=_REFUSALS | drawn_as)
    async def explain(
        request: Request,
        method: Annotated[str, Query(description="a method of `/model`", max_length=100)] = "lrp",
        target: Annotated[
            str, Query(description="`predicted`, or a class by name or index", max_length=200)
        ] = "predicted",
        options: Annotated[str, Query(description="of the method, a JSON object", max_length=2048)] = "{}",
        form: Annotated[Literal["png", "json", "npy"], Query(alias="format", description="of the answer")] = "png",
    ) -> Response:
        """Where the model looked in an image: a picture, or the signed map itself."""
        upload, drawn = await service.explain(request, method, target, options)
        if form == "json":
            if drawn.attribution.size > _MOST_NUMBERS:
                raise HTTPException(422, f"a map of {drawn.attribution.size} values is too long for JSON; ask for npy")
            body = await asyncio.to_thread(lambda: answers.map_body(answerer, drawn, upload.shown).model_dump_json())
            return Response(body, media_type="application/json")
        make, media = (answers.picture, "image/png") if form == "png" else (answers.array, "application/octet-stream")
        return Response(await asyncio.to_thread(make, drawn), media_type=media, headers=answers.about(answerer, drawn))


def _say_how_it_is(app: FastAPI, service: Service) -> None:
    answerer, limits = service.answerer, service.limits

    @app.get("/health")
    async def health() -> answers.State:
        """Whether the process lives."""
        return answers.State(status="ok")

    @app.get("/ready", responses={503: {"description": "It begins or ends.", "model": answers.Refusal}})
    async def ready() -> answers.State:
        """Whether it can answer."""
        if not service.ready:
            raise HTTPException(503, "the server is not ready", {"retry-after": "1"})
        return answers.State(status="ready")

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)

    @app.get("/model")
    async def model() -> answers.ModelCard:
        """What answers, and what it takes."""
        return answers.ModelCard(
            name=answerer.name,
            task=answerer.task,
            classes=list(answerer.classes),
            axes=answerer.axes,
            channels=answerer.channels,
            weights_sha256=answerer.checksum,
            methods=[answers.method_card(method) for method in service.methods.values()],
            max_bytes=limits.max_bytes,
            max_pixels=limits.max_pixels,
            max_files=limits.max_files,
        )


def _refuse_in_one_line(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def known(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 - an HTTPException
        return refused(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: Any) -> JSONResponse:  # noqa: ANN401 - a RequestValidationError
        return refused(422, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()))

    @app.exception_handler(SightlineError)
    async def unfit(_: Request, error: Exception) -> JSONResponse:
        return refused(415 if isinstance(error, MissingExtraError) else 422, str(error))

    @app.exception_handler(TimeoutError)
    async def late(_: Request, __: Exception) -> JSONResponse:
        return busy("no time was left to answer; try again")

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: Exception) -> JSONResponse:
        return refused(400, "the client went away")  # which nobody reads

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return refused(500, f"the server failed ({type(error).__name__}); its log says more")
