"""Runs in an MLflow store: a file or a server."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from faceport.errors import FaceportError, MissingError
from faceport_log.entry import Entry

FILE = "sqlite:///"  # how the address of a store in a file begins
AT_ONCE = 90  # parameters or metrics in one call; MLflow takes a hundred parameters
_STRANGE = re.compile(r"[^\w\-. :/]")  # letters that names in MLflow must not have


class MlflowStore:
    """An experiment in MLflow."""

    def __init__(self, address: str, experiment: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody is told what is kept
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingError("mlflow= needs MLflow: pip install 'faceport-log[mlflow]'") from error
        self._error = MlflowException
        try:
            self._client: Any = MlflowClient(tracking_uri=address)
            found = self._client.get_experiment_by_name(experiment)
            self._id = (
                found.experiment_id
                if found
                else self._client.create_experiment(experiment, artifact_location=_beside(address))
            )
        except (MlflowException, OSError, ValueError, ModuleNotFoundError) as error:
            raise FaceportError(
                f"mlflow={address} cannot be used: {_first_sentence(error)}. A store in a file is "
                "mlflow=sqlite:///mlflow.db, a server mlflow=http://HOST:PORT"
            ) from error
        self.place = f"{address}, experiment {experiment}"

    def has(self, entry: Entry) -> bool:
        """Tell whether a record was handed over before."""
        query = f"tags.`faceport.record` = '{entry.key}'"
        return bool(self._client.search_runs([self._id], filter_string=query, max_results=1))

    def add(self, entry: Entry) -> None:
        """Make a run of a record."""
        from mlflow.entities import Metric, Param

        when = round(1000 * entry.written) if entry.written is not None else None
        run = self._client.create_run(self._id, start_time=when, tags=dict(entry.tags), run_name=entry.name)
        name = run.info.run_id
        try:
            for some in _portions(entry.parameters):
                self._client.log_batch(name, params=[Param(_named(key), text) for key, text in some])
            for some in _portions(entry.metrics):
                metrics = [Metric(_named(key), value, when or 0, 0) for key, value in some]
                self._client.log_batch(name, metrics=metrics)
            for path in entry.files:
                self._client.log_artifact(name, str(path))
        except self._error as error:
            self._client.delete_run(name)  # half a run would be taken for a whole one
            raise FaceportError(f"MLflow did not take {entry.name}: {_first_sentence(error)}") from error
        self._client.set_terminated(name, "FINISHED" if entry.done else "FAILED", end_time=when)


def _beside(address: str) -> str | None:
    """Keep files beside a store that is a file; a server has a place of its own."""
    if not address.startswith(FILE):
        return None
    return (Path(address.removeprefix(FILE)).absolute().parent / "mlruns").as_uri()


def _portions(values: Mapping[str, Any]) -> Iterator[Sequence[tuple[str, Any]]]:
    items = iter(values.items())
    while some := [*islice(items, AT_ONCE)]:
        yield some


def _named(key: str) -> str:
    return _STRANGE.sub("_", key)


def _first_sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
