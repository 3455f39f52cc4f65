"""What a model's card says was published, beside what a run measured, and why the two cannot agree.

An entry of `card.accuracy` takes part with `numbers` (METRIC.NUMBER: as it was printed) and `match` (options
of a run, dotted as they are typed). A run on another dataset is no run of its protocol; any other difference
is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from faceport.plugins.index import installed
from faceport.runs.chosen import NAME
from faceport.runs.published import Printed, option, printed
from faceport.runs.record import Record

PUBLISHED = "Published: "  # how its notes begin
PROTOCOL = ("dataset", "dataset.split")  # what makes it another protocol


def published_notes(record: Record) -> list[str]:
    """Write a sentence for each protocol of the card that a run followed, in all or in part."""
    model = record.config.get("model") or {}
    choice = installed().get("model", str(model.get(NAME)))
    if choice is None or record.untrained or not record.metrics:
        return []
    entries = (entry for entry in choice.card.get("accuracy") or () if {"match", "numbers"} <= {*entry})
    return [note for entry in entries if (note := _note(record, entry, choice.card))]


def _note(record: Record, entry: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Write what was published and what was measured; nothing where that is another protocol."""
    match = {str(key): value for key, value in entry["match"].items()}
    if any(str(option(record.config, key)) != str(match[key]) for key in PROTOCOL if key in match):
        return ""
    numbers = [(key, printed(text, f"card.accuracy: {key}")) for key, text in entry["numbers"].items()]
    pairs = [
        f"{key} {one.text} (here {_alike(own, one)})"
        for key, one in numbers
        if (own := _own(record, str(key))) is not None
    ]
    if not pairs:
        return ""
    reasons = [*_differences(record, match), *_other_weights(record, card)]
    why = f"They need not agree, for {'; '.join(reasons)}" if reasons else "The protocol is the same"
    return f"{PUBLISHED}{', '.join(pairs)}; {entry['protocol']}; {entry.get('source', '')}. {why}"


def _own(record: Record, key: str) -> float | None:
    metric, _, name = key.partition(".")
    value = record.metrics.get(metric, {}).get(name)
    return value if isinstance(value, float) else None


def _alike(value: float, published: Printed) -> str:
    """Write a number with the digits and the unit that the published one has."""
    digits = len(published.text.rstrip("kMG%").partition(".")[2])
    percent = published.text.endswith("%")
    return f"{100 * value:.{digits}f}%" if percent else f"{value:.{digits}f}"


def _differences(record: Record, match: Mapping[str, Any]) -> Iterator[str]:
    """Say which options differ, and which pictures are not there."""
    config = record.config
    for key, wanted in match.items():
        if key.startswith("metric.") and not config.get("metric"):
            continue  # the dataset's own metrics run as they come
        own = option(config, key)
        if str(own) != str(wanted):
            yield f"{key} is {'none' if own is None else own}, not {wanted}"
    precision = str(option(config, "target.precision") or "fp32")
    if precision != "fp32":
        yield f"target.precision is {precision}"
    for name in ("limit", "part"):
        if config.get(name):
            yield f"{name}={config[name]} is not all pictures"
    for name, every in (("subset", "null"), ("folds", "null"), ("list", "null")):
        if (config.get("dataset") or {}).get(name) is not None:
            yield f"dataset.{name} is {config['dataset'][name]}, not {every}"
    lacking = record.samples.missing + record.samples.unreadable
    if lacking:
        yield f"{lacking} of {record.samples.total} pictures were not read"


def _other_weights(record: Record, card: Mapping[str, Any]) -> Iterator[str]:
    """Name the networks of the model whose weights are not known to be those that were measured.

    A checkpoint with an `origin` of its own is somebody else's training.
    """
    official = [one for one in card.get("checkpoints") or () if "origin" not in one]
    known = {str(one[key]) for one in official for key in ("url", "sha256") if key in one}
    for name, weights in record.weights.items():
        if not known & {str(weights.get("source")), str(weights.get("sha256"))}:
            yield f"network '{name}' has weights that the card does not know"
