import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.serving.metrics import SECONDS, Histogram, Metrics


@given(st.lists(st.floats(0, 100), max_size=30))
def test_a_histogram_counts_what_is_at_most_its_bounds(values: list[float]) -> None:
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(value)
    lines = histogram.lines("t", 'path="/"')
    for bound, line in zip(SECONDS, lines, strict=False):
        assert line == f't_bucket{{path="/",le="{bound:g}"}} {sum(value <= bound for value in values)}'
    assert lines[len(SECONDS)] == f't_bucket{{path="/",le="+Inf"}} {len(values)}'
    assert float(lines[-2].split()[1]) == pytest.approx(sum(values), abs=1e-5)
    assert lines[-1] == f't_count{{path="/"}} {len(values)}'


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.answered("/predict", 200, 0.02)
    metrics.answered("/predict", 200, 7.0)
    metrics.answered("/predict", 413, 0.001)
    metrics.maps["lrp"] += 1
    metrics.batches.add(3)
    text = metrics.text()
    assert text.endswith("\n")
    for line in text.splitlines():
        name = line.split("{")[0].split()[0 if not line.startswith("#") else 2]
        assert name.startswith("sightline_")
    assert 'sightline_requests_total{path="/predict",status="200"} 2' in text
    assert 'sightline_request_seconds_bucket{path="/predict",le="0.025"} 2' in text
    assert 'sightline_request_seconds_sum{path="/predict"} 7.021000' in text
    assert 'sightline_batch_images_bucket{le="2"} 0' in text
    assert 'sightline_batch_images_bucket{le="4"} 1' in text
    assert text.count("# TYPE sightline_request_seconds histogram") == 1


def test_a_peer_reads_the_same_numbers() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    metrics = Metrics()
    metrics.answered("/predict", 200, 0.02)
    families = {family.name: family for family in parser.text_string_to_metric_families(metrics.text())}
    (sample,) = families["sightline_requests"].samples
    assert (sample.labels, sample.value) == ({"path": "/predict", "status": "200"}, 1.0)
