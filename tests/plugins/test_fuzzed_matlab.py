"""Damaged MATLAB files: what can be read is right, anything else is refused with the name of the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceport.api import Dataset
from faceport.errors import FaceportError
from faceport.types import Faces
from faceport_aflw.dataset import Aflw, AflwOptions
from faceport_cofw.dataset import Cofw, CofwOptions
from faceport_widerface_dataset.dataset import WiderFace, WiderFaceOptions
from tests.plugins.test_landmark_datasets import write_cofw
from tests.plugins.test_widerface_dataset import cells, write_mats

JUNK: list[Any] = [
    *(np.zeros((0, 0)), np.zeros((3, 1)), np.full((2, 4), np.nan), np.full((6, 38), -1.0), np.array("text")),
    *(np.array([[1 + 2j]]), np.array([[300]]), {"a": 1}, cells(["x"]), cells([cells(["x", "y"])]), cells([])),
    *(
        cells([cells([])]),
        cells([cells([np.array([[1.5, np.nan, 3, 4]])])]),
        cells([cells([np.zeros((1, 3))])]),
    ),
]
ODD = [HealthCheck.function_scoped_fixture]


def aflw(folder: Path, **changes: Any) -> Aflw:
    """Write six faces on three pictures, all of the training part."""
    names = cells([f"0/image{i // 2}.jpg" for i in range(6)])
    points = np.arange(6 * 38).reshape(6, 38).astype(float)
    content = {"bbox": np.tile([10.0, 50.0, 20.0, 60.0], (6, 1)), "data": points, "nameList": names}
    content |= {"mask_new": np.ones((6, 19)), "ra": np.arange(1, 7)[None]}
    folder.mkdir(exist_ok=True)
    scipy.io.savemat(folder / "AFLWinfo_release.mat", content | changes)
    return Aflw(AflwOptions(root=str(folder), split="train"))


def widerface(folder: Path, **changes: Any) -> WiderFace:
    """Write two faces on one picture, and which of them are easy, medium and hard."""
    write_mats(folder / "ground_truth", easy=[2])
    for file in sorted((folder / "ground_truth").glob("*.mat")):
        content = {key: value for key, value in scipy.io.loadmat(file).items() if key[0] != "_"}
        own = {key: value for key, value in changes.items() if key in content}
        scipy.io.savemat(file, content | own)
    return WiderFace(WiderFaceOptions(root=str(folder)))


def rows(dataset: Dataset) -> list[tuple[Any, ...]] | None:
    """Read all faces; None where the files are refused, which must name one of them."""
    try:
        labels: dict[str, Faces] = dict(dataset.labels)
    except FaceportError as error:
        assert ".mat" in str(error), error
        return None
    found = []
    for name, faces in labels.items():
        numbers = [value for key in ("boxes", "landmarks") if (value := getattr(faces, key)) is not None]
        assert all(np.isfinite(value).all() for value in numbers)
        found += [(name, *np.concatenate([value[i].ravel() for value in numbers])) for i in range(len(faces))]
    return found


@pytest.mark.parametrize(
    ("make", "variables"),
    [
        (aflw, ["bbox", "data", "mask_new", "nameList", "ra"]),
        (widerface, ["event_list", "file_list", "face_bbx_list", "gt_list"]),
    ],
)
@settings(deadline=None, max_examples=60, suppress_health_check=ODD)
@given(data=st.data())
def test_one_other_variable_is_refused_or_changes_nothing_else(make, variables, tmp_path, data):
    variable, junk = data.draw(st.sampled_from(variables)), data.draw(st.sampled_from(JUNK))
    whole = rows(make(tmp_path))
    assert whole
    found = rows(make(tmp_path, **{variable: junk}))
    assert found is None or len(found) <= len(whole)


@pytest.mark.parametrize(
    ("make", "file"),
    [(aflw, "AFLWinfo_release.mat"), (widerface, "ground_truth/wider_face_val.mat")],
)
@settings(deadline=None, max_examples=60, suppress_health_check=ODD)
@given(data=st.data())
def test_what_is_cut_off_is_refused(make, file, tmp_path, data):
    dataset = make(tmp_path)
    whole = rows(dataset)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert rows(type(dataset)(dataset.options)) in (None, whole)


@settings(deadline=None, max_examples=60, suppress_health_check=ODD)
@given(data=st.data())
def test_cofw_that_is_cut_off_is_refused(tmp_path, data):
    path = tmp_path / "COFW_test_color.mat"
    write_cofw(path)
    whole = rows(Cofw(CofwOptions(root=str(tmp_path))))
    assert whole
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert rows(Cofw(CofwOptions(root=str(tmp_path)))) in (None, whole)


@settings(deadline=None, max_examples=60, suppress_health_check=ODD)
@given(name=st.sampled_from(["phisT", "bboxesT", "IsT"]), number=st.integers(0, 7))
def test_cofw_with_one_other_variable_is_refused(tmp_path, name: str, number: int):
    path = tmp_path / "COFW_test_color.mat"
    write_cofw(path)
    with h5py.File(path, "a") as file:
        junk: list[Callable[[], Any]] = [
            lambda: np.zeros((0, 0)),
            lambda: np.full(file[name].shape, np.nan) if name != "IsT" else np.nan,
            lambda: "text",
            lambda: np.zeros((2, 88)),
            lambda: np.zeros((4, 2)),
            lambda: np.full((4, 2), np.inf),
            lambda: 3,
            lambda: np.zeros((1, 2), dtype=complex),
        ]
        value = junk[number]()
        del file[name]
        file[name] = value
    assert rows(Cofw(CofwOptions(root=str(tmp_path)))) is None


@pytest.mark.parametrize("make", [aflw, widerface])
def test_whole_files_are_read(make, tmp_path):
    assert len(rows(make(tmp_path))) == {aflw: 6, widerface: 2}[make]
