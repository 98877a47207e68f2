"""The questions of the page, asked as the page asks them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from sightline.answering import Answerer
from sightline.data import read_cohort
from sightline.viewer.desk import Desk

SIDE = 24
PLAIN = {"run": "plain"}


def ask(client: TestClient, path: str, **query: Any) -> Any:
    response = client.get(f"/api/{path}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def names(client: TestClient, **query: Any) -> list[str]:
    return [row["name"] for row in ask(client, "cases", run="plain", **query)["rows"]]


def test_the_overview_says_what_there_is(client: TestClient) -> None:
    told = ask(client, "overview")
    assert told["classes"] == ["normal", "effusion"]
    assert [run["name"] for run in told["runs"]] == ["plain", "isnet"]
    assert (told["splits"], told["evaluated"], told["sources"]) == (["train", "test"], ["test"], ["north", "south"])
    assert told["methods"][0]["name"] == "lrp"
    assert (told["gaze"], told["regions"], told["volume"]) == (True, True, False)


def test_filters_leave_the_cases_that_answer_all_of_them(client: TestClient, desk: Desk) -> None:
    cases = read_cohort(desk.view.cohort.root).cases
    truth = {case.id: desk.view.cohort.classes[case.label] for case in cases}  # type: ignore[index]  # multiclass
    assert len(names(client)) == 9
    assert set(names(client, split="train")) == {"case-0", "case-1"}
    assert set(names(client, label="effusion")) == {name for name, label in truth.items() if label == "effusion"}
    assert set(names(client, source="south")) == {case.id for case in cases if case.source == "south"}
    known = desk.view.runs["plain"].evaluations
    predictions = next(iter(known.values())).predictions
    wrong = {
        case
        for case, of, label in zip(predictions.cases, predictions.predicted, predictions.labels, strict=True)
        if of != label
    }
    assert set(names(client, judged="wrong")) == wrong
    assert set(names(client, judged="right")) == set(predictions.cases) - wrong
    assert set(names(client, judged="unknown")) == {"case-0", "case-1"}
    outside = dict(zip(predictions.cases, 1 - predictions.relevance_inside, strict=True))
    half = float(np.median(list(outside.values())))
    assert set(names(client, outside=half)) == {case for case, share in outside.items() if share >= half}
    assert set(names(client, predicted="normal", label="effusion")) == {c for c in wrong if truth[c] == "effusion"}
    assert names(client, text="BOLD") == ["<b>bold</b>"]
    assert client.get("/api/cases", params={"label": "nothing"}).status_code == 422


def test_the_order_is_that_of_the_column_and_what_is_unknown_comes_last(client: TestClient) -> None:
    for descending in (False, True):
        rows = ask(client, "cases", run="isnet", sort="outside", descending=descending)["rows"]
        shares = [row["answers"]["isnet"]["outside"] for row in rows if "isnet" in row["answers"]]
        assert shares == sorted(shares, reverse=descending)
        assert [row["split"] for row in rows[-2:]] == ["train", "train"]
        apart = [row["apart"] for row in ask(client, "cases", sort="apart", descending=descending)["rows"]]
        assert apart[:7] == sorted(apart[:7], reverse=descending)
        assert apart[7:] == [None, None]


def test_disagreement_is_the_largest_difference_of_a_probability(client: TestClient, desk: Desk) -> None:
    one, other = (next(iter(run.evaluations.values())).predictions for run in desk.view.runs.values())
    for row in ask(client, "cases", split="test")["rows"]:
        at = one.cases.index(row["name"])
        assert row["apart"] == pytest.approx(np.abs(one.probabilities[at] - other.probabilities[at]).max())
    differ = {case for case, a, b in zip(one.cases, one.predicted, other.predicted, strict=True) if a != b}
    assert set(names(client, differ=True)) == differ


def test_pages_cover_the_list_once(client: TestClient) -> None:
    pages = [ask(client, "cases", offset=start, limit=4)["rows"] for start in (0, 4, 8)]
    assert [len(page) for page in pages] == [4, 4, 1]
    assert len({row["key"] for page in pages for row in page}) == 9


def test_neighbours_are_those_of_the_filtered_list(client: TestClient) -> None:
    found = [row["key"] for row in ask(client, "cases", label="effusion")["rows"]]
    place = ask(client, f"place/{found[1]}", label="effusion")
    assert place == {"position": 1, "total": 4, "previous": int(found[0]), "next": int(found[2])}
    assert ask(client, "place/0", label="effusion")["position"] is None


def test_planes_are_the_image_and_the_map_that_the_model_gives(client: TestClient, images: Path, desk: Desk) -> None:
    case = desk.view.cohort.cases[4]
    answerer = Answerer.open(images / "plain")
    expected = answerer.explain(case.image, "lrp", 1)
    image = client.get("/api/subjects/4/plane/axial/0", params=PLAIN).content
    pixels = np.frombuffer(image, "<u2").reshape(SIDE, SIDE) / 65535
    np.testing.assert_allclose(pixels, expected.image[0], atol=1 / 65535)
    told = ask(client, "subjects/4/map", run="plain", method="lrp", of=1)
    drawn = client.get("/api/subjects/4/map/axial/0", params={**PLAIN, "method": "lrp", "of": 1}).content
    values = np.frombuffer(drawn, "<i2").reshape(SIDE, SIDE) * told["peak"] / 32767
    np.testing.assert_allclose(values, expected.attribution, atol=told["peak"] / 32767)
    region = np.zeros((SIDE, SIDE))
    region[6:18, 4:20] = 1
    inside = np.abs(expected.attribution[region == 1]).sum() / np.abs(expected.attribution).sum()
    assert told["inside"] == pytest.approx(inside, abs=1e-4)


def test_a_map_is_drawn_once_and_kept_on_disk(client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(client, "subjects/5/map", run="plain", method="gradient_times_input", of=0)
    assert len(list(desk.stores["plain"].folder.glob("*.npz"))) == 1
    desk._maps.forget(lambda key: True)
    monkeypatch.setattr("sightline.viewer.desk.draw", lambda *_, **__: pytest.fail("drawn again"))
    assert ask(client, "subjects/5/map", run="plain", method="gradient_times_input", of=0) == first


def test_a_damaged_map_is_drawn_again(client: TestClient, desk: Desk) -> None:
    first = ask(client, "subjects/5/map", run="plain", method="lrp", of=0)
    (kept,) = desk.stores["plain"].folder.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    desk._maps.forget(lambda key: True)
    again = ask(client, "subjects/5/map", run="plain", method="lrp", of=0)
    assert {**again, "seconds": 0} == {**first, "seconds": 0}


def test_a_method_that_cannot_explain_the_model_says_so(client: TestClient) -> None:
    told = ask(client, "subjects/4/map", run="plain", method="attention_rollout", of=0)
    assert "problem" in told
    assert len(told["problem"].splitlines()) == 1


def test_outlines_and_gaze_lie_where_they_are(client: TestClient) -> None:
    told = ask(client, "subjects/4/outline/axial/0", run="plain", of=0)
    numbers = [int(word) for word in told["region"]["path"].replace("M", " ").split()]
    across, down = (np.array(numbers[start::2]) / told["region"]["unit"] for start in (0, 1))
    assert (across.min(), across.max(), down.min(), down.max()) == pytest.approx((4, 20, 6, 18), abs=0.6)
    assert told["gaze"]["path"]
    picture = ask(client, "subjects/4/picture", run="plain")
    assert picture["fixations"] == [[0.5, 0.5, 0.5], [0.25, 0.25, 0.2]]
    assert ask(client, "subjects/5/picture", run="plain")["gaze"] is False


def test_an_answer_is_that_of_the_evaluation_else_the_model_is_asked(client: TestClient, images: Path) -> None:
    kept = ask(client, "subjects/4/answer", run="plain")
    asked = ask(client, "subjects/0/answer", run="plain")
    answerer = Answerer.open(images / "plain")
    cohort = read_cohort(images / "cohort")
    for told, index, source in ((kept, 4, "evaluation"), (asked, 0, "now")):
        (prediction,) = answerer.predict([cohort.cases[index].image])
        assert told["probabilities"] == pytest.approx(prediction.probabilities.tolist(), abs=1e-5)
        assert told["source"] == source
    assert kept["observed"] == [None, None]  # fewer than ten patients


def test_a_cohort_alone_shows_images_and_asks_no_model(
    images: Path, open_desk: Callable[..., Desk], client_of: Callable[[Desk], TestClient]
) -> None:
    client = client_of(open_desk(images))
    told = ask(client, "overview")
    assert (told["runs"], told["methods"], told["upload"]) == ([], [], None)
    assert len(ask(client, "cases")["rows"]) == 9
    picture = ask(client, "subjects/4/picture")
    assert picture["shape"] == [1, 512, 512]
    assert picture["gaze"]
    assert ask(client, "subjects/4/outline/axial/0")["region"]["path"]
    assert client.get("/api/subjects/4/thumbnail").headers["content-type"] == "image/png"
    assert "problem" in ask(client, "subjects/4/answer")
    assert client.post("/api/uploads", content=b"x", headers={"content-type": "application/octet-stream"}).status_code
    review = {"run": "", "bias": "on", "case": "case-4", "mark": "wrong place"}
    assert client.put("/api/reviews", json=review).status_code == 200


def test_a_volume_has_three_planes_a_score_a_slice_and_begins_at_its_region(
    volumes: Path, open_desk: Callable[..., Desk], client_of: Callable[[Desk], TestClient]
) -> None:
    client = client_of(open_desk(volumes, "axialnet"))
    about = {"run": "axialnet"}
    picture = ask(client, "subjects/0/picture", **about)
    assert picture["shape"] == [24, 48, 48]
    assert (picture["limits"], picture["units"]) == ([-1000, 800], "HU")
    assert picture["regions"] == [True, False]
    assert picture["starts"][0] in range(10, 14)
    stored = np.load(volumes / "cohort" / "0.npy")
    shown = (stored.clip(-1000, 800) + 1000) / 1800
    for plane, at, expected in (
        ("axial", 11, shown[11]),
        ("coronal", 7, shown[:, 7]),
        ("sagittal", 30, shown[:, :, 30]),
    ):
        content = client.get(f"/api/subjects/0/plane/{plane}/{at}", params=about).content
        values = np.frombuffer(content, "<u2").reshape(expected.shape) / 65535
        np.testing.assert_allclose(values, expected, atol=2e-5)
    answer = ask(client, "subjects/0/answer", **about)
    scores = np.array(answer["slice_scores"])
    assert scores.shape[0] == 2
    logits = Answerer.open(volumes / "axialnet").predict([volumes / "cohort" / "0.npy"])[0].logits
    np.testing.assert_allclose(scores.mean(1), logits, atol=1e-5)
    told = ask(client, "subjects/0/map", **about, method="lrp", of=0)
    assert len(told["positive"]) == len(told["negative"]) == 24
    plane = client.get("/api/subjects/0/map/axial/11", params={**about, "method": "lrp", "of": 0}).content
    values = np.frombuffer(plane, "<i2").astype(float) * told["peak"] / 32767
    assert values.clip(0).sum() == pytest.approx(told["positive"][11], rel=1e-3)
    assert client.get("/api/subjects/0/plane/axial/24", params=about).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "subjects/99/picture",
        "subjects/../picture",
        "subjects/4/plane/oblique/0",
        "subjects/4/picture?run=nobody",
        "subjects/4/picture?bias=maybe",
        "subjects/u0123/picture?run=plain",
        "place/12345678901",
    ],
)
def test_what_is_not_there_is_an_error_of_the_asker(client: TestClient, path: str) -> None:
    assert client.get(f"/api/{path}").status_code in (404, 422)
    assert client.get("/static/../../app.py").status_code == 404
    assert client.get("/static/%2e%2e%2fapp.py").status_code == 404
