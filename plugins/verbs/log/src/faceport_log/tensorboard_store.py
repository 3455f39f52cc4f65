"""Runs as TensorBoard reads them: a folder of events for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faceport.errors import MissingError
from faceport.files import disk_errors, expand, temporary_beside
from faceport_log.entry import Entry

HPARAMS = "hparams"  # the page that compares runs
START, EXPERIMENT, END = (
    f"_hparams_/{name}" for name in ("session_start_info", "experiment", "session_end_info")
)


class TensorboardStore:
    """A folder that TensorBoard is started on."""

    def __init__(self, folder: str) -> None:
        try:
            import tensorboard.summary.writer.event_file_writer  # noqa: F401
        except ImportError as error:
            raise MissingError(
                "tensorboard= needs TensorBoard: pip install 'faceport-log[tensorboard]'"
            ) from error
        self._folder = expand(folder)
        self.place = str(self._folder)

    def has(self, entry: Entry) -> bool:
        """Tell whether a record was handed over before."""
        return self._of(entry).is_dir()

    def add(self, entry: Entry) -> None:
        """Write the events of a record, and a copy of it beside them."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        place = self._of(entry)
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = temporary_beside(place)
            aside.mkdir()
            writer = EventFileWriter(str(aside))
            for summary in (*_scalars(entry), *_hparams(entry)):
                writer.add_event(Event(step=0, wall_time=entry.written or 0.0, summary=summary))
            writer.close()
            for path in entry.files:
                shutil.copyfile(path, aside / path.name)
            aside.rename(place)

    def _of(self, entry: Entry) -> Path:
        return self._folder / f"{entry.name}-{entry.key[:8]}"


def _scalars(entry: Entry) -> Iterator[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    for key, value in entry.metrics.items():
        yield Summary(value=[Summary.Value(tag=key.replace(".", "/", 1), simple_value=value)])


def _hparams(entry: Entry) -> Iterator[Any]:
    """Say what the options were, for the page that compares runs."""
    from tensorboard.plugins.hparams.api_pb2 import (
        DATA_TYPE_STRING,
        STATUS_FAILURE,
        STATUS_SUCCESS,
        Experiment,
        HParamInfo,
        MetricInfo,
        MetricName,
    )
    from tensorboard.plugins.hparams.plugin_data_pb2 import (
        HParamsPluginData,
        SessionEndInfo,
        SessionStartInfo,
    )

    when = entry.written or 0.0
    experiment = Experiment(
        hparam_infos=[HParamInfo(name=key, type=DATA_TYPE_STRING) for key in entry.parameters],
        metric_infos=[MetricInfo(name=MetricName(tag=key.replace(".", "/", 1))) for key in entry.metrics],
    )
    start = SessionStartInfo(group_name=entry.name, start_time_secs=when)
    for key, text in entry.parameters.items():
        start.hparams[key].string_value = text
    end = SessionEndInfo(status=STATUS_SUCCESS if entry.done else STATUS_FAILURE, end_time_secs=when)
    yield _note(EXPERIMENT, HParamsPluginData(experiment=experiment))
    yield _note(START, HParamsPluginData(session_start_info=start))
    yield _note(END, HParamsPluginData(session_end_info=end))


def _note(tag: str, content: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

    about = SummaryMetadata.PluginData(plugin_name=HPARAMS, content=content.SerializeToString())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=about))])
