"""A diagnosis as a table on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from faceport.study.diagnose import NodeReport
from faceport.verbs.show.table import Column, row
from faceport.verbs.show.terminal import console, say, show_notes, show_table
from faceport.verbs.show.text import shared_start
from faceport_diagnose.diagnosis import Diagnosis

MOST = 15  # nodes shown; the file has all
LONG = 8  # letters that all names must share to be written once above
COLUMNS = (
    Column("network", key=True, least=12),
    Column("node", key=True, least=16),
    Column("op"),
    Column("own", right=True),
    Column("so far", right=True),
    Column("at end", right=True),
    Column("range"),
    Column("cut off", right=True),
)
LEGEND = (
    "own: error that the node adds by itself; so far: with all before it; at end: what its own does to the "
    "outputs; all as noise / signal, lower is better. cut off: values beyond the range that the target has"
)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Show the nodes with the largest errors of their own, and the first that departs."""
    out = console()
    shown = sorted(diagnosis.reports, key=lambda report: -(report.caused or 0))[:MOST]
    networks = {report.network for report in shown}
    names = short_names([(report.node, report.op) for report in shown])
    start = shared_start(names, "/") if len(shared_start(names, "/")) > LONG else ""
    count = f"the {len(shown)} of {len(diagnosis.reports)} nodes whose own error does most to the outputs"
    below = f", in {next(iter(networks))}" if len(networks) == 1 else ""
    say(out, f"{count}{below}" + (f"; their names begin with {start}" if start else ""))
    columns = COLUMNS if len(networks) > 1 else COLUMNS[1:]
    cells = [_cells(one, name.removeprefix(start)) for one, name in zip(shown, names, strict=True)]
    show_table(out, columns, [row(*some[-len(columns) :]) for some in cells])
    say(out, LEGEND)
    for network, first in diagnosis.first.items():
        if first is None:
            precision = diagnosis.precision
            say(out, f"{network}: no node departs from the reference by more than {precision} explains")
        else:
            where = f"{network}: departs from the reference at node '{first.node}' ({first.op})"
            say(out, f"{where}, own error {first.introduced:.2g}", "red")
    worst = [f"{report.network}:{report.node}" for report in shown[:3] if report.caused]
    if worst and diagnosis.precision != "fp32":
        say(out, f"to keep the worst in float: 'target.exclude={_listed(worst)}'")
    for file in diagnosis.files:
        say(out, str(file))
    show_notes(diagnosis.notes)


def short_names(nodes: Sequence[tuple[str, str]]) -> list[str]:
    """Leave out of the names of nodes what the name says twice, or the operator beside it says.

    PyTorch exports '/stage1/stage1.2/stage1.2.5/LeakyRelu', which is the LeakyRelu of stage1.2.5.
    """
    short = []
    for node, op in nodes:
        parts = node.split("/")
        parts = parts[:-1] if parts[-1] == op else parts
        inner = [one for one, after in pairwise([*parts, ""]) if one and not after.startswith(f"{one}.")]
        short.append("/".join(inner) or node)
    alike = Counter(zip(short, (op for _, op in nodes), strict=True))
    return [node if alike[name, op] > 1 else name for name, (node, op) in zip(short, nodes, strict=True)]


def _cells(report: NodeReport, name: str) -> list[str]:
    return [
        report.network,
        name,
        report.op,
        f"{report.introduced or 0:.2g}",
        f"{report.accumulated:.2g}",
        f"{report.caused or 0:.2g}",
        f"{report.low:.3g} to {report.high:.3g}",
        f"{report.saturation:.1%}",
    ]


def _listed(names: Sequence[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"
