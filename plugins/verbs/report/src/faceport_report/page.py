"""One page that needs nothing else: style, script and data within, every text escaped."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from faceport.errors import MissingError
from faceport.escapes import in_html
from faceport.runs.records import Run
from faceport.verbs.show.numbers import is_number, number
from faceport_report.beside import Line, beside
from faceport_report.choose import decision_lines
from faceport_report.decide import Decision
from faceport_report.gallery import Case

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
MOST_SUBSETS = 60  # rows of a table
MOST_REFUSED = 50


def plotly_script() -> str:
    """Read the script of the installed package."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingError(
            "a page needs plotly, whose script is put into it: pip install 'faceport-report[plots]'. "
            "out=FILE.md and out=FILE.csv need nothing"
        ) from error
    return str(get_plotlyjs()).replace("</script", "<\\/script")


def page(
    heading: str,
    runs: Sequence[Run],
    content: Mapping[str, Any],
    decision: Decision,
    cases: Mapping[str, Sequence[Case]],
    refused: Sequence[str],
    remarks: Sequence[str],
) -> str:
    """Write the page."""
    here = files("faceport_report") / "page"
    parts = {
        "POLICY": POLICY,
        "HEADING": in_html(heading),
        "STYLE": (here / "page.css").read_text(encoding="utf-8"),
        "COUNT": f"{len(runs)} runs, page made {time.strftime('%Y-%m-%d %H:%M %Z')}",
        "DECISION": _decision(decision),
        "REFUSED": _refused(refused),
        "PUBLISHED": _published(runs, content),
        "SUBSETS": _subsets(runs, content),
        "GALLERY": _gallery(cases),
        "REMARKS": "".join(f"<p class=note>{in_html(remark)}</p>" for remark in remarks),
        "DATA": json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "PLOTLY": plotly_script(),
        "SCRIPT": (here / "page.js").read_text(encoding="utf-8"),
    }
    whole = (here / "page.html").read_text(encoding="utf-8")
    pieces = whole.split("@@")  # text and names in turn, so that no part is looked through for names
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(pieces))


def _decision(decision: Decision) -> str:
    verdict, *rest = decision_lines(decision)
    lines = []
    for text, _ in rest:
        what, colon, why = text.partition(": ")
        lines.append(f"<li><b>{in_html(what)}</b>{colon}{in_html(why)}</li>")
    return f"<h2>{in_html(verdict[0])}</h2><ul>{''.join(lines)}</ul>"


def _refused(refused: Sequence[str]) -> str:
    if not refused:
        return ""
    lines = "".join(f"<li>{in_html(reason)}</li>" for reason in refused[:MOST_REFUSED])
    more = len(refused) - MOST_REFUSED
    rest = f"<li>and {more} more</li>" if more > 0 else ""
    return f"<div class=refused><b>Left out, for they cannot be believed:</b><ul>{lines}{rest}</ul></div>"


def _subsets(runs: Sequence[Run], content: Mapping[str, Any]) -> str:
    """Write the nested tables of metrics: by subset, event, height of the face, overlap."""
    written = []
    for row, run in zip(content["rows"], runs, strict=True):
        for metric, values in run.record.metrics.items():
            for name, table in values.items():
                if name in ("interval", "curve", "curves", "stages", "loaded"):
                    continue
                if _is_table(table):
                    head = f"{row['label']}: {metric} by {name}"
                    written.append(f"<details><summary>{in_html(head)}</summary>{_table(table)}</details>")
    if not written:
        return ""
    heading = "<h2>Parts of the data, and networks alone</h2>"
    return f"<section id=subsets>{heading}{''.join(written[:MOST_SUBSETS])}</section>"


def _published(runs: Sequence[Run], content: Mapping[str, Any]) -> str:
    """Write what was published beside what was measured, and how the definitions differ."""
    lines, notes = beside([run.record for run in runs], [row["label"] for row in content["rows"]])
    if not lines:
        return ""
    titles = {"run": "text", "number": "text", "published": "", "where": "text", "here": "", "": "text"}
    head = "".join(f'<th scope=col class="{kind}">{title}</th>' for title, kind in titles.items())
    rows = "".join(f"<tr>{_line(line)}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    said = "".join(f"<p class=note>{in_html(note)}</p>" for note in notes)
    heading = "<h2>Published beside measured</h2>"
    return f"<section id=published>{heading}<div class=scroll>{table}</div>{said}</section>"


def _line(line: Line) -> str:
    numbers, texts = "<td>", "<td class=text>"
    cells = ((texts, line.key), (numbers, line.published), (texts, line.where), (numbers, line.measured))
    written = "".join(f"{tag}{in_html(text)}</td>" for tag, text in (*cells, (texts, line.said)))
    return f"<th scope=row>{in_html(line.label)}</th>{written}"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(v, Mapping) for v in value.values())


def _table(table: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for one in table.values() for name in one if is_number(one[name])))
    head = "".join(f"<th scope=col>{in_html(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope=row>{in_html(part)}</th>"
        + "".join(f"<td>{number(one[n]) if is_number(one.get(n)) else '–'}</td>" for n in names)
        + "</tr>"
        for part, one in [*table.items()][:MOST_SUBSETS]
    )
    written = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div class=scroll>{written}</div>"


def _gallery(cases: Mapping[str, Sequence[Case]]) -> str:
    blocks = []
    for label, some in cases.items():
        figures = "".join(
            f'<figure><img alt="{in_html(case.id)}" src="data:image/jpeg;base64,{case.jpeg}">'
            f"<figcaption><b>{in_html(case.title)}</b> {in_html(case.error)}"
            f"<br><small>{in_html(case.id)}</small></figcaption></figure>"
            for case in some
        )
        blocks.append(f"<h3>{in_html(label)}</h3><div class=gallery>{figures}</div>")
    if not blocks:
        return ""
    legend = "<p class=note><i class=truth></i> truth <i class=found></i> prediction (score from 0.5 on)</p>"
    return f"<section id=gallery><h2>Worst and typical pictures</h2>{legend}{''.join(blocks)}</section>"
