"""Models that point at five points of given boxes, and do something wrong."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from faceport.api import Network, SingleNetworkModel
from faceport.types import Faces, TensorSpec


@dataclass(frozen=True)
class Options:
    weights: str = "random"


def build():
    from torch import nn

    return nn.Linear(3, 10)


def build_that_mixes_rows():
    from torch import nn

    class Mixing(nn.Linear):
        def forward(self, colour):
            return super().forward(colour - colour.mean(dim=0))

    return Mixing(3, 10)


class Good(SingleNetworkModel):
    caught_by = ()
    Options = Options
    needs = frozenset({"boxes"})
    provides = frozenset({"points"})
    build = staticmethod(build)
    width = 10

    @cached_property
    def network(self):
        inputs, outputs = TensorSpec("colour", ("batch", 3)), TensorSpec("shares", ("batch", self.width))
        return Network("faulty", (inputs,), (outputs,), self.build, weights=self.options.weights)

    def preprocess(self, sample):
        colour = sample.image.mean(axis=(0, 1)) / 255
        return {"colour": np.tile(colour, (len(sample.faces), 1)).astype(np.float32)}

    def postprocess(self, sample, outputs):
        corners, ends = np.split(sample.faces.boxes[:, None], 2, axis=2)
        return sample.faces.with_fields(
            points=corners + outputs["shares"].reshape(-1, 5, 2) * (ends - corners)
        )


class SendsDoubles(Good):
    caught_by = ("test_calls_fit_their_specs",)
    and_more = True

    def predict(self, sample):
        steps = super().predict(sample)
        try:
            call = next(steps)
            outputs = yield replace(call, inputs={"colour": call.inputs["colour"].astype(np.float64)})
            steps.send(outputs)
        except StopIteration as stop:
            return stop.value


class DeclaresAnotherWidth(Good):
    caught_by = ("test_network_exports_as_declared", "test_outputs_fit_their_specs")
    and_more = True  # the engine refuses such outputs
    width = 11


class MixesRows(Good):
    caught_by = ("test_outputs_fit_their_specs",)
    build = staticmethod(build_that_mixes_rows)


class ForgetsWhatItWasTold(Good):
    caught_by = ("test_answers_have_what_is_provided", "test_what_is_told_is_passed_on")

    def postprocess(self, sample, outputs):
        return Faces(points=super().postprocess(sample, outputs).points)


class ForgetsTheDetector(Good):
    caught_by = ("test_what_is_told_is_passed_on",)

    def postprocess(self, sample, outputs):
        return super().postprocess(sample, outputs).only(["boxes", "points"])


class DropsFaces(Good):
    caught_by = ("test_what_is_told_is_passed_on",)

    def postprocess(self, sample, outputs):
        return super().postprocess(sample, outputs)[:1]


class ProvidesNothing(Good):
    caught_by = ("test_answers_have_what_is_provided", "test_what_is_told_is_passed_on")
    provides = frozenset({"landmarks"})


class AnswersNaN(Good):
    caught_by = ("test_answers_are_faces",)

    def postprocess(self, sample, outputs):
        return sample.faces.with_fields(points=np.full((len(sample.faces), 5, 2), np.nan, np.float32))


class AnswersDoubles(Good):
    caught_by = (
        "test_answers_are_faces",
        *(f"test_odd_pictures_are_no_trouble[{n}]" for n in ("1x1", "3x70", "70x3")),
    )

    def postprocess(self, sample, outputs):
        return sample.faces.with_fields(points=np.zeros((len(sample.faces), 5, 2)))


class FailsOnThinPictures(Good):
    caught_by = ("test_odd_pictures_are_no_trouble[1x1]", "test_odd_pictures_are_no_trouble[3x70]")

    def preprocess(self, sample):
        assert sample.image[:16].shape[0] > 3
        return super().preprocess(sample)


class PaintsThePicture(Good):
    caught_by = ("test_samples_are_left_as_they_are", "test_the_same_answers_give_the_same_calls")

    def postprocess(self, sample, outputs):
        sample.image[:] = 255
        return super().postprocess(sample, outputs)


class MovesTheBoxes(Good):
    caught_by = ("test_samples_are_left_as_they_are", "test_what_is_told_is_passed_on")

    def postprocess(self, sample, outputs):
        faces = super().postprocess(sample, outputs)
        sample.faces.boxes[:] += 1
        return faces


class LooksAtTheTruth(Good):
    caught_by = ("test_truth_is_never_looked_at",)

    def preprocess(self, sample):
        if sample.truth is not None and sample.truth.boxes is not None:
            return super().preprocess(replace(sample, faces=sample.truth))
        return super().preprocess(sample)


class RemembersTheLastPicture(Good):
    caught_by = ("test_answers_do_not_depend_on_batches_or_order",)
    last = np.float32(0)

    def postprocess(self, sample, outputs):
        faces = super().postprocess(sample, {"shares": outputs["shares"] + self.last})
        self.last = np.float32(len(sample.faces))
        return faces


class MakesNetworksAgain(Good):
    caught_by = ("test_networks_are_the_same_every_time",)
    network = property(Good.network.func)


class SaysAnotherThingInItsCard(Good):
    caught_by = ("test_card_says_what_the_class_does",)
    card = {"provides": ["points"], "needs": []}


class SettlesWhatIsNoOption(Good):
    caught_by = ("test_settled_options_are_options",)

    def settled(self):
        return {"anchors": [1, 2]}


class NotesOneText(Good):
    caught_by = ("test_notes_are_sentences",)
    notes = "careful"


class SwapsNames(Good):
    caught_by = ("test_networks_are_declared",)

    @cached_property
    def networks(self):
        return {"faulty": self.network, "other": self.network}
