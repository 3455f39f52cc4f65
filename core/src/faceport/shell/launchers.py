"""Hydra's launchers and sweepers, by the packages that bring them; none is imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from faceport.errors import MissingError, suggest

HYDRA = ("hydra/launcher", "hydra/sweeper")  # groups of Hydra's own, for sweeps
BRINGS = {  # names of launchers that their packages are not called by
    "hydra_submitit_launcher": ("submitit_local", "submitit_slurm"),
    "hydra_ray_launcher": ("ray", "ray_aws"),
}
PACKAGES = {  # that bring the launchers and sweepers that people ask for
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
    "optuna": "hydra-optuna-sweeper",
    "ax": "hydra-ax-sweeper",
    "nevergrad": "hydra-nevergrad-sweeper",
}


def hydra_plugins(what: str) -> list[str]:
    """List Hydra's launchers or sweepers by the packages that bring them, which are not imported."""
    spec = importlib.util.find_spec("hydra_plugins")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    packages = sorted(path.name for folder in folders for path in folder.glob(f"hydra_*_{what}"))
    own = (BRINGS.get(name, (name.removeprefix("hydra_").removesuffix(f"_{what}"),)) for name in packages)
    return ["basic", *(name for names in own for name in names)]


def check_launcher(key: str, name: str) -> None:
    """Refuse a launcher or sweeper that is not installed, with what to install."""
    known = hydra_plugins(key.rpartition("/")[2])
    if key in HYDRA and name and name not in known:
        cure = f"pip install {PACKAGES[name]}. " if name in PACKAGES else ""
        raise MissingError(f"{key}={name} is not installed. {cure}{suggest(name, known)}")
