"""The few CUDA calls that an engine needs, with errors as sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from faceport.errors import FaceportError
from faceport.types import Array


def checked(answer: tuple[Any, ...]) -> Any:
    """Unpack the answer of a CUDA call, or raise what it says."""
    from cuda.bindings import runtime

    code, *values = answer
    if int(code):
        _, name = runtime.cudaGetErrorName(code)
        raise RuntimeError(f"CUDA reports {name.decode() if isinstance(name, bytes) else name}")
    return values[0] if values else None


def device_name(number: int) -> str:
    """Name a GPU, or say that there is none of that number."""
    from cuda.bindings import runtime

    try:
        count = checked(runtime.cudaGetDeviceCount())
    except RuntimeError as error:
        raise FaceportError(f"TensorRT finds no NVIDIA GPU on this machine ({error})") from error
    if number >= count:
        raise FaceportError(f"TensorRT finds no GPU number {number} on this machine: there are {count}")
    name = checked(runtime.cudaGetDeviceProperties(number)).name
    return name.decode() if isinstance(name, bytes) else str(name)


class Memory:
    """A piece of device memory that grows when more is asked of it."""

    def __init__(self) -> None:
        self.address, self._size = 0, 0

    def reserve(self, size: int) -> int:
        """Have at least so many bytes; give the address."""
        from cuda.bindings import runtime

        if size > self._size:
            self.free()
            self.address, self._size = int(checked(runtime.cudaMalloc(size))), size
        return self.address

    def free(self) -> None:
        """Give the memory back."""
        from cuda.bindings import runtime

        if self.address:
            checked(runtime.cudaFree(self.address))
        self.address = self._size = 0


def upload(memory: Memory, value: Array, stream: Any) -> int:
    """Copy an array to the device; it must be kept until the stream is done."""
    from cuda.bindings import runtime

    address = memory.reserve(max(1, value.nbytes))
    kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    checked(runtime.cudaMemcpyAsync(address, value.ctypes.data, value.nbytes, kind, stream))
    return address


def download(memory: Memory, value: np.ndarray[Any, Any], stream: Any) -> None:
    """Copy from the device into an array, which is filled when the stream is done."""
    from cuda.bindings import runtime

    kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
    checked(runtime.cudaMemcpyAsync(value.ctypes.data, memory.address, value.nbytes, kind, stream))
