"""Run a compiled network on V2H or V2N over files; needs NumPy and Renesas' mera, and no faceport.

    python3 board.py MODEL ADDRESS|- FREQUENCY LIST OUT

LIST has the path of one input of float32 numbers in each line; OUT gets NAME_0.bin, NAME_1.bin ... for each.
"""

import sys
import time
from pathlib import Path

AREAS = Path("/proc/device-tree/reserved-memory")
USUAL = 0x240000000  # what Renesas takes for V2H


def area() -> int:
    """Find where the memory of the accelerator begins."""
    found = sorted(AREAS.glob("*DRP-AI*@*")) if AREAS.is_dir() else []
    return int(found[0].name.rpartition("@")[2], 16) if found else USUAL


def main(model: str, address: str, frequency: str, listed: str, out: str) -> None:
    """Run everything in one process."""
    import mera
    import numpy

    deployment = mera.load_mera_deployment(model, target=mera.Target.IP)
    runner = deployment.get_runner(
        device_target=mera.mera_deployment.DeviceTarget.DRPAI_BUILTIN_MEM,
        start_address=area() if address == "-" else int(address, 16),
        frequency_index=int(frequency),
    )
    for line in Path(listed).read_text().splitlines():
        runner.set_input([numpy.fromfile(line, numpy.float32)])
        begun = time.perf_counter()
        runner.run()
        print(f"[TIME] AI Processing Time: {1000 * (time.perf_counter() - begun)} msec.")
        for number, value in enumerate(runner.get_outputs()):
            if value.dtype.kind != "f":
                sys.exit(f"[ERROR] output {number} is no floating point")
            value.astype(numpy.float32).tofile(str(Path(out) / f"{Path(line).stem}_{number}.bin"))


if __name__ == "__main__":
    main(*sys.argv[1:])
