"""What records say: tables, comparisons, a decision, one page, and the same run once more."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class behind each verb."""
    return {
        "runs": "faceport_report.runs:Runs",
        "compare": "faceport_report.compare:Compare",
        "choose": "faceport_report.choose:Choose",
        "repeat": "faceport_report.repeat:Repeat",
        "report": "faceport_report.report:Report",
    }
