"""The service: what it answers, what it refuses, and that it stays within its bounds."""

import asyncio
import os
import sys
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from faceport.data.pictures import decode, encode
from faceport.data.videos import VideoWriter
from faceport.engine.timing import IN_ENGINE, SERVICE
from faceport.errors import ConfigError, FaceportError
from faceport.shell.compose import compose_config
from faceport.types import Faces, Prediction
from tests.plans import act

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")
pytest.importorskip("multipart")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")
import httpx
from starlette.testclient import TestClient

from faceport_serve.app import description, make_app
from faceport_serve.catalogue import Catalogue
from faceport_serve.limits import Limits, Rates
from faceport_serve.options import ServeOptions, offers_of
from faceport_serve.quiet import quiet_libraries
from faceport_serve.served import Offer, Ticket, Timings

JPEG = encode(np.full((40, 60, 3), 90, np.uint8))
OFFERS = [Offer(name, {"model": {"name": "toy"}, "target": {"name": name}}) for name in ("one", "two", "bad")]


class Toy:
    """Find one face, as large as the picture; its embedding is the colour of the middle."""

    provides = frozenset({"boxes", "scores", "embeddings"})
    space = "toy"
    closed = False

    def __init__(self, offer, sees=None):
        self.offer, self.name, self.networks = offer, offer.name, {}
        self.sees = sees or self.see
        self.futures = []
        if offer.name == "bad":
            raise FaceportError("its weights are not here")

    def warm_up(self):
        pass

    shut = warm_up

    def close(self):
        self.closed = True

    def facts(self):
        return self.offer.facts()

    @staticmethod
    def see(picture, future):
        try:
            height, width = picture().shape[:2]
        except FaceportError as error:
            future.set_result(Prediction("x", Faces(), str(error)))
            return
        colour = picture()[height // 2, width // 2].astype(np.float32)[None]
        box = np.float32([[0, 0, width, height]])
        future.set_result(Prediction("x", Faces(box, np.float32([0.5]), embeddings=colour)))

    def look(self, picture):
        future = Future()
        self.futures.append(future)
        self.sees(picture, future)
        return Ticket(future, {"decode": 1.0})


def never(picture, future):
    """Leave everybody waiting."""


def make(sees=None, token=None, **options):
    """Make an application, and give the models that it opened, too."""
    limits = {"queue": 2, "seconds": 5.0, "bytes": 100_000, "pixels": 10_000, "faces": 10}
    opened = []

    def build(offer):
        opened.append(Toy(offer, sees))
        return opened[-1]

    catalogue = Catalogue(OFFERS, build, 2)
    catalogue.start()
    given = {key: options.pop(key) for key in [*options] if key in Limits.__dataclass_fields__}
    app = make_app(catalogue, Limits(**limits | given), token=token, **options)
    return SimpleNamespace(app=app, opened=opened, catalogue=catalogue)


def client(*args, **options):
    return TestClient(make(*args, **options).app, base_url="http://localhost")


def coloured(*colour):
    return encode(np.full((40, 60, 3), colour, np.uint8), ".png")


def test_a_picture_is_answered_with_its_faces():
    for sent in ({"content": JPEG}, {"files": {"anything": JPEG}}):
        found = client().post("/v1/faces", **sent)
        assert found.status_code == 200, found.text
        assert found.json()["boxes"] == [[0, 0, 60, 40]] and found.json()["width"] == 60
        assert "embeddings" not in found.json() and found.json()["milliseconds"] == {"decode": 1}


def test_fields_and_threshold_are_as_asked():
    one = client()
    found = one.post("/v1/faces?fields=embeddings,scores", content=JPEG).json()
    assert found["embeddings"] == [[90, 90, 90]] and "boxes" not in found
    assert one.post("/v1/faces?threshold=0.6", content=JPEG).json()["count"] == 0


def test_the_answer_may_be_the_picture():
    found = client().post("/v1/faces", content=JPEG, headers={"Accept": "image/png"})
    assert found.headers["content-type"] == "image/png"
    image = decode(found.content)
    assert image.shape == (40, 60, 3) and (image != 90).any() and (image[20, 30] == 90).all()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, fps=10) as writer:
        for shade in range(6):
            writer.write(np.full((48, 64, 3), 30 * shade, np.uint8))
    return path.read_bytes()


def test_a_video_is_answered_frame_by_frame(film):
    found = client().post("/v1/faces?stride=2&fields=boxes,embeddings,attributes", content=film).json()
    assert (found["width"], found["height"], found["fps"]) == (64, 48, 10)
    assert [frame["frame"] for frame in found["frames"]] == [0, 2, 4]
    assert [frame["attributes"]["track"] for frame in found["frames"]] == [[1]] * 3
    shades = [frame["embeddings"][0][0] for frame in found["frames"]]
    assert shades == pytest.approx([0, 60, 120], abs=6)


