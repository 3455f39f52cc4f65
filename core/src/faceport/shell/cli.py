"""The command `faceport`: finds the verb, keeps imports late, and turns mistakes into sentences."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from faceport.errors import FaceportError, explain_import
from faceport.escapes import printable
from faceport.shell.help import verb_help, welcome
from faceport.shell.offers import Offers, offers, verbs
from faceport.verbs.show.text import print_sentence

INTERRUPTED = 130
TOGETHER = "together"  # key of all configurations, for verbs that are given several
SPACE = "space"  # key of what may be chosen, for verbs that search


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(words: Sequence[str]) -> int:
    """Run the words after `faceport`; give the exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) if hasattr(signal, "SIGPIPE") else None
    try:
        return _dispatch(list(words))
    except FaceportError as error:
        return _fail(error, str(error))
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was finished is kept, the same command goes on from there", file=sys.stderr
        )
        return INTERRUPTED
    except ImportError as error:
        return _fail(error, explain_import(error))
    except OSError as error:
        return _fail(error, f"{error.strerror or error}: {error.filename}" if error.filename else str(error))


def _fail(error: BaseException, sentence: str) -> int:
    if os.environ.get("FACEPORT_DEBUG"):
        raise error
    print_sentence(f"error: {printable(sentence)}", stream=sys.stderr)
    return 1


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(verb_help(words[1]) if len(words) > 1 and words[1] in verbs() else welcome())
        return 0
    if words[0] in ("--version", "-V", "version"):
        from importlib.metadata import version

        print(f"faceport {version('faceport')}")
        return 0
    if words[0] in ("--complete", "completion"):
        from faceport.shell.completion import answer, script

        print(script(words[1:]) if words[0] == "completion" else answer(words[1:]), end="")
        return 0
    offered, rest = offers(words[0]), words[1:]
    if any(word in ("-h", "--help") for word in rest):
        print(verb_help(offered.verb))
        return 0
    return _composed(offered, rest) if offered.composed else _plain(offered, rest)


def _plain(offered: Offers, words: list[str]) -> int:
    """Act on a verb that takes options alone, without Hydra."""
    from faceport.shell.words import options_of

    return _act(offered.verb, options_of(offered, words))


def _composed(offered: Offers, words: list[str]) -> int:
    """Compose the configuration of a verb and act on it, once or in a sweep, or let Hydra show it."""
    from faceport.shell.flags import take_flags
    from faceport.shell.remembered import place_of, recall, remember
    from faceport.shell.words import sort_words

    flags, rest = take_flags(offered, words)
    overrides, plain = sort_words(offered, rest)
    single = not (flags.sweep or flags.shown or offered.together or offered.space)
    place = place_of(offered, overrides, flags.folder) if single else None
    known = recall(place)
    if known is not None:
        return _act(offered.verb, {**known, offered.words: plain} if plain else known)
    from faceport.shell.overrides import parse, refuse_of_sweeps, refuse_twice

    refuse_twice(map(parse, overrides))
    if flags.sweep:
        from faceport.shell.sweeps import sweep

        return sweep(offered.verb, flags, overrides)
    if not flags.shown:
        own = {f"{key}=" for key in offered.options}
        refuse_of_sweeps(map(parse, (word for word in overrides if not word.startswith(tuple(own)))))
    from faceport.shell.compose import compose_config, hydra_main

    if flags.shown:
        hydra_main(offered.verb, flags, overrides, lambda config: None)
        return 0
    if offered.together:
        from faceport.shell.together import compose_together

        configs = compose_together(offered, overrides, flags.folder)
        return _act(offered.verb, {**configs[0], TOGETHER: configs})
    if offered.space:
        from faceport.shell.spaces import compose_space

        config, space = compose_space(offered, overrides, flags.folder)
        return _act(offered.verb, {**config, SPACE: space})
    config = compose_config(offered.verb, overrides, flags.folder)
    remember(place, flags.folder, config)
    if plain:
        config[offered.words] = plain
    return _act(offered.verb, config)


def _act(verb: str, config: Mapping[str, Any]) -> int:
    from faceport.shell.verb import make_verb

    made = make_verb(verb, config)
    return made.show(made.act(config))


if __name__ == "__main__":
    main()
