"""A verb for faceport to copy, and a kind of thing that it chooses among."""

from collections.abc import Mapping

from faceport.hooks import hookimpl

# Words that lead to a class are enough: each is imported when somebody picks it.


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class behind each YAML of conf/verb."""
    return {"endure": "faceport_example_verb.endure:Endure"}


@hookimpl
def kinds() -> Mapping[str, str]:
    """Name the base class behind each YAML of conf/kind."""
    return {"damage": "faceport_example_verb.damage:Damage"}


@hookimpl
def damages() -> Mapping[str, str]:
    """Name the class behind each YAML of conf/damage; other plugins may bring damages of their own."""
    return {"blur": "faceport_example_verb.damage:Blur", "dark": "faceport_example_verb.damage:Dark"}
