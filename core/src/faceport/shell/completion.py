"""Completion of verbs, groups, names, options and values, read from YAML files alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from faceport.catalogue.meanings import Option, options
from faceport.catalogue.presets import Preset, Presets, places, searched_in
from faceport.errors import ConfigError, FaceportError, suggest
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.shell.flags import experiments
from faceport.shell.launchers import HYDRA, hydra_plugins
from faceport.shell.offers import Offers, offers, verbs

SWEEP = ("-m", "--multirun")


# Bash splits words at '=' and ':' as well; what stands before the last of them must not be given again.
BASH = """\
_faceport() {
    local text="${COMP_LINE:0:COMP_POINT}" given="" last line
    local -a words
    read -ra words <<< "$text"
    [[ "$text" == *[[:blank:]] ]] && words+=("")
    last="${words[${#words[@]}-1]}"
    if [[ "$last" == [\\'\\"]* ]]; then  # a quoted word is one word
        words[${#words[@]}-1]="${last:1}"
    elif [[ "$last" == *[=:]* && "$COMP_WORDBREAKS" == *=* ]]; then
        given="${last%"${last##*[=:]}"}"
    fi
    COMPREPLY=()
    while IFS= read -r line; do
        [[ "$line" == *[[:blank:]]* ]] && printf -v line %q "$line"
        COMPREPLY+=("${line#"$given"}")
    done < <(faceport --complete "${words[@]:1}" 2>/dev/null)
    [[ "${COMPREPLY[*]}" == *[=./] ]] && compopt -o nospace
}
complete -o default -F _faceport faceport
"""
ZSH = """\
#compdef faceport
_faceport() {
    local -a found open
    found=("${(@f)$(faceport --complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    open=(${(M)found:#*[=./]})
    found=(${found:#(|*[=./])})
    if (( $#open + $#found )); then
        compadd -S '' -a open
        compadd -a found
    else
        compset -P '*='
        _files
    fi
}
if [[ $funcstack[1] == _faceport ]]; then  # loaded from a folder of $fpath
    _faceport "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _faceport faceport
fi
"""
FISH = """\
function __faceport_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l found (faceport --complete $words[2..] $last 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else if string match -q '*=*' -- $last
        set -l parts (string split -m 1 = -- $last)
        printf "$parts[1]=%s\\n" (__fish_complete_path $parts[2])
    else
        __fish_complete_path $last
    end
end
complete -c faceport -f -a '(__faceport_complete)'
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
    return "".join(f"{line}\n" for line in _candidates(before, current) if line.startswith(current))


def _candidates(before: Sequence[str], current: str) -> Iterable[str]:
    if not before:
        return ("--help", "--version") if current.startswith("-") else (*verbs(), "completion")
    verb, *rest = before
    if verb == "completion":
        return SHELLS
    if verb not in verbs():
        return ()
    offered = offers(verb)
    if current.startswith("-"):
        return [*(["-m"] if offered.sweeps else []), *(["--cfg"] if offered.composed else []), "--help"]
    return [*_plain_words(offered, rest, current), *_overrides(offered, rest, current)]


def _plain_words(offered: Offers, before: Sequence[str], current: str) -> list[str]:
    """List what a plain word may become, as the verb's card says: paths, names of things, or some words."""
    card = installed().find("verb", offered.verb).card
    kind = card.get("completes")
    if not offered.words or not kind:
        return []
    if kind == "paths":
        return _paths(current) if "=" not in current else []
    if kind == "names":
        return _kinds_and_names(current)
    return [] if any("=" not in word for word in before) else [str(word) for word in kind]


def _kinds_and_names(current: str) -> list[str]:
    kind, equals, _ = current.partition("=")
    if not equals:
        return [word for one in installed().shown_kinds() for word in (one, f"{one}=")]
    return [f"{kind}={name}" for name in sorted(installed().choices(kind))]


def _overrides(offered: Offers, before: Sequence[str], current: str) -> list[str]:
    """List keys, or behind '=' the names of a group or the values of an option."""
    groups = {group.replace("/", "."): name for group, name in offered.groups.items()}
    groups |= {"experiment": None} if offered.composed else {}
    groups |= dict.fromkeys(HYDRA) if offered.sweeps and {*SWEEP} & {*before} else {}
    verb = {one.key: one for one in options(installed().find("verb", offered.verb))}
    verb.pop(offered.words, None)
    key, equals, value = current.partition("=")
    if not equals:
        return _keys(current, groups, verb, before)
    words: Iterable[str]
    if key in groups:
        words = _names(key, before)
    else:
        group = _group_of(key, groups)
        known = _options(group, groups[group], before).get(key[len(group) + 1 :]) if group else verb.get(key)
        words = known.values if known else ()
    given = value[: max(value.rfind(","), value.rfind("[")) + 1]  # of a sweep or a list
    return [f"{key}={given}{word}" for word in words if word not in given.strip("[").split(",")]


def _keys(current: str, groups: Mapping[str, Any], own: Iterable[str], before: Sequence[str]) -> list[str]:
    """List groups and options; behind 'group.' the options of what was chosen for the group."""
    group = _group_of(current, groups)
    if group:
        return [f"{group}.{key}=" for key in _options(group, groups[group], before)]
    chosen = {word.partition("=")[0] for word in before}
    dotted = [f"{name}." for name in groups if name in chosen or name == current]
    return [*(f"{name}=" for name in (*groups, *own) if name not in chosen), *dotted]


def _group_of(key: str, groups: Iterable[str]) -> str:
    """Find the group whose option a key is; groups may have dots themselves."""
    return max((group for group in groups if key.startswith(f"{group}.")), key=len, default="")


def _options(group: str, default: Any, before: Sequence[str]) -> dict[str, Option]:
    """Give the options of the names chosen for a group so far, else of its default, else of all names."""
    given = [word.partition("=")[2] for word in before if word.startswith(f"{group}=")] or [default or ""]
    mine = Presets(_places(before)).of(group)
    chosen_names = given[-1].strip("[]").split(",")
    names = {_based(mine[name]) if name in mine else name for name in chosen_names}
    kind = kind_of(group)
    known = installed().choices(kind)  # of experiments: none
    chosen = [choice for name, choice in known.items() if name in names] or list(known.values())
    prefix = "{}.".format if kind in installed().kinds and installed().kinds[kind].many else lambda name: ""
    found: dict[str, Option] = {}
    for choice in chosen:
        for one in options(choice):
            key, listed = f"{prefix(choice.name)}{one.key}", one.values
            if one.key == "precision" and not listed:  # those of a target stand on its card, too
                listed = tuple(map(str, choice.card.get("precisions", ())))
            others = found[key].values if key in found else ()
            found[key] = replace(one, values=tuple(dict.fromkeys([*others, *listed])))
    return found


def _names(group: str, before: Sequence[str]) -> list[str]:
    if group in HYDRA:
        return hydra_plugins(group.rpartition("/")[2])
    if group == "experiment":
        return experiments(_places(before))
    index, mine = installed(), Presets(_places(before)).of(group)
    if group != "detector":
        return sorted({*index.choices(kind_of(group)), *mine})
    detectors = index.detectors()
    return sorted({*detectors, *(name for name, one in mine.items() if _based(one) in detectors)})


def _places(before: Sequence[str]) -> tuple[Path, ...]:
    """List the folders of a user's configurations that the words so far name."""
    folders = [Path(folder) for folder in _config_dirs(before)]
    given = (word.partition("=")[2] for word in before if word.startswith("hydra.searchpath="))
    try:
        searched = places(None, [one for value in given for one in searched_in(value)])
    except FaceportError:
        searched = places(None, ())
    return (*searched, *folders)


def _based(preset: Preset) -> str:
    """Name the plugin's choice that a preset is based on; empty where the file does not say."""
    try:
        return preset.base.name
    except FaceportError:
        return ""


def _config_dirs(before: Sequence[str]) -> list[str]:
    """Find the folders that Hydra was told to look into, as --config-dir=D or --config-dir D."""
    return [
        word.partition("=")[2] if "=" in word else after
        for word, after in pairwise([*before, ""])
        if word.partition("=")[0] in ("--config-dir", "-cd")
    ]


def _paths(current: str) -> list[str]:
    """List files and folders that a path may become; hidden ones when asked for."""
    head = current[: current.rfind("/") + 1]
    try:
        found = sorted(Path(head or ".").iterdir())
    except OSError:
        return []
    hidden = current[len(head) :].startswith(".")
    return [f"{head}{path.name}{'/' * path.is_dir()}" for path in found if hidden or path.name[0] != "."]
