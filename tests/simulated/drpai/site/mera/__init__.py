"""The simulated mera: MERA2 builds only, on the accelerator."""

import enum
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from simulated_board import compute


class Target(enum.Enum):
    IP = 1


class DeviceTarget(enum.Enum):
    DRPAI_BUILTIN_MEM = 1
    DRPAI_CPU_MEM = 2


mera_deployment = SimpleNamespace(DeviceTarget=DeviceTarget)


class Runner:
    def __init__(self, folder):
        self._folder, self._about = folder, json.loads((folder / "mera.plan").read_text())

    def set_input(self, arrays):
        [self._input] = arrays
        if self._input.dtype != np.float32 or self._input.size != self._about["elements"]:
            raise RuntimeError(f"input is {self._input.dtype} of {self._input.size}")

    def run(self):
        self._outputs = compute(self._folder, self._about, self._input)

    def get_outputs(self):
        return self._outputs


def load_mera_deployment(path, target):
    if target is not Target.IP or not (Path(path) / "mera.plan").is_file():
        raise RuntimeError(f"unable to open file {path}/mera.plan")

    def get_runner(device_target, start_address, frequency_index):
        if not isinstance(device_target, DeviceTarget) or frequency_index == 2:
            raise RuntimeError("DRPAI_ASSIGN failed")
        if start_address != 0x240000000:
            raise RuntimeError("Error no is : 22 DRPAI_ASSIGN failed")
        return Runner(Path(path))

    return SimpleNamespace(get_runner=get_runner)
