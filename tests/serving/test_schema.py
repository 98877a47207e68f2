"""Requests drawn from the OpenAPI description, good and bad ones, never make the server fail."""

import contextlib
import importlib
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

ANSWERS = {200, 400, 404, 405, 406, 413, 415, 422}


@pytest.fixture(scope="module")
def schemathesis() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("schemathesis")
        except ImportError:
            pytest.skip("schemathesis is not installed")


@pytest.mark.filterwarnings("ignore")
def test_no_request_of_the_description_makes_it_fail(schemathesis: Any, server: str) -> None:
    schema = schemathesis.openapi.from_url(server + "/openapi.json")
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            with contextlib.suppress(Unsatisfiable):  # there is nothing to be said wrong where nothing is said
                _ask(operation.as_strategy(generation_mode=mode), seen.setdefault(operation.label, set()))
    assert len(seen) == 6
    assert all(codes and codes <= ANSWERS for codes in seen.values()), seen


def _ask(strategy: Any, codes: set[int]) -> None:
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        reply = case.call()
        codes.add(reply.status_code)
        assert reply.status_code < 500, reply.text

    ask()
