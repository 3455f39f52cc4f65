"""Base classes of kinds that have something wrong."""

from abc import ABC, abstractmethod

from faceport.verb import NoOptions

SAYS = "test_its_base_class_says_what_things_of_it_do"


class Good(ABC):
    """Do something to a number."""

    caught_by = ()
    Options = NoOptions

    @abstractmethod
    def apply(self, number):
        """Do it."""


class SaysNothing(Good):
    caught_by = (SAYS,)


class LeavesNothingToDo(Good):
    """Add one."""

    caught_by = (SAYS,)

    def apply(self, number):
        return number + 1


class HasNoOptions(Good):
    """Do something to a number, as told by nobody."""

    caught_by = ("test_its_base_class_declares_options",)
    Options = dict
