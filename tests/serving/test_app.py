import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from sightline.answering import Answerer
from sightline.reporting.overlay import heatmap_overlay


def parts(files: list[Path]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("file", (file.name, file.read_bytes(), "image/png")) for file in files]


def test_predictions_are_those_of_the_library(client: TestClient, answerer: Answerer, files: list[Path]) -> None:
    told = client.post("/predict", files=parts(files[:3])).json()
    assert told["model"] == "plain"
    assert told["weights_sha256"] == answerer.checksum
    assert "not a medical device" in told["notice"]
    for file, body, answer in zip(files, told["predictions"], answerer.predict(files[:3]), strict=False):
        assert body["name"] == file.name
        assert list(body["probabilities"]) == list(answerer.classes)
        np.testing.assert_allclose(list(body["probabilities"].values()), answer.probabilities, rtol=1e-5)
        np.testing.assert_allclose(list(body["logits"].values()), answer.logits, rtol=1e-4, atol=1e-6)
        assert body["predicted"] == [answerer.classes[int(answer.probabilities.argmax())]]
        assert body["warnings"] == []


@pytest.mark.parametrize("media", ["application/octet-stream", "image/png", "IMAGE/PNG; x=y", None])
def test_a_file_may_be_the_body(client: TestClient, answerer: Answerer, files: list[Path], media: str | None) -> None:
    reply = client.post("/predict", content=files[0].read_bytes(), headers={"content-type": media} if media else {})
    (body,) = reply.json()["predictions"]
    (answer,) = answerer.predict(files[:1])
    np.testing.assert_allclose(list(body["logits"].values()), answer.logits, rtol=1e-4, atol=1e-6)


def test_questions_at_once_are_answered_as_one_by_one(
    start: Callable[..., TestClient], answerer: Answerer, files: list[Path]
) -> None:
    client = start(answerer, window_s=0.2, readers=2)
    alone = [client.post("/predict", files=parts([file])).json()["predictions"][0]["logits"] for file in files]
    with ThreadPoolExecutor(len(files)) as pool:
        together = list(pool.map(lambda file: client.post("/predict", files=parts([file])).json(), files))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(
            list(one.values()), list(other["predictions"][0]["logits"].values()), rtol=1e-4, atol=1e-6
        )
    passes = _metric(client, "sightline_batch_images_count")
    images = _metric(client, "sightline_batch_images_sum")
    assert images == 2 * len(files)
    assert passes < images, "some went through the model together"


def _metric(client: TestClient, name: str) -> float:
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name + " ")]
    return float(line.split()[1])


def test_maps_are_those_of_the_library(client: TestClient, answerer: Answerer, files: list[Path]) -> None:
    expected = answerer.explain(files[0], "grad_cam", "effusion")
    asked = {"method": "grad_cam", "target": "effusion"}

    def ask(form: str) -> bytes:
        reply = client.post("/explain", params=asked | {"format": form}, files=parts(files[:1]))
        assert reply.status_code == 200, reply.text
        if form != "json":
            assert reply.headers["x-sightline-target"] == "effusion"
            assert float(reply.headers["x-sightline-probability"]) == pytest.approx(expected.probabilities[2], rel=1e-4)
        return reply.content

    scale = np.abs(expected.attribution).max()
    array = np.load(io.BytesIO(ask("npy")), allow_pickle=False)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, expected.attribution, rtol=1e-4, atol=1e-5 * scale)
    told = json.loads(ask("json"))
    np.testing.assert_allclose(told["attribution"], expected.attribution, rtol=1e-4, atol=1e-5 * scale)
    assert (told["target"], told["target_index"], told["shape"]) == ("effusion", 2, [32, 32])
    assert (told["method"], told["name"]) == ("grad_cam", files[0].name)
    picture = np.asarray(Image.open(io.BytesIO(ask("png"))))
    drawn = heatmap_overlay(expected.image, expected.attribution, size=448)
    assert np.abs(picture.astype(int) - drawn).mean() < 0.5


