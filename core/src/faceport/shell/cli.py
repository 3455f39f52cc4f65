"""The command `faceport`: finds the verb, keeps imports late, and turns mistakes into sentences."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from faceport.errors import ConfigError, FaceportError, explain_import, suggest
from faceport.shell.help import VERBS, verb_help, welcome

INTERRUPTED = 130


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
    print(f"error: {sentence}", file=sys.stderr)
    return 1


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(verb_help(words[1]) if len(words) > 1 and words[1] in VERBS else welcome())
        return 0
    if words[0] in ("--version", "-V", "version"):
        from importlib.metadata import version

        print(f"faceport {version('faceport')}")
        return 0
    if words[0] in ("--complete", "completion"):
        from faceport.shell.completion import answer, script

        print(script(words[1:]) if words[0] == "completion" else answer(words[1:]), end="")
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        raise ConfigError(f"there is no command '{verb}'. {suggest(verb, VERBS)}")
    if any(word in ("-h", "--help") for word in rest):
        print(verb_help(verb))
        return 0
    return PLAIN[verb](rest) if verb in PLAIN else _composed(verb, rest)


def _composed(verb: str, words: list[str]) -> int:
    """Compose the configuration of a verb and act on it, or let Hydra answer its own flags."""
    if verb == "run" and any(word in ("-m", "--multirun") for word in words):
        return _sweep(words)
    if any(word.startswith("-") for word in words):
        from faceport.shell.compose import sweep

        sweep(verb, words, lambda config: None)
        return 0
    from faceport.shell.compose import compose_config

    inputs = [word for word in words if "=" not in word or os.path.exists(word)]  # noqa: PTH110
    if verb != "predict":
        return COMPOSED[verb](compose_config(verb, words))
    config = compose_config(verb, [word for word in words if word not in inputs])
    return COMPOSED[verb]({**config, "inputs": inputs or config["inputs"]})


def _sweep(words: list[str]) -> int:
    """Run every job; one that fails is recorded, the others go on."""
    from faceport.shell.compose import sweep
    from faceport.shell.sweeps import read_jobs, run_job, start_journal
    from faceport.verbs.show.terminal import show_sweep

    journal = start_journal()
    sweep("run", words, run_job)
    records = read_jobs(journal)
    show_sweep(records)
    return 0 if records and all(record.get("status") == "done" for record in records) else 1


def _run(config: dict[str, Any]) -> int:
    from faceport.verbs.run import run
    from faceport.verbs.show.terminal import show_run

    show_run(run(config))
    return 0


def _score(config: dict[str, Any]) -> int:
    from faceport.verbs.score import score
    from faceport.verbs.show.terminal import show_run

    show_run(score(config))
    return 0


def _export(config: dict[str, Any]) -> int:
    from faceport.verbs.export import export
    from faceport.verbs.show.terminal import show_notes

    done = export(config)
    for name, file in done["files"].items():
        print(f"{name}: {file}")
    show_notes(done["notes"])
    return 0


def _compile(config: dict[str, Any]) -> int:
    from faceport.verbs.compile import compile_networks
    from faceport.verbs.show.terminal import parity_line, show_notes

    done = compile_networks(config)
    for name in done["networks"]:
        print(f"{name}: {parity_line(done['parity'][name])}")
    show_notes(done["notes"])
    print(f"run it anywhere with: faceport run artifact={done['folder']} dataset=...")
    return 0


def _predict(config: dict[str, Any]) -> int:
    from faceport.verbs.predict import predict

    return _pictures(predict(config))


def _prepare(config: dict[str, Any]) -> int:
    from faceport.verbs.prepare import prepare

    done = prepare(config)
    for name, what in done["lists"].items():
        print(f"{name}: {what}")
    return _pictures(done)


def _pictures(done: dict[str, Any]) -> int:
    """Say what became of the pictures."""
    from faceport.verbs.show.terminal import show_notes

    for why in done["unreadable"].values():
        print(f"not read: {why}", file=sys.stderr)
    show_notes(done["notes"])
    print(f"{done['pictures']} pictures: {done['folder']}")
    return 1 if done["unreadable"] and not done["pictures"] else 0


def _diagnose(config: dict[str, Any]) -> int:
    from faceport.verbs.diagnose import diagnose_model
    from faceport.verbs.show.nodes import show_diagnosis

    show_diagnosis(diagnose_model(config))
    return 0


def _list(words: list[str]) -> int:
    from faceport.verbs.catalogue import show_list

    return show_list(words)


def _doctor(words: list[str]) -> int:
    from faceport.verbs.catalogue import show_doctor

    return show_doctor(words)


def _cache(words: list[str]) -> int:
    from faceport.verbs.catalogue import show_cache

    return show_cache(words)


COMPOSED: dict[str, Callable[[dict[str, Any]], int]] = {
    "run": _run,
    "score": _score,
    "export": _export,
    "compile": _compile,
    "predict": _predict,
    "diagnose": _diagnose,
    "prepare": _prepare,
}
PLAIN: dict[str, Callable[[list[str]], int]] = {"list": _list, "doctor": _doctor, "cache": _cache}


if __name__ == "__main__":
    main()
