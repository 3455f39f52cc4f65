"""Integers written into a graph: QuantizeLinear and DequantizeLinear, for compilers that do as types say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from faceport.graph.layers import (
    channel_axis,
    constants,
    readers,
    round_weights,
    set_constants,
    set_nodes,
)
from faceport.graph.levels import INT8, UINT16, Grid, Levels
from faceport.graph.ranges import Range
from faceport.types import Array

QDQ_OPSET = 13  # the first in which every channel may have a scale of its own
WIDE_DOMAIN = "com.microsoft"  # where operators below version 21 have 16 bits
MOST_BIAS = 2**31 - 1

CUTTING = ("Relu", "Clip")  # the ends of a range do what they do
ARITHMETIC = (
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Concat",
    "PRelu",
    "Max",
    "Min",
    "MatMul",
    "Gemm",
)  # read all inputs
MOVING = (  # hand values on as they are
    *("MaxPool", "Resize", "Pad", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
    *("Slice", "Split", "Expand", "Gather", "Identity", "DepthToSpace", "SpaceToDepth"),
)


@dataclass(frozen=True)
class Scheme:
    """What is rounded, and how."""

    activations: Levels = INT8
    in_pairs: bool = False  # weights for processors that add every two products in 16 bits
    between: frozenset[str] = (
        frozenset()
    )  # operators beside layers that compute with integers; none: layers only
    ends: bool = False  # also what comes after the last layers, and their outputs
    stored: bool = True  # weights and biases lie in the file as integers


LAYERS_ONLY = Scheme(stored=False)


def insert_qdq(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    exclude: Iterable[str] = (),
    scheme: Scheme = LAYERS_ONLY,
    wide: Iterable[str] = (),
) -> int:
    """Round what layers read (per tensor) and their constant weights (per channel); count the layers.

    With operators `between`, outputs are rounded too, so that a layer computes from integers to integers;
    nodes in `wide` then have activations of 16 bits.
    """
    writer = _Writer(model, ranges, set(exclude), scheme, set(wide))
    for node in list(model.graph.node):
        writer.add(node)
    writer.finish()
    return writer.layers


class _Writer:
    """Rewrite nodes one by one, in the order of computation."""

    def __init__(
        self,
        model: onnx.ModelProto,
        ranges: Mapping[str, Range],
        exclude: set[str],
        scheme: Scheme,
        wide: set[str],
    ) -> None:
        self._model, self._ranges, self._scheme = model, ranges, scheme
        self._exclude, self._wide = exclude, wide
        self._constants = constants(model)
        self._shown = {output.name for output in model.graph.output}
        self._readers = readers(model)
        self._needed = set() if scheme.ends else _needed(model, self._is_layer)
        self._merged: dict[str, onnx.NodeProto] = {}  # layer -> the rectifier that its grid does the work of
        self._grids: dict[str, Grid] = {}  # tensors that are rounded where they are made
        self._made: dict[str, Array] = {}
        self._forms: set[str] = set()
        self._nodes: list[onnx.NodeProto] = []
        self.layers = 0

    def _is_layer(self, node: onnx.NodeProto) -> bool:
        chosen = node.name not in self._exclude and channel_axis(node, self._constants) is not None
        return chosen and _spread(self._ranges.get(node.input[0])) > 0

    def _levels(self, node: onnx.NodeProto) -> Levels:
        return UINT16 if node.name in self._wide else self._scheme.activations

    def add(self, node: onnx.NodeProto) -> None:
        """Write a node, rounded or as it is."""
        if node.name in self._merged:
            return
        if self._is_layer(node):
            self._layer(node)
        elif self._joins(node):
            self._between(node)
        else:
            self._nodes.append(node)

    def _joins(self, node: onnx.NodeProto) -> bool:
        """Tell whether an operator between layers computes with integers."""
        if node.op_type not in self._scheme.between or node.name in self._exclude:
            return False
        known = all(name in self._ranges for name in node.output if name)
        read = any(name in self._ranges for name in node.input)
        return known and read and (self._scheme.ends or node.output[0] in self._needed)

    def _layer(self, node: onnx.NodeProto) -> None:
        self.layers += 1
        levels = self._levels(node)
        source, weight = node.input[0], node.input[1]
        axis = channel_axis(node, self._constants)
        assert axis is not None
        node.input[0] = self._form(source, levels)
        integers, scales = round_weights(self._constants[weight], axis, self._scheme.in_pairs)
        node.input[1] = self._weight(weight, integers, scales, axis)
        rounds = self._scheme.between and (self._scheme.ends or node.output[0] in self._needed)
        if self._scheme.stored and len(node.input) > 2 and node.input[2] in self._constants:
            scale = self._grid(source, levels).scale * scales
            node.input[2] = self._bias(f"{node.output[0]}:bias8", self._constants[node.input[2]], scale)
        if not rounds:
            self._nodes.append(node)
            return
        behind = self._readers[node.output[0]]
        cut = behind[0] if len(behind) == 1 and node.output[0] not in self._shown else None
        if cut is not None and cut.op_type in CUTTING and self._cuts(cut):
            self._merged[cut.name] = cut
            node.output[0] = cut.output[0]
        self._nodes.append(node)
        self._round_output(node, node.output[0], self._output_grid(node.output[0], levels))

    def _cuts(self, node: onnx.NodeProto) -> bool:
        """Tell whether the grid of a rectifier's output makes the rectifier needless."""
        known = node.output[0] in self._ranges and node.name not in self._exclude
        return known and node.op_type in self._scheme.between and not self._scheme.activations.symmetric

    def _between(self, node: onnx.NodeProto) -> None:
        levels = self._levels(node)
        slots = range(len(node.input)) if node.op_type in ARITHMETIC else range(1)
        source = node.input[0]
        for slot in slots:
            name = node.input[slot]
            if name in self._ranges:
                node.input[slot] = self._form(name, levels)
            elif name in self._constants and self._constants[name].dtype == np.float32:
                node.input[slot] = self._constant(name, levels)
        self._nodes.append(node)
        for name in [name for name in node.output if name]:
            moved = node.op_type in MOVING
            grid = self._grid(source, levels) if moved else self._output_grid(name, levels)
            self._round_output(node, name, grid)

    def _output_grid(self, name: str, levels: Levels) -> Grid:
        return levels.grid(self._ranges[name])

    def _grid(self, name: str, levels: Levels) -> Grid:
        """Give the grid on which a tensor is read."""
        made = self._grids.get(name)
        return made if made is not None and made.levels == levels else levels.grid(self._ranges[name])

    def _form(self, name: str, levels: Levels) -> str:
        """Name a tensor as it is read in these integers, and write what rounds it."""
        made = self._grids.get(name)
        if made is not None and made.levels == levels:
            return name
        form = f"{name}:{levels.type.__name__}"
        if form not in self._forms:
            self._forms.add(form)
            self._pair(name, form, self._grid(name, levels), form)
        return form

    def _round_output(self, node: onnx.NodeProto, name: str, grid: Grid) -> None:
        """Round a tensor where it is made: whoever reads it reads what is rounded."""
        exact = f"{name}:exact"
        node.output[list(node.output).index(name)] = exact
        self._pair(exact, name, grid, name)
        self._grids[name] = grid

    def _pair(self, start: str, end: str, grid: Grid, owner: str) -> None:
        scale, zero, middle = f"{owner}:scale", f"{owner}:zero", f"{owner}:quantised"
        self._made[scale] = np.array(grid.scale, np.float32)
        self._made[zero] = np.array(grid.zero, grid.levels.type)
        domain = WIDE_DOMAIN if grid.levels == UINT16 else ""
        self._nodes += [
            helper.make_node("QuantizeLinear", [start, scale, zero], [middle], name=middle, domain=domain),
            helper.make_node(
                "DequantizeLinear", [middle, scale, zero], [end], name=f"{end}:read", domain=domain
            ),
        ]

    def _constant(self, name: str, levels: Levels) -> str:
        value = self._constants[name]
        grid = levels.grid((float(value.min(initial=0)), float(value.max(initial=0))))
        counted = np.rint(value / grid.scale) + grid.zero
        integers = np.clip(counted, levels.lowest, levels.highest).astype(levels.type)
        zero = np.array(grid.zero, levels.type)
        return self._stored(f"{name}:{levels.type.__name__}", integers, np.asarray(grid.scale), zero, None)

    def _weight(self, name: str, integers: Array, scales: Array, axis: int) -> str:
        form, zeros = f"{name}:int8", np.zeros(scales.shape, np.int8)
        if self._scheme.stored:
            return self._stored(form, integers, scales, zeros, axis)
        if form not in self._forms:
            self._forms.add(form)
            scale, zero, middle = f"{name}:scale", f"{name}:zero", f"{name}:quantised"
            self._made |= {scale: scales, zero: zeros}
            ends = ("QuantizeLinear", name, middle, middle), ("DequantizeLinear", middle, form, form)
            self._nodes += [
                helper.make_node(kind, [start, scale, zero], [end], name=named, axis=axis)
                for kind, start, end, named in ends
            ]
        return form

    def _bias(self, form: str, bias: Array, scale: Array) -> str:
        counted = np.rint(bias.astype(np.float64) / scale.astype(np.float64))
        integers = np.clip(counted, -MOST_BIAS, MOST_BIAS).astype(np.int32)
        return self._stored(
            form,
            integers,
            scale.astype(np.float32),
            np.zeros(scale.shape, np.int32),
            axis=0,
        )

    def _stored(self, form: str, integers: Array, scale: Array, zero: Array, axis: int | None) -> str:
        """Write a constant as integers with what reads them."""
        if form not in self._forms:
            self._forms.add(form)
            parts = {f"{form}:integers": integers, f"{form}:scale": np.asarray(scale), f"{form}:zero": zero}
            self._made |= parts
            domain = WIDE_DOMAIN if integers.dtype == np.uint16 else ""
            options = {} if axis is None else {"axis": axis}
            node = helper.make_node(
                "DequantizeLinear", list(parts), [form], name=f"{form}:read", domain=domain, **options
            )
            self._nodes.append(node)
        return form

    def finish(self) -> None:
        """Put nodes and constants in place."""
        if not self._made:
            return
        set_nodes(self._model, self._nodes)
        set_constants(self._model, self._made)
        del self._model.graph.value_info[:]  # some of those tensors are now others
        domains = {used.domain for used in self._model.opset_import}
        if any(node.domain == WIDE_DOMAIN for node in self._nodes) and WIDE_DOMAIN not in domains:
            self._model.opset_import.append(helper.make_opsetid(WIDE_DOMAIN, 1))


def _needed(model: onnx.ModelProto, is_layer: Callable[[onnx.NodeProto], bool]) -> set[str]:
    """List the tensors that some layer reads, however far away."""
    needed: set[str] = set()
    for node in reversed(model.graph.node):
        if is_layer(node) or needed.intersection(node.output):
            needed.update(node.input)
    return needed


def _spread(found: Range | None) -> float:
    return max(-found[0], found[1]) if found else 0.0
