"""The hooks of a plugin: each answers with the classes behind the names of its YAML files.

Hooks of a kind are asked of one plugin at a time: pluggy checks them, the choice of a run says whom to ask. A
class may be given as "module:Class" instead, which is imported when somebody picks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from faceport.api import Dataset, Metric, Model, Target
    from faceport.verb import Verb

hookspec = pluggy.HookspecMarker("faceport")
hookimpl = pluggy.HookimplMarker("faceport")


@hookspec
def models() -> Mapping[str, type[Model] | str]:  # type: ignore[empty-body]
    """Answer with Model classes by the name of their YAML in conf/model/."""


@hookspec
def targets() -> Mapping[str, type[Target] | str]:  # type: ignore[empty-body]
    """Answer with Target classes by the name of their YAML in conf/target/."""


@hookspec
def datasets() -> Mapping[str, type[Dataset] | str]:  # type: ignore[empty-body]
    """Answer with Dataset classes by the name of their YAML in conf/dataset/."""


@hookspec
def metrics() -> Mapping[str, type[Metric] | str]:  # type: ignore[empty-body]
    """Answer with Metric classes by the name of their YAML in conf/metric/."""


@hookspec
def verbs() -> Mapping[str, type[Verb] | str]:  # type: ignore[empty-body]
    """Answer with Verb classes by the name of their YAML in conf/verb/."""


@hookspec
def kinds() -> Mapping[str, type | str]:  # type: ignore[empty-body]
    """Answer with the base class of each kind of its own, by the name of its YAML in conf/kind/.

    From then on conf/NAME/ of any plugin holds things of this kind, and a hook called NAMEs answers for them.
    """
