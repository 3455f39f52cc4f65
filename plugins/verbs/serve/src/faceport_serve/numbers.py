"""Numbers for Prometheus: requests, stages, networks, batches, the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from faceport.engine.timing import IN_ENGINE, SERVICE
from faceport.engine.watch import Watch

CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64)
STAGES = {SERVICE: "service", IN_ENGINE: "in_engine"}


class Numbers:
    """Count what happens."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "requests", "Requests answered; 499: nobody waited.", "endpoint", "status"
        )
        self._seconds = self._histogram("request_seconds", "From head to answer.", SECONDS, "endpoint")
        self._stages = self._histogram("stage_seconds", "A picture in each stage.", SECONDS, "model", "stage")
        self._runs = self._histogram("network_seconds", "Runs of a network.", SECONDS, "model", "network")
        self._rows = self._histogram("batch_rows", "Rows that ran together.", ROWS, "model", "network")
        self._dropped = self._counter("frames_dropped", "Camera frames that a newer one replaced.")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"faceport_{name}", what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"faceport_{name}", what, labels, registry=self._registry, buckets=buckets)

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a number that somebody else keeps."""
        Gauge(f"faceport_{name}", what, registry=self._registry).set_function(value)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def dropped(self) -> None:
        """Count a frame that was not looked at."""
        self._dropped.inc()

    def watch(self, model: str) -> Watch:
        """Give an observer for the engine of a model."""
        return _Watching(model, self._stages, self._runs, self._rows)

    def text(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self._registry)


class _Watching(Watch):
    """Fill the histograms of one model."""

    def __init__(self, model: str, stages: Histogram, runs: Histogram, rows: Histogram) -> None:
        self._model, self._stages, self._runs, self._rows = model, stages, runs, rows

    def batch(self, network: str, seconds: float, rows: int) -> None:
        """Count a run of a network."""
        self._runs.labels(self._model, network).observe(seconds)
        self._rows.labels(self._model, network).observe(rows)

    def sample(self, name: str, stages: Sequence[tuple[str, float]]) -> None:
        """Count the stages of a picture; a network asked for by itself is none."""
        if name.startswith("picture"):
            for stage, seconds in stages:
                self._stages.labels(self._model, STAGES.get(stage, stage)).observe(seconds)
