"""Compile the networks of a model for a target, into a folder that can be carried to another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceport.api import Artifact, Verb
from faceport.artifacts.builder import open_artifacts, require_usable
from faceport.artifacts.bundle import Bundle, check_place, write_bundle
from faceport.files import expand
from faceport.networks.sources.addresses import without_secrets
from faceport.runs.options import CalibratedOptions
from faceport.runs.plan import make_plan
from faceport.runs.provenance import version_facts
from faceport.study.carried import carried


@dataclass(frozen=True)
class CompileOptions(CalibratedOptions):
    """Options of a compilation beside its groups."""

    out: str = "compiled"


@dataclass(frozen=True, eq=False)
class Compiled:
    """A bundle, and what lies in it."""

    bundle: Bundle
    artifacts: Mapping[str, Artifact]


class Compile(Verb):
    """Compile networks into a folder to carry."""

    Options = CompileOptions
    options: CompileOptions

    def act(self, config: Mapping[str, Any]) -> Compiled:
        """Compile every network and write the bundle."""
        plan = make_plan(config, self.options)
        model = plan.model
        require_usable(plan.target, plan.target_name)
        out = expand(self.options.out)
        check_place(out)
        builder = plan.builder(plan.first_questions())
        artifacts = {name: builder.artifact(network) for name, network in model.networks.items()}
        settled = without_secrets({**plan.settled(), "target": config["target"]})
        used = version_facts(plan.config)
        built = open_artifacts(plan.target, artifacts)
        try:
            calls = {name: builder.trials.calls(one) for name, one in model.networks.items()}
            files = carried(plan.target, built.sessions, calls, settled, used)
        finally:
            built.close()
        bundle = write_bundle(out, artifacts, settled, plan.warnings(), files, used)
        return Compiled(bundle, artifacts)

    def show(self, outcome: Compiled) -> int:
        """Show how far each network is from its reference, and what to do with the folder."""
        from faceport.verbs.show.terminal import parity_line, show_notes

        for name, artifact in sorted(outcome.artifacts.items()):
            print(f"{name}: {parity_line(artifact.manifest.get('parity', {}))}")
        show_notes(outcome.bundle.notes)
        print(f"run it anywhere with: faceport run artifact={outcome.bundle.path} dataset=...")
        return 0
