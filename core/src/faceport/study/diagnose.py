"""Where a target departs from the reference: the error of every node, its own and what it inherited.

The network is compiled with its inner tensors as further outputs. A node's own error is what the target made
of the inputs that the target itself computed, against what the reference makes of those same inputs; the
accumulated error is against the reference's own run; the caused error is what a node's own error, put into an
otherwise sound run, does to the outputs of the network.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from faceport.api import Artifact, Model, Network, Source, Target
from faceport.artifacts.builder import Builder
from faceport.artifacts.shapes import compile_network, open_network
from faceport.graph.names import load
from faceport.graph.taps import float_tensors, tap
from faceport.networks.reference import onnx_runner
from faceport.study.perturb import ERROR, perturbable
from faceport.types import Array, Tensors, TensorSpec

CLAMPS = ("Relu", "Clip")  # what quantisers fold into the node before it
# Own error, as noise over signal, from which a node departs from the reference; sound nodes stay far below.
DEPARTS = {"fp32": 1e-3, "fp16": 0.02, "bf16": 0.1, "int16": 0.1, "int8": 0.3}


@dataclass(frozen=True)
class NodeReport:
    """What a target does at one node of a network."""

    network: str
    node: str
    op: str
    introduced: float | None  # own error, noise over signal; None where its inputs cannot be seen
    accumulated: float  # error so far, noise over signal
    low: float  # range of the reference
    high: float
    saturation: float  # share of the reference's values beyond what the target reaches
    caused: float | None  # what the own error does to the worst of the network's outputs, noise over signal


def diagnose(
    network: Network, path: Path, target: Target, calls: Sequence[Tensors], calibration: Sequence[Tensors]
) -> list[NodeReport]:
    """Compare every node of a network on a target with the reference, on recorded calls."""
    graph = load(path)
    steps = {step[-1].output[0]: step for step in _steps(graph)}
    visible = [tensor for tensor in float_tensors(graph) if tensor in steps]
    tapped = tap(graph, visible)
    specs = tuple(TensorSpec(output.name, ("batch", "any")) for output in tapped.graph.output)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tapped.onnx"
        onnx.save(tapped, file)
        opened = replace(network, onnx=file, build=None, outputs=specs)
        compiled = Path(folder) / "compiled"
        compiled.mkdir()
        compile_network(target, Source(opened, lambda: file), compiled, calibration)
        session = open_network(target, Artifact(compiled, opened, {}))
        try:
            answers = [session.run(inputs) for inputs in calls]
        finally:
            session.close()
        wanted = [_run_whole(opened, graph, inputs, Path(folder)) for inputs in calls]
        follow = _Consequences(network, graph, visible, calls, Path(folder))
        examination = _Examination(opened, graph, wanted, answers, Path(folder))
        return [
            examination.report(steps[tensor], follow)
            for tensor in visible
            if all(tensor in outputs for outputs in answers)
        ]


def _steps(graph: onnx.ModelProto) -> list[list[onnx.NodeProto]]:
    """Group each node with an activation that nothing else reads: quantisers make one step of the two."""
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.graph.node:
        for name in set(node.input):
            readers[name].append(node)
    shown = {output.name for output in graph.graph.output}
    steps, merged = [], set()
    for node in graph.graph.node:
        if node.name in merged:
            continue
        step, behind = [node], readers[node.output[0]]
        alone = len(behind) == 1 and len(node.output) == 1 and node.output[0] not in shown
        if alone and behind[0].op_type in CLAMPS:
            step.append(behind[0])
            merged.add(behind[0].name)
        steps.append(step)
    return steps


def departs(reports: Iterable[NodeReport], precision: str) -> NodeReport | None:
    """Find the first node whose own error is more than its precision explains."""
    limit = DEPARTS.get(precision, DEPARTS["int8"])
    return next((r for r in reports if r.introduced is not None and not r.introduced <= limit), None)


def noise(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """Measure an error as the share of noise in the signal, over several arrays."""
    signal = sum(float(np.square(a - a.mean(), dtype=np.float64).sum()) if a.size else 0.0 for a in wanted)
    error = sum(float(np.square(b - a, dtype=np.float64).sum()) for a, b in zip(wanted, found, strict=True))
    return float(np.sqrt(error / signal)) if signal else float(error > 0)


def _run_whole(network: Network, graph: onnx.ModelProto, inputs: Tensors, folder: Path) -> dict[str, Array]:
    """Run the reference with all tensors visible, the sizes that some nodes compute with too."""
    typed = onnx.shape_inference.infer_shapes(graph).graph
    known = {output.name for output in graph.graph.output}
    full = onnx.ModelProto.FromString(graph.SerializeToString())
    made = {name for node in graph.graph.node for name in node.output}
    full.graph.output.extend(value for value in typed.value_info if value.name in made - known)
    file = folder / "full.onnx"
    onnx.save(full, file)
    return {**inputs, **onnx_runner(network, file)(inputs)}


@dataclass(frozen=True)
class _Examination:
    """Runs of a network, by the reference and on a target, that are compared step by step."""

    network: Network
    graph: onnx.ModelProto
    wanted: Sequence[Mapping[str, Array]]  # what every tensor is by the reference, call by call
    found: Sequence[Mapping[str, Array]]  # what it is on the target
    folder: Path  # where files may be left

    def report(self, step: Sequence[onnx.NodeProto], follow: _Consequences) -> NodeReport:
        """Say what the target does at one step."""
        tensor = step[-1].output[0]
        reference = [values[tensor] for values in self.wanted]
        reached = [outputs[tensor] for outputs in self.found]
        low, high = min(float(a.min()) for a in reference), max(float(a.max()) for a in reference)
        top, bottom = max(float(a.max()) for a in reached), min(float(a.min()) for a in reached)
        slack = 1e-3 * (high - low)  # rounding is no saturation
        beyond = sum(int(((a > top + slack) | (a < bottom - slack)).sum()) for a in reference)
        right = self._right(step)
        return NodeReport(
            network=self.network.name,
            node=step[0].name,
            op=" + ".join(node.op_type for node in step),
            introduced=noise(right, reached) if right else None,
            accumulated=noise(reference, reached),
            low=low,
            high=high,
            saturation=beyond / max(1, sum(a.size for a in reference)),
            caused=follow(tensor, [b - a for a, b in zip(right, reached, strict=True)]) if right else None,
        )

    def _right(self, step: Sequence[onnx.NodeProto]) -> list[Array] | None:
        """Run one step by the reference on what the target gave it; None where that cannot be seen."""
        tensor = step[-1].output[0]
        weights = {weight.name: weight for weight in self.graph.graph.initializer}
        made = {node.output[0] for node in step[:-1]}
        names = [name for name in dict.fromkeys(n for node in step for n in node.input) if name not in made]
        live = [name for name in names if name and name not in weights]
        # Sizes and the network's inputs are the same for both; every other input must be seen on the target.
        seen = [{**values, **outputs} for values, outputs in zip(self.wanted, self.found, strict=True)]
        if not live or any(name not in values for values in seen for name in live):
            return None
        given = [{name: values[name] for name in live} for values in seen]
        held = [weights[name] for name in names if name in weights]
        specs = tuple(TensorSpec(name, ("batch", "any")) for name in live)
        single = replace(self.network, inputs=specs, outputs=(TensorSpec(tensor, ("batch", "any")),))
        file = self.folder / "node.onnx"
        right = []
        for inputs in given:
            onnx.save(_alone(self.graph, step, inputs, held), file)
            right.append(onnx_runner(single, file)(inputs)[tensor])
        return right


class _Consequences:
    """Find out what an error at one tensor does to the outputs."""

    def __init__(
        self,
        network: Network,
        graph: onnx.ModelProto,
        tensors: Sequence[str],
        calls: Sequence[Tensors],
        folder: Path,
    ) -> None:
        file = folder / "perturbable.onnx"
        onnx.save(perturbable(graph, set(tensors)), file)
        self._run, self._calls = onnx_runner(network, file), calls
        self._sound = [self._run(inputs) for inputs in calls]

    def __call__(self, tensor: str, errors: Sequence[Array]) -> float:
        given = zip(self._calls, errors, strict=True)
        shaken = [self._run({**inputs, tensor + ERROR: error}) for inputs, error in given]
        return max(
            noise([run[name] for run in self._sound], [run[name] for run in shaken])
            for name in self._sound[0]
        )


def _alone(
    graph: onnx.ModelProto,
    step: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Any],
    weights: Sequence[onnx.TensorProto],
) -> onnx.ModelProto:
    """Make a network of one step."""
    make = onnx.helper.make_tensor_value_info
    kinds = {name: onnx.helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            list(step),
            "step",
            [make(name, kind, inputs[name].shape) for name, kind in kinds.items()],
            [make(step[-1].output[0], onnx.TensorProto.FLOAT, None)],
            list(weights),
        ),
        opset_imports=graph.opset_import,
        ir_version=graph.ir_version,
    )


def examine(model: Model, builder: Builder) -> Iterator[tuple[str, list[NodeReport]]]:
    """Diagnose the networks of a model, one after the other, by name."""
    for name, network in model.networks.items():
        inputs, recorded = builder.trials.inputs(network), builder.recorded(network)
        yield name, diagnose(network, builder.exporter.onnx(network), builder.target, inputs, recorded)
