"""Completion of verbs, groups, names, options and values, read from YAML files alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from faceport.errors import ConfigError, suggest
from faceport.help import VERBS
from faceport.plugins import KINDS, installed, read_yaml

BASH = """\
_faceport() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}") current="${COMP_WORDS[COMP_CWORD]}" line
    # Bash splits words at '=' and ':': put them together again.
    local text="${COMP_LINE:0:COMP_POINT}"
    local -a whole; read -ra whole <<< "$text"
    [[ "$text" == *" " ]] && whole+=("")
    local last="${whole[-1]}"
    COMPREPLY=()
    while IFS= read -r line; do
        [[ "$current" != "$last" ]] && line="${line#"${last%"$current"}"}"
        [[ "$current" == "=" ]] && line="${line#=}"
        COMPREPLY+=("$line")
    done < <(faceport --complete "${whole[@]:1}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" != *[=.] ]] || compopt -o nospace
}
complete -o default -F _faceport faceport
"""
ZSH = """\
#compdef faceport
_faceport() {
    local -a found ending
    found=("${(@f)$(faceport --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    ending=(${(M)found:#*[=.]})
    found=(${found:#*[=.]})
    (( ${#ending} )) && compadd -U -S '' -a ending
    (( ${#found} )) && compadd -U -a found
    (( ${#ending} + ${#found} )) || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _faceport faceport
"""
FISH = """\
complete -c faceport -f -a '(faceport --complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def script(words: Sequence[str]) -> str:
    """Give the completion script of a shell."""
    shell = words[0] if words else ""
    if shell not in SHELLS:
        raise ConfigError(f"name a shell: faceport completion SHELL. {suggest(shell, SHELLS)}")
    return SHELLS[shell]


def answer(words: Sequence[str]) -> str:
    """List, a line each, what the last of the words after `faceport` may become."""
    *before, current = words or [""]
    if not before:
        found: Iterable[str] = (verb for verb in (*VERBS, "completion") if verb.startswith(current))
    elif before[0] == "completion":
        found = (shell for shell in SHELLS if shell.startswith(current))
    elif before[0] == "cache":
        found = (word for word in ("list", "prune", "days=") if word.startswith(current))
    elif before[0] in ("list", "doctor"):
        found = _kinds_and_names(current)
    elif before[0] in VERBS:
        found = _override(before[0], before[1:], current)
    else:
        found = ()
    return "".join(f"{line}\n" for line in found)


def _kinds_and_names(current: str) -> list[str]:
    kind, equals, part = current.partition("=")
    if not equals:
        return [word for one in KINDS for word in (one, f"{one}=") if word.startswith(current)]
    if kind not in KINDS:
        return []
    return [f"{kind}={name}" for name in sorted(installed().choices(kind)) if name.startswith(part)]


def _override(verb: str, before: Sequence[str], current: str) -> list[str]:
    content = read_yaml(Path(__file__).with_name("conf") / f"{verb}.yaml")
    groups = [
        str(key).split()[-1] for entry in content["defaults"] if isinstance(entry, dict) for key in entry
    ]
    groups = [group for group in groups if "/" not in group]
    options = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    key, equals, value = current.partition("=")
    if not equals:
        return _keys(current, groups, options, before)
    if key in groups:
        done, comma, part = value.rpartition(",")
        return [f"{key}={done}{comma}{name}" for name in _names(key) if name.startswith(part)]
    default = (
        options.get(key)
        if "." not in key
        else _chosen(key.partition(".")[0], before).get(key.partition(".")[2])
    )
    if isinstance(default, bool):
        return [f"{key}={word}" for word in ("true", "false") if word.startswith(value)]
    return []


def _keys(current: str, groups: Sequence[str], options: dict[str, Any], before: Sequence[str]) -> list[str]:
    """List groups and options; behind 'group.' the options of what was chosen for the group."""
    group, dot, _ = current.partition(".")
    if dot and group in groups:
        return [f"{group}.{key}=" for key in _chosen(group, before) if f"{group}.{key}".startswith(current)]
    chosen = {word.partition("=")[0] for word in before}
    dotted = [f"{group}." for group in groups if group in chosen and group != "metric"]
    plain = [f"{name}=" for name in (*groups, *options) if name not in chosen]
    flags = ["-m", "--cfg", "--help"] if current.startswith("-") else []
    return [word for word in (*plain, *dotted, *flags) if word.startswith(current)]


def _chosen(group: str, before: Sequence[str]) -> dict[str, Any]:
    """Give the options of the names chosen for a group so far, or of all of them."""
    index = installed()
    kind = "model" if group == "detector" else group
    names = [
        name for word in before if word.startswith(f"{group}=") for name in word.partition("=")[2].split(",")
    ]
    found = {name: choice for name, choice in index.choices(kind).items() if not names or name in names}
    if group == "metric":
        return {
            f"{name}.{key}": value for name, choice in found.items() for key, value in choice.options.items()
        }
    return {key: value for choice in found.values() for key, value in choice.options.items()}


def _names(group: str) -> list[str]:
    index = installed()
    if group == "experiment":
        return sorted(path.stem for path in Path("conf/experiment").glob("*.yaml"))
    return sorted(index.detectors() if group == "detector" else index.choices(group))
