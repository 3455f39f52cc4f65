"""Targets that run ONNX in NumPy, and do something wrong."""

import shutil
import time
from pathlib import Path

import numpy as np

from faceport.api import Session, Target
from faceport.errors import FaceportError
from faceport.testing.strict import check_shapes, read_shapes

DAMAGED = tuple(
    f"test_damaged_artifact_is_a_sentence[{damage}]" for damage in ("empty", "garbage", "half", "no files")
)


class GoodSession(Session):
    def __init__(self, path):
        import onnx
        from onnx.reference import ReferenceEvaluator

        onnx.checker.check_model(str(path))
        self.evaluator = ReferenceEvaluator(str(path))
        self.says = {"runtime": "numpy", "version": "1", "device": "CPU", "precision": "fp32"}

    @property
    def facts(self):
        return self.says

    def run(self, inputs):
        return dict(zip(self.evaluator.output_names, self.evaluator.run(None, dict(inputs)), strict=True))


class Good(Target):
    caught_by = ()
    opened = GoodSession

    def compile(self, source, out, calibration):
        shutil.copyfile(source.onnx(), out / "model.onnx")

    def open(self, artifact):
        try:
            return self.opened(artifact.path / "model.onnx")
        except Exception as error:
            raise FaceportError(f"{artifact.path} is damaged: compile it again") from error


class KeepsThePathOnly(Good):
    caught_by = ("test_artifact_can_be_carried_away",)

    def compile(self, source, out, calibration):
        (out / "path.txt").write_text(str(source.onnx()))

    def open(self, artifact):
        try:
            return self.opened(Path((artifact.path / "path.txt").read_text()))
        except Exception as error:
            raise FaceportError(f"{artifact.path} is damaged: compile it again") from error


class WritesBesideTheSource(Good):
    caught_by = ("test_source_is_left_as_it_is",)

    def compile(self, source, out, calibration):
        super().compile(source, out, calibration)
        source.onnx().with_suffix(".log").write_text("done")


class FailsInItsOwnWords(Good):
    caught_by = DAMAGED

    def open(self, artifact):
        return self.opened(artifact.path / "model.onnx")


class MissesInTwoLines(Good):
    caught_by = ("test_missing_is_empty_or_a_sentence",)

    def missing(self):
        return "Traceback:\n  no module"


class ForgetsItsRecipe(Good):
    caught_by = ("test_recipe_is_plain_and_stable",)

    def recipe(self):
        return {"made": time.perf_counter()}


class _Silent(GoodSession):
    def __init__(self, path):
        super().__init__(path)
        del self.says["device"]


class HidesItsDevice(Good):
    caught_by = ("test_facts_say_what_runs",)
    opened = _Silent


class _FirstRow(GoodSession):
    def run(self, inputs):
        rows = super().run({name: value[:1] for name, value in inputs.items()})
        return {name: np.repeat(row, len(inputs["image"]), axis=0) for name, row in rows.items()}


class RunsTheFirstRowOnly(Good):
    caught_by = ("test_free_sizes_are_right", "test_outputs_are_right[3]")
    opened = _FirstRow


class _Raw(GoodSession):
    def run(self, inputs):
        image = inputs["image"]
        memory = image if image.base is None else image.base
        flat = np.ascontiguousarray(memory).ravel()[: image.size]
        return super().run({"image": flat.reshape(image.shape)})


class IgnoresStrides(Good):
    caught_by = (
        "test_any_memory_layout_is_right[channels last]",
        "test_any_memory_layout_is_right[mirrored]",
    )
    opened = _Raw


class _Reused(GoodSession):
    def __init__(self, path):
        super().__init__(path)
        self.kept = {}

    def run(self, inputs):
        for name, value in super().run(inputs).items():
            if name in self.kept and self.kept[name].shape == value.shape:
                self.kept[name][:] = value
            else:
                self.kept[name] = value.copy()
        return dict(self.kept)


class ReusesItsOutputs(Good):
    caught_by = (
        "test_outputs_are_the_callers_to_keep",
        "test_run_many_equals_run",
        "test_threads_do_not_disturb_each_other",
    )
    opened = _Reused


class _InPlace(GoodSession):
    def run(self, inputs):
        found = super().run(inputs)
        inputs["image"][:] = 0
        return found


class EmptiesItsInputs(Good):
    caught_by = ("test_inputs_are_left_as_they_are",)
    and_more = True
    opened = _InPlace


class _Backwards(GoodSession):
    def run_many(self, batches):
        return super().run_many(batches)[::-1]


class AnswersInAnotherOrder(Good):
    caught_by = ("test_run_many_equals_run",)
    opened = _Backwards


class _Shared(GoodSession):
    streams = 4

    def run(self, inputs):
        self.current = inputs
        time.sleep(0.001)
        return super().run(self.current)


class SharesBetweenThreads(Good):
    caught_by = ("test_threads_do_not_disturb_each_other",)
    opened = _Shared


class _OneSize(GoodSession):
    def run(self, inputs):
        if inputs["image"].shape[2:] != (12, 16):
            raise RuntimeError("shape mismatch")
        return super().run(inputs)


class FailsOnOtherSizes(Good):
    caught_by = ("test_free_sizes_are_right",)
    capabilities = frozenset({"dynamic_batch"})
    opened = _OneSize


class _ShapeOfItsGraph(GoodSession):
    def __init__(self, path):
        super().__init__(path)
        self.shapes = read_shapes(path)

    def run(self, inputs):
        check_shapes(self.shapes, inputs)
        return super().run(inputs)


class LeavesFreeShapesToTheCore(Good):
    caught_by = ()
    capabilities = frozenset()
    opened = _ShapeOfItsGraph


class _OneRow(GoodSession):
    def run(self, inputs):
        if len(inputs["image"]) != 1:
            raise FaceportError("this target runs one picture at a time")
        return super().run(inputs)


class ClaimsBatchesThatItHasNot(Good):
    caught_by = ("test_free_sizes_are_right", "test_outputs_are_right[3]")
    opened = _OneRow


class InventsACapability(Good):
    caught_by = ("test_capabilities_are_known",)
    capabilities = frozenset({"dynamic_batch", "dynamic_shape", "telepathy"})


class _OneSizeSaid(GoodSession):
    def run(self, inputs):
        if inputs["image"].shape[2:] != (12, 16):
            raise FaceportError("this target runs pictures of 12 x 16 pixels only")
        return super().run(inputs)


class ClaimsSizesThatItHasNot(Good):
    caught_by = ("test_free_sizes_are_right",)
    opened = _OneSizeSaid


class _Closing(GoodSession):
    closed = False

    def run(self, inputs):
        if _Closing.closed:
            raise RuntimeError("closed")
        return super().run(inputs)

    def close(self):
        _Closing.closed = True


class ClosesTheDevice(Good):
    caught_by = ("test_closing_one_session_leaves_others_open",)
    and_more = True
    opened = _Closing
