"""Distributions that were never built: a folder that pretends to be installed, for PYTHONPATH."""

from collections.abc import Mapping
from pathlib import Path


def install(
    site: Path, name: str, files: Mapping[str, str], points: Mapping[str, str], version: str = "1.0"
) -> None:
    """Write the files of a distribution, and the metadata that lets Python find its entry points."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    lines = "".join(f"{point} = {module}\n" for point, module in points.items())
    described = {
        info / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        info / "entry_points.txt": f"[faceport]\n{lines}",
    }
    for path, text in {**described, **{site / file: text for file, text in files.items()}}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
