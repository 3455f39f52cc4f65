"""Readers of pairs of faces, on real samples and on made-up ones, whole and broken."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceport.api import Scored
from faceport.data import pictures as media
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.types import Faces
from faceport_lfw.dataset import Lfw, LfwOptions
from faceport_lfw.dataset import parse as parse_lfw
from faceport_pairs.dataset import Pairs, PairsOptions
from faceport_pairs.dataset import parse as parse_pairs
from faceport_verification.folds import distances
from faceport_verification.metric import Verification, VerificationOptions

LFW = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\nBob\t3\t4\nAnn\t2\tBob\t4\n"
CSV = "file_x,file_y,Decision\r\na.jpg,b.jpg,Yes\r\nb.jpg,c.jpg,No\r\nc.jpg,d.jpg,yes\r\n"


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    media.write_picture(path, np.full((20, 30, 3), 128, np.uint8))


def membership(faces: Faces) -> tuple[list[int], list[bool]]:
    return faces.attributes["pair"][0].tolist(), faces.attributes["same"][0].tolist()


def test_lfw(tmp_path):
    picture(tmp_path / "lfw" / "Ann" / "Ann_0001.png")
    (tmp_path / "pairs.txt").write_text(LFW)
    dataset = Lfw(LfwOptions(root=str(tmp_path / "lfw")))
    samples = list(dataset)
    assert [s.id for s in samples] == ["Ann/Ann_0001", "Ann/Ann_0002", "Bob/Bob_0003", "Bob/Bob_0004"]
    assert samples[0].truth.identities.tolist() == ["Ann"]
    assert membership(samples[0].truth) == ([0, 1], [True, False])
    assert membership(samples[3].truth) == ([2, 3], [True, False])
    assert samples[0].image.shape == (20, 30, 3)
    with pytest.raises(ImageError, match=r"Ann/Ann_0002: cannot be read"):
        _ = samples[1].image
    first = Lfw(LfwOptions(root=str(tmp_path / "lfw"), folds=1))
    assert [s.id for s in first] == ["Ann/Ann_0001", "Ann/Ann_0002", "Bob/Bob_0003"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "pairs.txt:1: expected 'folds pairs'"),
        (LFW.replace("2\t1\n", ""), "pairs.txt:1: expected 'folds pairs'"),
        (LFW.replace("2\t1\n", "2\t2\n"), r"2 folds of 2 \+ 2 pairs are announced, 4 pairs follow"),
        (LFW.replace("Ann\t1\t2\n", "Ann\t1\n"), "pairs.txt:2: expected 'NAME i j'"),
        (LFW.replace("Ann\t1\t2\n", "Ann\t1\tx\n"), "pairs.txt:2: .* found 'Ann 1 x'"),
        (LFW.replace("Ann\t1\t2\n", "Ann\t1\t-2\n"), "pairs.txt:2: "),
    ],
)
def test_lfw_broken_line_is_named(content: str, reason: str):
    with pytest.raises(FaceportError, match=reason):
        parse_lfw("pairs.txt", content.encode())


@given(st.integers(0, len(LFW) - 3))
def test_truncated_lfw_is_refused(size: int):
    with pytest.raises(FaceportError, match=r"pairs\.txt"):
        parse_lfw("pairs.txt", LFW[:size].encode())


def test_lfw_has_so_many_folds():
    with pytest.raises(FaceportError, match="has 2 folds, not 3"):
        parse_lfw("pairs.txt", LFW.encode(), folds=3)


def test_real_lfw(real_dir):
    folder = real_dir / "lfw"
    whole = parse_lfw("pairs.txt", (folder / "pairs.txt").read_bytes())
    assert len(whole) == 6000
    assert sum(same for _, _, same in whole) == 3000
    dataset = Lfw(LfwOptions(root=str(folder / "lfw_aligned112_folds1-2.zip"), folds=2))
    assert len(dataset) == 1583
    assert dataset.pairs == whole[:1200]
    assert all(sample.image.shape == (112, 112, 3) for sample, _ in zip(dataset, range(20), strict=False))
    assert all(dataset.file(name) in dataset.pictures for name in dataset.labels)


def test_real_lfw_pairs_find_their_way_to_the_metric(real_dir):
    dataset = Lfw(LfwOptions(root=str(real_dir / "lfw" / "lfw_aligned112_folds1-2.zip"), folds=2))
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=8).astype(np.float32) for name in dataset.labels}
    items = [Scored(s.id, Faces(embeddings=vectors[s.id][None]), s.truth) for s in dataset]
    result = Verification(VerificationOptions(distance="cosine", folds=2, scores=True)).compute(items)
    first, second = (np.stack([vectors[pair[side]] for pair in dataset.pairs]) for side in (0, 1))
    assert (result["pairs"], result["missing_pairs"]) == (1200, 0)
    np.testing.assert_allclose(result["distances"], distances(first, second, "cosine"), atol=1e-12)


def test_pairs(tmp_path):
    (tmp_path / "list.csv").write_text(CSV)
    picture(tmp_path / "a.jpg")
    dataset = Pairs(PairsOptions(path=str(tmp_path / "list.csv")))
    samples = list(dataset)
    assert [s.id for s in samples] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert [s.truth.identities[0] for s in samples] == ["a.jpg", "a.jpg", "c.jpg", "c.jpg"]
    assert membership(samples[1].truth) == ([0, 1], [True, False])
    assert samples[0].image.shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "list.csv:1: expected the columns"),
        ("file_x,file_y\n", "list.csv:1: .*there is no decision"),
        (CSV.replace("b.jpg,c.jpg,No", "b.jpg,c.jpg"), "list.csv:3: expected 3 fields, found 2"),
        (CSV.replace("b.jpg,c.jpg,No", "b.jpg,c.jpg,maybe"), "list.csv:3: .*found 'b.jpg,c.jpg,maybe'"),
        (CSV.replace("b.jpg,c.jpg,No", "b.jpg,,No"), "list.csv:3: "),
        ("file_x,file_y,decision\n", "list.csv: names no pair"),
    ],
)
def test_pairs_broken_line_is_named(content: str, reason: str):
    with pytest.raises(FaceportError, match=reason):
        parse_pairs("list.csv", content.encode())


def test_pairs_that_contradict_each_other(tmp_path):
    (tmp_path / "list.csv").write_text(CSV + "c.jpg,a.jpg,yes\r\n")
    with pytest.raises(FaceportError, match=r"b\.jpg and c\.jpg are said to be two persons"):
        len(Pairs(PairsOptions(path=str(tmp_path / "list.csv"))))


@given(
    st.lists(
        st.sampled_from(["", ",", "a.jpg,b.jpg,yes", "a.jpg,b.jpg", "x,y,z", '"', "\udce9,b,no"]), max_size=6
    )
)
def test_fuzzed_pairs_are_read_or_refused(rows: list[str]):
    content = os.fsencode("\n".join(["file_x,file_y,decision", *rows]))
    try:
        pairs = parse_pairs("list.csv", content)
    except FaceportError as error:
        assert "list.csv" in str(error)
    else:
        assert len(pairs) == sum(row.endswith(("yes", "no")) for row in rows)


def test_real_pairs(real_dir):
    folder = real_dir / "facepairs"
    dataset = Pairs(PairsOptions(path=str(folder / "master.csv")))
    assert len(dataset.pairs) == len((folder / "master.csv").read_text().split()) - 1
    assert {name for *names, _ in dataset.pairs for name in names} == set(dataset.labels)
    assert all(dataset.file(name) in dataset.pictures for name in dataset.labels)
    assert all(sample.image.shape[2] == 3 for sample, _ in zip(dataset, range(2), strict=False))
    pivot = parse_pairs("pivot", (folder / "face-recognition-pivot.csv").read_bytes())
    assert pivot[0] == ("deepface/tests/dataset/img38.jpg", "deepface/tests/dataset/img39.jpg", True)


@pytest.mark.parametrize(
    "dataset",
    [Lfw(LfwOptions(root="/nowhere")), Pairs(PairsOptions(path="/nowhere/list.csv"))],
    ids=["lfw", "pairs"],
)
def test_missing_dataset_says_what_to_do(dataset):
    with pytest.raises(MissingError, match=r"/nowhere.*dataset\."):
        len(dataset)
