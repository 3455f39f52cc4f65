"""What `list`, `doctor` and `cache` show."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import yaml

from faceport.errors import ConfigError, explain_import, suggest
from faceport.files import cache_dir
from faceport.plugins.health import card, examine, known_faults, names_of, remember
from faceport.plugins.index import KINDS, installed
from faceport.progress import progress


def show_list(words: Sequence[str]) -> int:
    """Show everything, one kind, or the card of one name."""
    wanted = [*words] or [*KINDS]
    for word in wanted:
        kind, _, name = word.partition("=")
        if kind not in KINDS:
            raise ConfigError(f"there is no kind '{kind}'. {suggest(kind, KINDS)}")
        if name:
            _show_card(card(installed().find(kind, name)))
        else:
            names = names_of(kind)
            print(f"{kind}:" if names else f"{kind}: none installed")
            width = max(map(len, names), default=0)
            for one, line in names.items():
                print(f"  {one:{width}}  {line}".rstrip())
    if not words:
        for plugin, fault in known_faults():
            print(f"broken: plugin {plugin.title}: {fault}")
    return 0


def _show_card(content: dict[str, Any]) -> None:
    options = content.pop("options")
    if "parameters" in content:
        content["parameters"] = f"{content['parameters']:,}"
    if "macs" in content:
        macs = content["macs"]
        content["macs"] = f"{macs:,} multiply-adds (FLOPs = 2 x MACs = {2 * macs:,})"
    for part in (content, {"options": options}):
        flow = None if part is content else False
        print(
            yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=110, default_flow_style=flow),
            end="",
        )


def show_doctor(words: Sequence[str]) -> int:
    """Examine plugins and show the findings."""
    chosen = installed().plugins
    if words:
        kinds = [word.partition("=") for word in words]
        owners = {installed().find(kind, name).plugin for kind, _, name in kinds}
        chosen = tuple(plugin for plugin in chosen if plugin.name in owners)
    _show_house()
    with ThreadPoolExecutor(os.cpu_count()) as workers, progress("examining plugins", len(chosen)) as shown:
        findings = []
        for finding in workers.map(examine, chosen):
            findings.append(finding)
            shown.advance()
    remember(findings)
    broken = 0
    for finding in findings:
        missing = [f"target {name}: {why}" for name, why in (finding.missing or {}).items() if why]
        state = "broken" if finding.faults else "not usable here" if missing else "ok"
        print(f"{state:15} {finding.plugin.title}")
        for fault in finding.faults or missing:
            print(f"    {fault}")
        broken += bool(finding.faults)
    clashes = installed().clashes if not words else {}
    for (kind, name), rivals in clashes.items():
        titles = " and ".join(plugin.title for plugin in rivals)
        print(f"{'clash':15} {kind} '{name}' comes from {titles}: uninstall one of them")
    return 1 if broken or clashes else 0


def _show_house() -> None:
    """Show the core's own state: versions, the store, OpenCV."""
    store = cache_dir()
    try:
        store.mkdir(parents=True, exist_ok=True)
        state = "writable" if os.access(store, os.W_OK) else "NOT writable: set FACEPORT_CACHE"
    except OSError as error:
        state = f"cannot be made ({error.strerror}): set FACEPORT_CACHE"
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    print(f"faceport {version('faceport')}, {python}, {os.cpu_count()} cores; store {store}, {state}")
    try:
        import cv2
    except ImportError as error:
        print(f"broken: {explain_import(error)}")
    else:
        print(f"OpenCV {cv2.__version__}")


def show_cache(words: Sequence[str]) -> int:
    """List or empty the store."""
    from faceport.artifacts.store import Store

    store = Store()
    action, *rest = words or ["list"]
    if action == "list":
        entries = store.entries()
        for entry in entries:
            about = entry.manifest
            what = f"{about.get('network', '')} {about.get('target', '')}".rstrip()
            size = f"{entry.size / 1e6:8.1f} MB"
            print(f"{entry.kind:9} {entry.key[:12]}  {size}  {about.get('created', ''):24}  {what}")
        print(f"{len(entries)} entries, {sum(e.size for e in entries) / 1e6:.1f} MB in {store.root}")
        return 0
    if action == "prune":
        options = dict(word.partition("=")[::2] for word in rest)
        if set(options) - {"days"} or not options.get("days", "0").replace(".", "", 1).isdigit():
            raise ConfigError(f"cache prune takes days=NUMBER, not '{' '.join(rest)}'")
        removed = store.prune(float(options.get("days", 0)))
        print(f"removed {len(removed)} entries from {store.root}")
        return 0
    raise ConfigError(f"cache has no command '{action}'. {suggest(action, ['list', 'prune'])}")
