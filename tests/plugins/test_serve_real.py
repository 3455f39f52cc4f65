"""The service as it runs: the real client of the protocol, workers that are killed, graceful stops."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from faceport.data.pictures import decode
from faceport_serve.client import Client, RefusedError
from tests.plugins.serving import await_ready, serving

pytest.importorskip("uvicorn")
pytest.importorskip("onnxruntime")
httpx = pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def service():
    with serving("targets=[torch]", "target.threads=1") as running:
        yield running


@pytest.fixture(scope="module")
def photo(real_dir):
    return (real_dir / "photos/multiface.jpg").read_bytes()


def test_tritonclient_gets_the_numbers_of_onnxruntime(service, photo):
    client_of = pytest.importorskip("tritonclient.http")
    import onnxruntime

    from faceport.plugins.loading import create
    from faceport.runs.plan import make_plan

    config = {
        "model": {"name": "retinaface_mobilenet", "weights": "tiny", "size": 320},
        "target": {"name": "onnxruntime", "threads": 1},
    }
    plan = make_plan(config)
    folder = plan.builder().artifact(plan.model.networks["retinaface"]).path
    (path,) = folder.glob("*.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = create("model", "retinaface_mobilenet", weights="random", size=320)
    from faceport.types import Sample

    image = next(model.predict(Sample("x", decode(photo)))).inputs["image"]
    client = client_of.InferenceServerClient(service.address.removeprefix("http://"))
    assert client.is_server_ready() and client.is_model_ready("retinaface")
    about = client.get_model_metadata("retinaface")
    assert about["inputs"][0]["shape"] == [-1, 3, 320, 320] and about["platform"] == "onnxruntime"
    names = [output["name"] for output in about["outputs"]]
    expected = dict(zip(names, session.run(names, {"image": image}), strict=True))
    for binary in (True, False):
        given = client_of.InferInput("image", list(image.shape), "FP32")
        given.set_data_from_numpy(image, binary_data=binary)
        asked = [client_of.InferRequestedOutput(name, binary_data=binary) for name in names]
        for outputs in (asked, None):
            answer = client.infer("retinaface", [given], outputs=outputs, request_id="7")
            for name, value in expected.items():
                np.testing.assert_array_equal(answer.as_numpy(name), value)
    given = client_of.InferInput("image", [1, 3, 8], "FP32")
    given.set_data_from_numpy(np.zeros((1, 3, 8), np.float32))
    with pytest.raises(Exception, match="has shape"):
        client.infer("retinaface", [given])
    client.close()


def test_the_client_asks_for_faces_and_raises_sentences(service, photo):
    client = Client(service.address)
    faces = client.faces(photo, threshold=0.8)
    assert len(faces) == 6 and faces.boxes.shape == (6, 4) and faces.points.shape == (6, 5, 2)
    assert {one["state"] for one in client.models()} == {"ready", "offered"}
    for ask, status, said in (
        (lambda: client.faces(b"no picture"), 415, "no JPEG"),
        (lambda: client.verify(photo, photo), 400, "gives no embeddings"),
        (lambda: client.faces(photo, feilds="boxes"), 400, "Did you mean fields"),
        (lambda: client.load("nobody"), 404, "no model 'nobody'"),
        (lambda: client.forget(7), 404, "number 7"),
        (lambda: Client("http://127.0.0.1:1").models(), 0, "does not answer"),
    ):
        with pytest.raises(RefusedError, match=said) as refused:
            ask()
        assert refused.value.status == status


def test_the_client_comes_again_when_it_should():
    full = (429, b'{"error": "full"}')
    told = iter([full, (200, b'{"models": [{"name": "x"}]}'), full])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.headers["Authorization"] == "Bearer secret"
            status, body = next(told)
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        assert Client(address, "secret").models() == [{"name": "x"}]
        with pytest.raises(RefusedError, match="full") as refused:
            Client(address, "secret", seconds=-1).models()
        assert refused.value.status == 429
        server.shutdown()


def test_a_camera_of_a_board_is_answered(service, photo):
    connect = pytest.importorskip("websockets.sync.client").connect
    import cv2

    image = cv2.resize(decode(photo), (640, 336))
    yuv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    planes = yuv[336:].reshape(2, -1)
    nv12 = yuv[:336].tobytes() + planes.T.tobytes()
    found = httpx.post(f"{service.address}/v1/faces?threshold=0.8", content=photo).json()
    with connect(service.address.replace("http", "ws") + "/v1/live") as socket:
        settings = {"format": "nv12", "width": 640, "height": 336, "threshold": 0.8}
        socket.send(json.dumps(settings))
        socket.send(nv12)
        (seen,) = json.loads(socket.recv())["answers"]
        assert seen["count"] == found["count"] == 6
        left = np.float32(sorted(seen["boxes"])) * 1200 / 640
        assert np.abs(left - np.float32(sorted(found["boxes"]))).max() < 20  # other pixels, the same faces
        tracks = dict(zip(seen["attributes"]["track"], seen["boxes"], strict=True))
        assert [*tracks] == [1, 2, 3, 4, 5, 6]
        socket.send(nv12)
        (again,) = json.loads(socket.recv())["answers"]
        assert dict(zip(again["attributes"]["track"], again["boxes"], strict=True)) == tracks
        socket.send(nv12[:-1])
        assert "bytes, not" in json.loads(socket.recv())["error"]
        socket.send(json.dumps({"format": "picture"}))
        for _ in range(20):
            socket.send(photo)
        answers = [json.loads(socket.recv())]
        while answers[-1]["frame"] < 22:
            answers.append(json.loads(socket.recv()))
        assert answers[-1]["dropped"] == 20 - len(answers)  # the newest won


def test_a_killed_worker_costs_its_own_requests_only(photo):
    answers: list[int] = []
    with serving() as running:
        stop = threading.Event()

        def load() -> None:
            with httpx.Client(timeout=60) as client:
                while not stop.is_set():
                    try:
                        answers.append(client.post(f"{running.address}/v1/faces", content=photo).status_code)
                    except httpx.TransportError:
                        answers.append(0)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(answers) < 8:
            time.sleep(0.01)
        os.kill(running.worker, signal.SIGKILL)
        again = await_ready(running.process)
        assert again[0] == running.address and again[2] != running.worker
        reached = len(answers) + 8
        while len(answers) < reached:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    assert answers.count(0) <= 4 and set(answers) <= {0, 200}, "each client lost what it had asked, no more"


def test_a_graceful_stop_answers_what_was_accepted(photo):
    answers: list[int] = []
    with serving() as running:

        def post() -> None:
            answers.append(httpx.post(f"{running.address}/v1/faces", content=photo, timeout=60).status_code)

        threads = [threading.Thread(target=post) for _ in range(6)]
        for thread in threads:
            thread.start()
        while True:
            numbers = httpx.get(f"{running.address}/metrics").text
            accepted = sum(
                float(line.split()[1])
                for line in numbers.splitlines()
                if line.startswith(("faceport_queue ", 'faceport_requests_total{endpoint="faces"'))
            )
            if accepted == 6:
                break
        running.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
    assert answers == [200] * 6
