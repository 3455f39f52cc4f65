"""The compiled loops of faceport-kernels, where that distribution is installed; NumPy gives the same bits."""

from types import ModuleType

kernels: ModuleType | None
try:
    import faceport_kernels as kernels
except ImportError:  # not installed, or without a compiler
    kernels = None
