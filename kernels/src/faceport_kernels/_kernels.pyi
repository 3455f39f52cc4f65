"""What the compiled module has; the bytes of arrays are read and written as they lie in memory."""

from numpy.typing import NDArray

def average(
    sums: NDArray,
    rows: int,
    columns: int,
    regions: NDArray,
    height: int,
    width: int,
    out: NDArray,
    /,
) -> None: ...
def suppress(boxes: NDArray, threshold: float, inclusive: bool, smaller: bool, kept: NDArray, /) -> None: ...
