"""Name the configuration to ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faceport.api import Verb
from faceport.errors import MissingError
from faceport.runs.records import gather
from faceport.verbs.show.terminal import console, say
from faceport.verbs.show.text import listed
from faceport_report.decide import Decision, decide
from faceport_report.nodes import apart

MOST = 6  # reasons that are named, and runs for each


@dataclass(frozen=True)
class ChooseOptions:
    """Options of the verb; conf/verb/choose.yaml explains them."""

    places: list[str] = field(default_factory=list)
    max: Any = None
    min: Any = None
    best: str | None = None


@dataclass(frozen=True)
class Chosen:
    """A decision, and the records that had no say in it."""

    decision: Decision
    refused: tuple[str, ...]


class Choose(Verb):
    """Choose among runs within bounds."""

    Options = ChooseOptions
    options: ChooseOptions

    def act(self, config: Mapping[str, Any]) -> Chosen:
        """Read the records and decide."""
        options = self.options
        gathered = gather(options.places or ["runs"])
        if not gathered.runs:
            raise MissingError("there is no record to choose among: faceport run writes them")
        return Chosen(
            decide(apart(gathered.runs)[0], options.max, options.min, options.best), gathered.refused
        )

    def show(self, outcome: Chosen) -> int:
        """Say what to ship, and what stood against the others; exit code 1 where nothing can be chosen."""
        out, decision = console(), outcome.decision
        for line, style in decision_lines(decision):
            say(out, line, style, indent=2)
        for reason in outcome.refused:
            say(out, f"left out: {reason}", "yellow", indent=2)
        return 0 if decision.winner is not None else 1


def decision_lines(decision: Decision) -> list[tuple[str, str]]:
    """Write a decision as lines with their styles."""
    written = [(decision.verdict, "bold")]
    if decision.bounds:
        written.append((f"bounds: {'; '.join(decision.bounds)}", ""))
    if decision.runner_up is not None:
        written.append((f"runner-up: {decision.labels[decision.runner_up]}", ""))
        written.append((f"margin: {decision.margin}", ""))
    reasons: dict[str, list[str]] = {}
    for at, why in decision.against:
        reasons.setdefault(why, []).append(decision.labels[at])
    written += [(f"not {listed(names, MOST)}: {why}", "") for why, names in [*reasons.items()][:MOST]]
    if len(reasons) > MOST:
        written.append((f"and {sum(map(len, [*reasons.values()][MOST:]))} more", ""))
    if decision.unmeasured:
        written.append((f"not measured: {', '.join(decision.unmeasured)}", "yellow"))
    return written