@pytest.mark.parametrize(
    ("limits", "query", "cut", "code", "said"),
    [
        ({"frames": 5}, "", None, 413, "more than 5 frames"),
        ({"frames": 3}, "stride=2", None, 200, "frames"),
        ({"pixels": 3071}, "", None, 413, "64x48 pixels"),
        ({}, "", 200, 422, "damaged"),
    ],
)
def test_videos_have_bounds_and_leave_no_file(limits, query, cut, code, said, film, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = client(**limits).post(f"/v1/faces?{query}", content=film[:cut])
    assert found.status_code == code and said in found.text and str(tmp_path) not in found.text
    assert not [*tmp_path.iterdir()]


def test_a_frame_of_a_board_is_answered():
    grey = bytes([126, 128]) * (60 * 40)
    found = client().post("/v1/faces?format=yuyv&width=60&height=40&fields=embeddings", content=grey)
    assert found.json()["embeddings"] == [[128, 128, 128]]
    for query, code in (("format=yuyv", 400), ("format=yuyv&width=62&height=40", 422), ("format=x", 400)):
        assert client().post(f"/v1/faces?{query}", content=grey).status_code == code


@pytest.mark.parametrize(
    ("limits", "body", "code", "said"),
    [
        ({}, b"", 415, "no JPEG"),
        ({}, b"\xff\xd8\xff", 422, "damaged"),
        ({}, JPEG[:-40], 422, "damaged"),
        ({"bytes": 100}, JPEG, 413, "more than 100 bytes"),
        ({"pixels": 2399}, JPEG, 413, "60x40 pixels"),
    ],
)
def test_what_is_no_fit_picture_is_refused_in_a_sentence(limits, body, code, said):
    found = client(**limits).post("/v1/faces", content=body)
    assert found.status_code == code and said in found.json()["error"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("feilds=boxes", "Did you mean fields"),
        ("fields=boxs", "Did you mean boxes"),
        ("fields=landmarks", "gives no landmarks"),
        ("threshold=nan", "from 0 to 1"),
    ],
)
def test_what_nobody_knows_in_a_query_is_a_mistake(query, said):
    found = client().post(f"/v1/faces?{query}", content=JPEG)
    assert found.status_code == 400 and said in found.json()["error"]


def test_two_pictures_are_held_against_each_other():
    one = client(same=0.9)
    sent = {"first": coloured(90, 0, 0), "second": coloured(0, 90, 0)}
    found = one.post("/v1/verify", files=sent).json()
    assert found["similarity"] == 0 and found["same"] is False
    assert found["distance"] == pytest.approx(90 * 2**0.5)
    sent["second"] = coloured(200, 0, 0)
    assert one.post("/v1/verify", files=sent).json()["same"] is True
    assert one.post("/v1/verify", files={"first": JPEG}).json()["error"] == "the form has no file 'second'"


def test_people_are_enrolled_found_listed_and_forgotten():
    one = client()
    for name, colour in {"red": (90, 0, 0), "green": (0, 90, 0), "blue": (0, 0, 90)}.items():
        assert one.post(f"/v1/gallery?name={name}", content=coloured(*colour)).status_code == 201
    (matches,) = one.post("/v1/search?top=2", content=coloured(10, 99, 20)).json()["matches"]
    assert [match["name"] for match in matches] == ["green", "blue"]
    assert matches[0]["similarity"] == pytest.approx(99 / np.linalg.norm([10, 99, 20]))
    assert [face["name"] for face in one.get("/v1/gallery?after=1").json()["faces"]] == ["green", "blue"]
    assert one.delete("/v1/gallery/2").status_code == 204 and one.delete("/v1/gallery/2").status_code == 404
    (matches,) = one.post("/v1/search", content=coloured(10, 99, 20)).json()["matches"]
    assert [match["name"] for match in matches] == ["blue", "red"]
    assert one.post("/v1/gallery?name=", content=JPEG).status_code == 400


def test_models_come_and_go_by_name():
    made = make()
    one = TestClient(made.app, base_url="http://localhost")
    assert one.post("/v1/faces?model=two", content=JPEG).status_code == 409
    assert one.post("/v1/models/two/load").json()["state"] == "ready"
    assert one.post("/v1/faces?model=two", content=JPEG).json()["model"] == "two"
    assert "no more may be" in one.post("/v1/models/bad/load").json()["error"]
    assert one.post("/v1/models/two/unload").json()["state"] == "offered" and made.opened[1].closed
    found = one.post("/v1/models/bad/load")
    assert found.status_code == 503 and "weights are not here" in found.json()["error"]
    assert [model["state"] for model in one.get("/v1/models").json()["models"]] == [
        "ready",
        "offered",
        "failed",
    ]
    assert one.post("/v1/models/one/unload").status_code == 409
    assert "Available: bad, one, two" in one.post("/v1/models/nobody/load").json()["error"]


def test_time_is_bounded_and_room_comes_back():
    made = make(never, seconds=0.05, queue=1)
    one = TestClient(made.app, base_url="http://localhost")
    assert [one.post("/v1/faces", content=JPEG).status_code for _ in range(3)] == [504] * 3
    assert all(future.cancelled() for future in made.opened[0].futures)  # they left the queue of the engine


