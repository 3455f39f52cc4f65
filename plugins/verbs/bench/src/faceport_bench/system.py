"""What is measured, as scenarios see it: it takes queries, gives answers, and has a clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

PIPELINE = "pipeline"  # the subject that is no network


@dataclass(frozen=True, slots=True)
class Answer:
    """One query that was answered; times are of the system's clock, in seconds."""

    items: int  # pictures, or batches of a network
    due: float  # when it was to be handed in: whoever hands in late does not make it look quicker
    done: float  # when the last of its items was answered

    @property
    def latency(self) -> float:
        """Seconds from when it was due to its answer."""
        return self.done - self.due


@dataclass(frozen=True)
class Trial:
    """What one turn gave."""

    answers: Sequence[Answer]
    began: float
    ended: float
    late: float = 0.0  # longest that a query was handed in after it was due, for want of time

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def items(self) -> int:
        """How much was answered."""
        return sum(answer.items for answer in self.answers)

    @property
    def cost(self) -> float:
        """Seconds for one item, all things considered."""
        return self.seconds / max(self.items, 1)


class System(ABC):
    """Answer queries, each of one or several items."""

    rows: int = 1  # pictures, or rows of a network, in one item
    cost: float = 0.0  # seconds of an item, about, once it is warm

    @abstractmethod
    def now(self) -> float:
        """Read its clock: seconds since whenever."""

    @abstractmethod
    def issue(self, items: int, due: float) -> None:
        """Hand in a query and do not wait for its answer."""

    @abstractmethod
    def wait(self, until: float | None = None) -> list[Answer]:
        """Wait until answers are there, or that time has come; None: until there is one."""

    def begin(self) -> None:  # noqa: B027 - most systems count nothing themselves
        """Learn that it is warm, and that what comes now counts."""

    def settle(self) -> None:
        """Answer one item that nobody counts: others may have had the machine before."""
        self.issue(1, self.now())
        self.wait()
