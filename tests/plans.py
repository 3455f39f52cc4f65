"""Plans made of command-line words, as a verb would make them."""

from collections.abc import Iterable
from typing import Any

from faceport.runs.plan import Plan, make_plan
from faceport.shell.compose import compose_config
from faceport.shell.verb import make_verb


def plan_of(verb: str, words: Iterable[str]) -> Plan:
    """Compose a verb's configuration and make its plan."""
    config = compose_config(verb, words)
    return make_plan(config, make_verb(verb, config).options)


def act(verb: str, words: Iterable[str]) -> Any:
    """Do what a verb does, without the terminal."""
    config = compose_config(verb, words)
    return make_verb(verb, config).act(config)