def test_a_volume_is_answered_too(
    start: Callable[..., TestClient], volume_run: Path, npy: Callable[..., bytes], tmp_path: Path
) -> None:
    answerer = Answerer.open(volume_run)
    client = start(answerer)
    body = npy(np.random.default_rng(0).integers(0, 256, (32, 32, 32)).astype(np.uint16))
    (tmp_path / "v.npy").write_bytes(body)
    (answer,) = answerer.predict([tmp_path / "v.npy"])
    (told,) = client.post("/predict", content=body).json()["predictions"]
    np.testing.assert_allclose(list(told["probabilities"].values()), answer.probabilities, rtol=1e-5)
    drawn = np.load(io.BytesIO(client.post("/explain?format=npy", content=body).content))
    expected = answerer.explain(tmp_path / "v.npy").attribution
    np.testing.assert_allclose(drawn, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    picture = Image.open(io.BytesIO(client.post("/explain", content=body).content))
    assert picture.size == (448, 448)
    assert client.get("/model").json()["axes"] == 3


def test_the_service_says_what_it_is(client: TestClient, answerer: Answerer) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    card = client.get("/model").json()
    assert card["classes"] == list(answerer.classes)
    assert card["weights_sha256"] == answerer.checksum
    assert (card["name"], card["task"], card["axes"], card["channels"]) == ("plain", "multiclass", 2, 1)
    assert {"lrp", "grad_cam"} <= {method["name"] for method in card["methods"]}
    assert "rise" not in {method["name"] for method in card["methods"]}
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/explain", "/health", "/ready", "/metrics", "/model"}
    assert "multipart/form-data" in described["paths"]["/predict"]["post"]["requestBody"]["content"]


def test_metrics_count_what_happened(start: Callable[..., TestClient], answerer: Answerer, files: list[Path]) -> None:
    client = start(answerer)
    client.post("/predict", files=parts(files[:2]))
    client.post("/explain", files=parts(files[:1]))
    client.post("/predict", content=b"none")
    client.get("/a/secret/name")
    text = client.get("/metrics").text
    for line in (
        'sightline_requests_total{path="/predict",status="200"} 1',
        'sightline_requests_total{path="/predict",status="415"} 1',
        'sightline_requests_total{path="other",status="404"} 1',
        'sightline_request_seconds_count{path="/explain"} 1',
        'sightline_request_seconds_bucket{path="/explain",le="+Inf"} 1',
        'sightline_maps_total{method="lrp"} 1',
        "sightline_batch_images_sum 2.000000",
        "sightline_in_flight 0",
    ):
        assert line in text.splitlines()
    assert "secret" not in text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"method": "gradcam"}, "method 'gradcam' is not offered here; offered are attention_rollout, cam"),
        ({"method": "rise"}, "method 'rise' is not offered here"),
        ({"target": "nodul"}, "no class 'nodul'; there are normal, pneumonia, effusion"),
        ({"target": "-1"}, "no class '-1'"),
        ({"options": "{"}, "options must be a JSON object"),
        ({"options": "[1]"}, "options must be a JSON object"),
        ({"options": '{"epsilon": -1}'}, "lrp: epsilon: must be at least 0"),
        ({"options": '{"epsilon": NaN}'}, "options must be a JSON object"),
        ({"format": "gif"}, "format: Input should be 'png', 'json' or 'npy'"),
        ({"method": "m" * 101}, "method: String should have at most 100 characters"),
        ({"method": "attention_rollout"}, ""),
    ],
)
def test_a_wrong_question_is_refused_in_one_line(
    client: TestClient, files: list[Path], query: dict[str, str], message: str
) -> None:
    reply = client.post("/explain", params=query, files=parts(files[:1]))
    assert reply.status_code == 422
    assert list(reply.json()) == ["error"]
    assert message in reply.json()["error"]
    assert "\n" not in reply.json()["error"]


def test_an_explanation_that_takes_too_long_is_given_up(
    start: Callable[..., TestClient], answerer: Answerer, files: list[Path]
) -> None:
    client = start(answerer, timeout_s=2.0, methods=["rise", "lrp"])
    query = {"method": "rise", "options": '{"masks": 4000, "batch_size": 1}'}
    reply = client.post("/explain", params=query, files=parts(files[:1]))
    assert reply.status_code in (422, 503)
    assert "took longer than" in reply.json()["error"] or reply.headers["retry-after"] == "1"
    assert client.post("/explain", files=parts(files[:1])).status_code == 200


def test_a_failure_of_ours_is_one_line_without_its_words(
    client: TestClient, answerer: Answerer, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("in /home/somebody")

    with monkeypatch.context() as patch:
        patch.setattr("sightline.answering.answerer.classify", fail)
        reply = client.post("/predict", files=parts(files[:1]))
    assert reply.status_code == 500
    assert reply.json() == {"error": "the server failed (RuntimeError); its log says more"}
    assert client.post("/predict", files=parts(files[:1])).status_code == 200
