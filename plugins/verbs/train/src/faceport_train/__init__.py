"""Train face models by their published recipes."""

from collections.abc import Mapping

from faceport.hooks import hookimpl

RECIPES = ("pipnet", "pipnet_seed", "pipnet_eyes")


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"train": "faceport_train.verb:Train"}


@hookimpl
def kinds() -> Mapping[str, str]:
    """Name the base class of recipes."""
    return {"recipe": "faceport_train.recipe:Recipe"}


@hookimpl
def recipes() -> Mapping[str, str]:
    """Name the class behind each recipe; all of these train on crops of faces with landmarks."""
    return dict.fromkeys(RECIPES, "faceport_train.landmarks:LandmarkRecipe")
