"""Words of a command line that are no KEY=VALUE, and options of verbs that Hydra need not compose."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import yaml

from faceport.errors import ConfigError, suggest
from faceport.shell.offers import Offers


def sort_words(offered: Offers, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate overrides from the plain words that a verb may take; a file of that name is a plain word."""
    if not offered.words:
        return list(words), []

    def is_plain(word: str) -> bool:
        return os.path.exists(word) or ("=" not in word and not word.startswith("-"))  # noqa: PTH110

    plain = [word for word in words if is_plain(word)]
    return [word for word in words if word not in plain], plain


def options_of(offered: Offers, words: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE words for options, their values as YAML; what is no option is a plain word."""
    options: dict[str, Any] = {}
    plain: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in offered.options and key != offered.words:
            options[key] = _value(word, value)
        elif offered.words and not word.startswith("-"):
            plain.append(word)
        else:
            raise ConfigError(
                f"`faceport {offered.verb}` has no option '{word}'. {suggest(key, offered.options)}"
            )
    return {**options, offered.words: plain} if offered.words else options


def _value(word: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"'{word}' has a value that cannot be read: quote it") from error
