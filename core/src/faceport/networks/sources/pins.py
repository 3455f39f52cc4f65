"""What a source gave when it was first fetched: whatever it gives later must be the same."""

from __future__ import annotations

import json
import time
from pathlib import Path

from faceport.errors import MissingError
from faceport.files import cache_dir, write_atomically
from faceport.networks.sources.addresses import Address


def pin_of(address: Address) -> Path:
    """Say where it is remembered: beside the files that it is about, so that those may be deleted."""
    return cache_dir() / "weights" / "pins" / f"{address.kind}-{address.key}.json"


def check_pin(address: Address, sha256: str) -> bool:
    """Refuse a file that is not what its source gave before; tell whether it had given anything."""
    try:
        pin = json.loads(pin_of(address).read_text())
        first, when = pin["sha256"], pin["fetched"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    if first != sha256:
        raise MissingError(
            f"{address.shown} is not the file that it was: its sha256 is {sha256}, and when it was first "
            f"fetched ({when}) it was {first}. If the new one is meant, write #sha256={sha256} behind the "
            f"address, or delete {pin_of(address)}"
        )
    return True


def remember(address: Address, sha256: str) -> None:
    """Keep what a source gave."""
    pin = {"source": address.shown, "sha256": sha256, "fetched": time.strftime("%Y-%m-%d")}
    write_atomically(pin_of(address), json.dumps(pin, indent=2) + "\n")
