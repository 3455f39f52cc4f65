"""Measure what a model costs on a target, and say whether to believe it."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"bench": "faceport_bench.verb:Bench"}


@hookimpl
def kinds() -> Mapping[str, str]:
    """Name the base class of scenarios."""
    return {"scenario": "faceport_bench.scenario:Scenario"}


@hookimpl
def scenarios() -> Mapping[str, str]:
    """Name the class behind each scenario."""
    return {
        "single_stream": "faceport_bench.closed:SingleStream",
        "multi_stream": "faceport_bench.closed:MultiStream",
        "offline": "faceport_bench.closed:Offline",
        "server": "faceport_bench.server:Server",
    }
