"""What a verb makes of command-line words, without the terminal."""

from collections.abc import Iterable
from typing import Any

from faceport.shell.compose import compose_config
from faceport.shell.verb import make_verb


def act(verb: str, words: Iterable[str]) -> Any:
    """Do what a verb does."""
    config = compose_config(verb, words)
    return make_verb(verb, config).act(config)
