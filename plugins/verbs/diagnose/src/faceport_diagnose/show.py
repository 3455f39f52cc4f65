"""A diagnosis as a table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from faceport.verbs.show.terminal import console, show_notes
from faceport_diagnose.diagnosis import Diagnosis

MOST = 15  # nodes shown; the file has all


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Show the nodes with the largest errors of their own, and the first that departs."""
    out = console()
    reports = diagnosis.reports
    shown = sorted(reports, key=lambda report: -(report.caused or 0))[:MOST]
    columns = ("introduced", "accumulated", "caused", "range", "saturated")
    table = Table("network", "node", "op", *columns, box=None)
    for report in shown:
        table.add_row(
            report.network,
            report.node,
            report.op,
            f"{report.introduced or 0:.2e}",
            f"{report.accumulated:.2e}",
            f"{report.caused or 0:.2e}",
            f"{report.low:.3g} .. {report.high:.3g}",
            f"{report.saturation:.1%}",
        )
    out.print(table)
    out.print(
        f"the {len(shown)} of {len(reports)} nodes whose own error does most to the outputs (noise / signal)"
    )
    for network, first in diagnosis.first.items():
        if first is None:
            out.print(
                f"{network}: no node departs from the reference by more than {diagnosis.precision} explains"
            )
        else:
            said = f"{network}: departs from the reference at node '{first.node}' ({first.op})"
            out.print(Text(f"{said}, own error {first.introduced:.2g}", style="red"))
    worst: Sequence[str] = [f"{report.network}:{report.node}" for report in shown[:3] if report.caused]
    if worst and diagnosis.precision != "fp32":
        out.print(Text(f"to keep the worst in float: 'target.exclude={_listed(worst)}'"))
    for file in diagnosis.files:
        out.print(str(file))
    show_notes(diagnosis.notes)


def _listed(names: Sequence[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"
