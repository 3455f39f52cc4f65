"""Verbs made of what a configuration holds for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.verb import Verb


def make_verb(name: str, config: Mapping[str, Any]) -> Verb:
    """Make a verb with the options that a configuration holds for it."""
    own = installed().find("verb", name).options
    verb: Verb = create("verb", name, **{key: config[key] for key in own if key in config})
    return verb
