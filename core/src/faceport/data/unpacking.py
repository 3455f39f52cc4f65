"""How much may come out of little: no honest file unpacks to what a bomb does."""

from __future__ import annotations

from faceport.files import MOST_BYTES

UNSUSPICIOUS = 256 << 20  # bytes; up to here anything may unpack, be it a blank picture
RATIO = 100  # beyond that, as many times its packed size


def check_unpacked(what: str, size: int, packed: int) -> None:
    """Refuse with an OSError what says that it unpacks to more than any honest file does."""
    if size > MOST_BYTES:
        raise OSError(f"{what} would be {size:,} bytes, more than the {MOST_BYTES:,} that are read")
    check_ratio(what, size, packed)


def check_ratio(what: str, size: int, packed: int) -> None:
    """Refuse with an OSError what grows as only archives do that are made to fill memories and disks."""
    if size > max(UNSUSPICIOUS, RATIO * packed):
        raise OSError(f"{what} would grow from {packed:,} to {size:,} bytes, as only a zip bomb does")
