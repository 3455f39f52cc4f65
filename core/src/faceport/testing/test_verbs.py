"""What the core relies on in a verb: a card that helps, options of its own, work that prints nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from faceport.errors import ConfigError, MissingError
from faceport.plugins.index import Choice
from faceport.plugins.loading import find_class
from faceport.shell.compose import compose_config
from faceport.shell.offers import Offers, offers
from faceport.shell.together import compose_together
from faceport.shell.verb import make_verb
from faceport.shell.words import options_of, sort_words
from faceport.testing.choices import filled
from faceport.verb import Verb

WIDTH = 110  # of a line of help
ABSENT = "is not installed: pip install"  # said of a name that is shipped


@pytest.fixture(scope="module")
def offered(verb_choice: Choice) -> Offers:
    """Read what the verb takes on the command line."""
    return offers(verb_choice.name)


def test_help_begins_with_how_it_is_called(verb_choice: Choice) -> None:
    lines = str(verb_choice.card.get("help", "")).splitlines()
    start = f"faceport {verb_choice.name}"
    assert lines and lines[0].startswith(start), f"{verb_choice.path}: card.help must begin with '{start}'"
    wide = [line for line in lines if len(line) > WIDTH]
    assert not wide, f"{verb_choice.path}: a line of help has more than {WIDTH} characters: {wide[0]}"


def test_examples_of_the_help_compose(verb_choice: Choice, offered: Offers) -> None:
    """An example that names what is not installed here is passed over; any other mistake is one."""
    for line in str(verb_choice.card.get("help", "")).splitlines():
        words = shlex.split(re.split(r"\s{3,}", line.strip())[0]) if line.startswith("  faceport ") else []
        if words[1:2] != [verb_choice.name]:
            continue
        given = [word for word in words[2:] if not word.startswith(("-", "artifact="))]
        if "-m" in words or verb_choice.card.get("space"):  # of a sweep, or a search: its first job
            given = [re.sub(r"=interval\(", "=", word).partition(",")[0] for word in given]
        try:
            _configuration(offered, given)
        except ConfigError as error:
            known = str(error).startswith(("could not find", "choose a", "artifact="))
            assert known or ABSENT in str(error), f"{verb_choice.path}: '{line.strip()}': {error}"


def test_words_go_to_an_option_of_its_own(verb_choice: Choice, offered: Offers) -> None:
    if offered.words:
        assert isinstance(offered.options.get(offered.words), list), (
            f"{verb_choice.path}: card.words names '{offered.words}', which must be an option that is a list"
        )


def test_it_is_a_verb(verb_choice: Choice) -> None:
    assert issubclass(find_class("verb", verb_choice.name), Verb)


def test_acting_prints_nothing(
    verb_choice: Choice,
    offered: Offers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """card.harmless lists the words of a call that changes nothing; act() works for programs, too."""
    words = verb_choice.card.get("harmless")
    if words is None:
        pytest.skip("its card declares no call that changes nothing (harmless: [WORD, ...])")
    monkeypatch.chdir(tmp_path)
    try:
        config = _configuration(offered, [filled(word, verb_choice, tmp_path) for word in words])
    except ConfigError as error:
        if ABSENT in str(error):
            pytest.skip(f"its harmless call needs what is not here: {error}")
        raise
    capfd.readouterr()
    try:
        outcome = make_verb(verb_choice.name, config).act(config)
    except MissingError as error:
        pytest.skip(str(error))
    printed, _ = capfd.readouterr()
    assert not printed, f"act() of {verb_choice.name} prints: {printed[:200]!r}; show() is there for that"
    assert isinstance(make_verb(verb_choice.name, config).show(outcome), int), "show() gives the exit code"


def _configuration(offered: Offers, words: list[str]) -> dict[str, object]:
    """Compose what a command line asks for."""
    if not offered.composed:
        return options_of(offered, words)
    overrides, plain = sort_words(offered, words)
    if offered.together:
        return compose_together(offered, overrides)[0]
    config = compose_config(offered.verb, overrides)
    return {**config, offered.words: plain} if plain else config
