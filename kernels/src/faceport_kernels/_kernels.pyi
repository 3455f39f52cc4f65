"""What the compiled module has; the bytes of arrays are read and written as they lie in memory."""

from typing import Any

from numpy.typing import NDArray

def average(
    sums: NDArray[Any],
    rows: int,
    columns: int,
    regions: NDArray[Any],
    height: int,
    width: int,
    out: NDArray[Any],
    /,
) -> None: ...
def suppress(
    boxes: NDArray[Any], threshold: float, inclusive: bool, smaller: bool, kept: NDArray[Any], /
) -> None: ...
