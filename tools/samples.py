"""Write the valid sample of each dataset plugin: what the conformance kit reads, whole and damaged.

    python tools/samples.py

Everything in them is made up. The MATLAB files have no other source than this.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from faceport.data.pictures import write_picture
from faceport.testing.drawn import draw_picture

PLUGINS = Path(__file__).resolve().parents[1] / "plugins" / "datasets"
HEIGHT, WIDTH = 48, 64


def _place(plugin: str, name: str) -> Path:
    (package,) = (PLUGINS / plugin / "src").glob("faceport_*[!o]")
    path = package / "sample" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _pictures(plugin: str, *names: str) -> None:
    for seed, name in enumerate(names):
        write_picture(_place(plugin, name), draw_picture(HEIGHT, WIDTH, seed))


def points(count: int, seed: int) -> np.ndarray:
    """Draw landmarks within a picture, to a hundredth of a pixel."""
    return np.random.default_rng(seed).uniform((4, 4), (WIDTH - 4, HEIGHT - 4), (count, 2)).round(2)


def _cells(values: list) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    for i, value in enumerate(values):
        array[i, 0] = value
    return array


def _save(path: Path, content: dict, packed: bool) -> None:
    scipy.io.savemat(path, content, do_compression=packed)
    head = b"MATLAB 5.0 MAT-file, made up for tests".ljust(116)  # without the date, so that it stays the same
    path.write_bytes(head + path.read_bytes()[116:])


def _widerface() -> None:
    _pictures("widerface", *(f"WIDER_val/images/{name}.jpg" for name in ("0--A/a", "0--A/b", "1--B/c")))
    boxes = [np.array([[1, 2, 30, 40], [5, 6, 7, 8]]), np.zeros((0, 4)), np.array([[20, 10, 25, 30]])]
    shape = {"event_list": _cells(["0--A", "1--B"]), "file_list": _cells([_cells(["a", "b"]), _cells(["c"])])}
    shape["face_bbx_list"] = _cells([_cells(boxes[:2]), _cells(boxes[2:])])
    flags = [np.arange(len(rows), dtype=np.uint8).reshape(-1, 1) for rows in boxes]
    labels = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    lists = {f"{label}_label_list": _cells([_cells(flags[:2]), _cells(flags[2:])]) for label in labels}
    _save(_place("widerface", "ground_truth/wider_face_val.mat"), shape | lists, packed=False)
    for level, chosen in {"easy": [1], "medium": [1], "hard": [1, 2]}.items():
        kept = [np.array(chosen, np.uint8)[:, None], np.zeros((0, 1), np.uint8), np.array([[1]], np.uint8)]
        gt_list = {"gt_list": _cells([_cells(kept[:2]), _cells(kept[2:])])}
        _save(
            _place("widerface", f"ground_truth/wider_{level}_val.mat"),
            shape | gt_list,
            packed=level == "hard",
        )


def _wflw() -> None:
    names = ["0--A/a.jpg", "0--A/b.jpg"]
    _pictures("wflw", *(f"WFLW_images/{name}" for name in names))
    lines = []
    for seed, name in enumerate([*names, names[0]]):
        landmarks = " ".join(f"{value:.2f}" for value in points(98, seed).ravel())
        lines.append(f"{landmarks} 2 3 60 45 {seed % 2} 0 1 0 0 1 {name}\n")
    _place("wflw", "list_98pt_rect_attr_test.txt").write_text("".join(lines))


def _w300() -> None:
    _pictures("w300", "ibug/one.jpg", "ibug/two.jpg")
    for seed, name in enumerate(("one", "two")):
        body = "".join(f"{x:.2f} {y:.2f}\n" for x, y in points(68, seed))
        _place("w300", f"ibug/{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{body}}}\n")


def _lapa() -> None:
    _pictures("lapa", "test/images/one.jpg", "test/images/two.jpg")
    for seed, name in enumerate(("one", "two")):
        body = "".join(f"{x:.2f} {y:.2f}\n" for x, y in points(106, seed))
        _place("lapa", f"test/landmarks/{name}.txt").write_text(f"106\n{body}")


def _lfw() -> None:
    names = [f"{name}/{name}_{number:04d}.jpg" for name in ("Ann", "Bo", "Cy") for number in (1, 2)]
    _pictures("lfw", *names)
    pairs = ["2\t1", "Ann\t1\t2", "Ann\t1\tBo\t2", "Bo\t1\t2", "Bo\t1\tCy\t2"]
    _place("lfw", "pairs.txt").write_text("\n".join(pairs) + "\n")


def _pairs() -> None:
    _pictures("pairs", "a.jpg", "b.jpg", "c.jpg")
    _place("pairs", "pairs.csv").write_text("file_x,file_y,decision\na.jpg,b.jpg,yes\nb.jpg,c.jpg,no\n")


def _coco_keypoints() -> None:
    _pictures("coco_keypoints", "a.jpg", "b.jpg", "c.jpg")
    images = [{"id": number, "file_name": f"{name}.jpg"} for number, name in enumerate("abc", 1)]
    faces = []
    for number, image in enumerate((1, 1, 2)):
        keypoints = [value for x, y in points(19, number).tolist() for value in (x, y, 2)]
        face = {"id": number, "image_id": image, "iscrowd": 0, "keypoints": keypoints, "bbox": [2, 3, 50, 40]}
        faces.append(face | {"center": [27.0, 23.0], "scale": 0.25})
    content = {"images": images, "annotations": faces}
    _place("coco_keypoints", "annotations.json").write_text(json.dumps(content, indent=1) + "\n")


def _cofw() -> None:
    rows = np.concatenate(
        [np.moveaxis([points(29, 0), points(29, 1)], 2, 1).reshape(2, 58), np.eye(2, 29)], 1
    )
    with h5py.File(_place("cofw", "COFW_test_color.mat"), "w") as file:
        references = np.empty((1, 2), dtype=h5py.ref_dtype)
        for i, picture in enumerate((draw_picture(HEIGHT, WIDTH, 0), draw_picture(HEIGHT, WIDTH, 1)[..., 0])):
            item = file.create_dataset(f"#refs#/{i}", data=picture.T, compression="gzip", track_times=False)
            references[0, i] = item.ref
        for name, value in {
            "IsT": references,
            "phisT": rows.T,
            "bboxesT": np.tile([2.0, 3, 50, 40], (2, 1)).T,
        }.items():
            file.create_dataset(name, data=value, track_times=False)


def _aflw() -> None:
    names = ["0/one.jpg", "0/two.jpg", "0/one.jpg"]
    _pictures("aflw", *(f"flickr/{name}" for name in names[:2]))
    content = {
        "bbox": np.tile([2.0, 60, 3, 45], (3, 1)),
        "data": np.stack([points(19, seed).T.ravel() for seed in range(3)]),
        "mask_new": np.ones((3, 19)),
        "nameList": _cells(names),
        "ra": np.array([[2, 1, 3]]),
    }
    _save(_place("aflw", "AFLWinfo_release.mat"), content, packed=False)


if __name__ == "__main__":
    for write in (_widerface, _wflw, _w300, _lapa, _lfw, _pairs, _coco_keypoints, _cofw, _aflw):
        write()