def test_a_token_is_asked_for():
    one = client(token="s3cret")
    assert one.post("/v1/faces", content=JPEG).status_code == 401
    assert one.get("/v1/gallery").status_code == 401 and one.get("/metrics").status_code == 401
    assert one.get("/health").status_code == 200
    sent = {"Authorization": "Bearer s3cret"}
    assert one.post("/v1/faces", content=JPEG, headers=sent).status_code == 200


def test_pages_of_others_are_refused():
    one = client()
    assert one.get("/health", headers={"Host": "evil.example"}).status_code == 403
    assert one.get("/health", headers={"Host": "127.0.0.1:80"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert one.post("/v1/faces", content=JPEG, headers={"Origin": origin}).status_code == 403
    assert one.post("/v1/faces", content=JPEG, headers={"Origin": "http://localhost"}).status_code == 200


def test_other_machines_need_a_token(monkeypatch):
    monkeypatch.delenv("FACEPORT_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="FACEPORT_TOKEN"):
        act("serve", ["model=retinaface_mobilenet", "host=0.0.0.0"])


def ask(app, count, **sent):
    async def together():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
            return await asyncio.gather(*(one.post("/v1/faces", content=JPEG, **sent) for _ in range(count)))

    return asyncio.run(together())


def test_who_finds_no_room_is_asked_to_come_again():
    found = ask(make(never, seconds=0.2).app, 6)
    assert sorted(one.status_code for one in found) == [429] * 4 + [504] * 2
    assert all(int(one.headers["Retry-After"]) >= 1 for one in found if one.status_code == 429)


def test_rates_are_held_by_address():
    rates = Rates(1.0)
    assert [rates.wait("a") > 0 for _ in range(4)] == [False, False, True, True] and not rates.wait("b")
    assert not any(Rates(None).wait("a") for _ in range(99))
    found = ask(make(rate=1.0).app, 4)
    assert [one.status_code for one in found].count(429) == 2


def test_numbers_and_logs_tell_no_faces(caplog):
    one = client()
    with caplog.at_level("INFO", "faceport.serve"):
        one.post("/v1/faces?fields=embeddings", content=JPEG)
        one.post("/v1/faces", content=b"")
    assert '"faces": 1' in caplog.text and '"status": 415' in caplog.text and "90.0" not in caplog.text
    text = one.get("/metrics").text
    assert 'faceport_requests_total{endpoint="faces",status="200"} 1.0' in text
    assert 'faceport_requests_total{endpoint="faces",status="415"} 1.0' in text
    assert "faceport_queue 0.0" in text


def test_everything_that_is_answered_is_described():
    made = make().app._app
    routes = {route.path.replace(":int", "") for route in made.routes} - {"/", "/docs", "/page"}
    assert routes == set(description()["paths"])
    assert client().get("/openapi.json").json()["openapi"] == "3.1.0"
    for name in ("/", "/docs"):
        found = client().get(name)
        assert found.status_code == 200 and "default-src 'none'" in found.headers["content-security-policy"]


def test_offers_are_what_the_command_line_says():
    config = {"model": {"name": "m", "weights": "w"}, "target": {"name": "onnxruntime", "threads": 2}}
    options = ServeOptions(targets=["openvino:int8"], models={"small": "model=s model.size=3 target=torch"})
    names = [offer.name for offer in offers_of(config, options)]
    assert names == ["m-onnxruntime-fp32", "m-openvino-int8", "small"]
    assert offers_of(config, options)[1].config["model"]["weights"] == "w"
    assert offers_of(config, options)[2].config["model"] == {"name": "s", "size": 3}
    words = ["model=retinaface_mobilenet", 'models={small: "model=s", other: "model=s model.size=3"}']
    told = compose_config("serve", words)
    assert told["models"] == {"small": "model=s", "other": "model=s model.size=3"}
    for wrong in ("weights=x", "model.size=3", "target=torch", "path"):
        with pytest.raises(ConfigError, match="models.x"):
            offers_of(config, ServeOptions(models={"x": wrong}))


def test_times_of_stages_add_up_to_the_time_in_the_engine():
    timings = Timings()
    own = [("decode", 0.01), ("preprocess", 0.02), ("postprocess", 0.01)]
    for service, whole, networks, waiting in (
        (0.1, 0.13, 60, 30),
        (0.5, 0.3, 260, 0),
    ):  # one by one, side by side
        timings.sample("x", [*own, (SERVICE, service), (IN_ENGINE, whole)])
        found = timings.take("x")
        assert found["networks"] == pytest.approx(networks) and found["waiting"] == pytest.approx(waiting)
        assert sum(found.values()) == pytest.approx(1e3 * whole)
    assert timings.take("x") == {}


def test_libraries_print_nothing_and_python_does(capfd):
    with quiet_libraries():
        os.write(2, b"Corrupt JPEG data")
        print("a sentence", file=sys.stderr)
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "a sentence\nafterwards"
