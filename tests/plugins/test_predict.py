"""Films: cameras and streams that come by themselves, tracks, interruptions, a window."""

from __future__ import annotations

import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from faceport.data.pictures import encode
from faceport.data.videos import VideoWriter, probe_video, read_video
from faceport.errors import ConfigError, FaceportError
from faceport.shell.compose import compose_config
from faceport.shell.verb import make_verb
from faceport.testing.drawn import draw_picture
from faceport.types import Faces
from faceport_predict import cameras, verb, window
from faceport_predict.copies import LONGEST, Paced
from faceport_predict.inputs import find_inputs
from faceport_predict.tracking import Following

pytest.importorskip("onnxruntime")
MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=64", "parity=0"]


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, fps=20) as writer:
        for seed in range(40):
            writer.write(draw_picture(96, 128, seed % 7))
    return path


@pytest.fixture
def camera(monkeypatch, film):
    """Let a video stand in for a camera, at a camera's pace; give the numbers that were opened."""
    opened, real = [], cv2.VideoCapture

    class Fake:
        def __init__(self, number):
            opened.append(number)
            self._inner = real(str(film)) if number == 0 else real()

        def read(self):
            time.sleep(0.02)
            return self._inner.read()

        def __getattr__(self, name):
            return getattr(self._inner, name)

    def opener(source, *rest):
        return Fake(source) if isinstance(source, int) else real(source, *rest)

    monkeypatch.setattr(cv2, "VideoCapture", opener)
    yield opened
    monkeypatch.undo()


def lines(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def predict(*words, out, model=MODEL):
    options = [word for word in words if "=" in word]
    config = compose_config("predict", [*options, *model, f"out={out}"])
    config["inputs"] = [word for word in words if word not in options]
    return make_verb("predict", config).act(config)


def test_a_camera_is_looked_at_until_it_ends(camera, tmp_path):
    seen = predict("camera=0", out=tmp_path)
    assert camera == [0]
    ids = [line["id"] for line in lines(tmp_path)]
    assert 0 < len(ids) <= 40 and ids == sorted(ids) and ids[0] == "camera-0#000000"
    assert seen.pictures == len(ids) and seen.signal == 0
    assert "camera=0: no more frames came" in seen.notes
    assert any(note.startswith("no window: there is no display here") for note in seen.notes)
    copy = probe_video(tmp_path / "camera-0.mp4")
    assert (copy.width, copy.height, copy.fps) == (128, 96, 20)


def test_the_newest_frame_is_looked_at_and_stride_and_limit_hold(camera, tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "draw", lambda image, faces: (time.sleep(0.1), image)[1])
    predict("camera=0", "stride=2", "limit=4", "workers=1", out=tmp_path)
    numbers = [int(line["id"].partition("#")[2]) for line in lines(tmp_path)]
    assert len(numbers) == 4 and not any(number % 2 for number in numbers)


def test_who_is_slow_gets_the_newest_frame(camera):
    _, (film,) = find_inputs([], "0")
    one = cameras.Camera(film, 1, lambda: False)
    frames = one.frames()
    first = next(frames)
    while one.seen < 30:
        time.sleep(0.01)
    later = next(frames)
    assert first.id == "camera-0#000000" and int(later.id[-6:]) >= 29 and later.taken > first.taken
    frames.close()
    one.close()


def test_cameras_that_are_not_there_are_sentences(camera, tmp_path):
    with pytest.raises(FaceportError, match="camera=7 cannot be opened: is one plugged in"):
        predict("camera=7", out=tmp_path)
    with pytest.raises(ConfigError, match="camera is 'front'"):
        predict("camera=front", out=tmp_path)
    with pytest.raises(ConfigError, match="rtsp://a/1 and camera=0: a camera has no end"):
        predict("rtsp://a/1", "camera=0", out=tmp_path)


@pytest.mark.parametrize("word", ["camera=7", "no.mp4"])
def test_what_cannot_be_opened_costs_no_predictions_of_before(camera, film, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.mp4").write_text("no video")
    predict(str(film), "limit=3", out=tmp_path / "out")
    before = (tmp_path / "out" / "predictions.jsonl").read_bytes()
    with pytest.raises(FaceportError, match="cannot be opened|not a video"):
        predict(str(film), word, out=tmp_path / "out")
    assert before.count(b"\n") == 3 and (tmp_path / "out" / "predictions.jsonl").read_bytes() == before


def test_a_stream_is_opened_and_no_password_is_shown(film, tmp_path):
    pictures = [encode(sample.image) for sample in read_video(film)]  # OpenCV opens one video at a time

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for data in pictures:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(0.01)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://anna:s3cret@127.0.0.1:{server.server_port}/live/1.mjpg"
        seen = predict(address, "tracks=true", out=tmp_path)
        server.shutdown()
    written = lines(tmp_path)
    assert written and all(line["id"].startswith("127.0.0.1-live-1.mjpg#") for line in written)
    assert (tmp_path / "127.0.0.1-live-1.mjpg.mp4").is_file()
    assert "s3cret" not in str(seen.notes) + (tmp_path / "predictions.jsonl").read_text()


def test_a_stream_that_nobody_gives_is_a_sentence(tmp_path):
    with pytest.raises(FaceportError, match=r"rtsp://\S*127.0.0.1:1/x cannot be opened") as error:
        predict("rtsp://anna:s3cret@127.0.0.1:1/x", out=tmp_path)
    assert "s3cret" not in str(error.value)


def test_names_of_films_are_their_own(film):
    words = [str(film), "rtsp://a/1?user=x", "rtsp://a/1?user=y", str(film)]
    _, films = find_inputs(words, "rtsps://cam.example/s/2")
    assert [one.name for one in films] == ["film.mp4", "a-1", "a-1-2", "film-2.mp4", "cam.example-s-2"]
    copies = [one.copy for one in films]
    assert copies == ["film.mp4", "a-1.mp4", "a-1-2.mp4", "film-2.mp4", "cam.example-s-2.mp4"]


def test_tracks_stay_with_faces_and_are_drawn(film, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(verb, "draw", lambda image, faces: (drawn.append(faces), image)[1])
    seen = predict(str(film), "tracks=true", "threshold=0.4", "limit=6", out=tmp_path)
    assert seen.pictures == 6
    for line, faces in zip(lines(tmp_path), drawn, strict=True):
        tracks, scores = np.array(line["attributes"]["track"]), np.array(line["scores"])
        assert ((tracks > 0) == (scores >= 0.4)).all()
        assert len({*tracks[tracks > 0]}) == (tracks > 0).sum()
        assert (faces.attributes["track"] > 0).all()


def test_a_face_that_moves_keeps_its_number():
    follow = Following(0.5)
    for step in range(5):
        boxes = np.float32([[10 + 3 * step, 10, 50 + 3 * step, 50], [100, 10, 140, 50], [0, 0, 9, 9]])
        order = [1, 0, 2] if step % 2 else [0, 1, 2]
        faces = Faces(boxes[order], np.float32([0.9, 0.9, 0.1]))
        numbers = follow(faces).attributes["track"].tolist()
        assert numbers == ([2, 1, 0] if step % 2 else [1, 2, 0])


def test_tracks_need_boxes(monkeypatch):
    monkeypatch.setattr(verb, "require_independent", lambda plan: None)
    plan = SimpleNamespace(model=SimpleNamespace(provides={"scores"}))
    with pytest.raises(ConfigError, match="tracks=true follows boxes"):
        verb.Predict(verb.PredictOptions(tracks=True))._check(plan, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_film_and_what_was_looked_at_plays(film, tmp_path, monkeypatch, number, capsys):
    before, count = signal.getsignal(number), 0

    def draw(image, faces):
        nonlocal count
        count += 1
        if count == 10:
            signal.raise_signal(number)
        return image

    monkeypatch.setattr(verb, "draw", draw)
    seen = predict(str(film), str(film), out=tmp_path)
    done = len(lines(tmp_path))
    assert 10 <= done < 20 and probe_video(tmp_path / "film.mp4").frames == done
    assert not (tmp_path / "film-2.mp4").exists()
    assert (
        f"interrupted: {tmp_path / 'film.mp4'} holds what was looked at until then, and plays" in seen.notes
    )
    assert "interrupted: 1 film not looked at" in seen.notes
    assert verb.Predict().show(seen) == 128 + number
    assert "interrupted: 1 film" in capsys.readouterr().out and signal.getsignal(number) == before


def test_a_camera_is_ended_by_a_signal_as_it_should_be(camera, tmp_path, monkeypatch):
    def draw(image, faces):
        signal.raise_signal(signal.SIGINT) if signal.getsignal(signal.SIGINT) != before else None
        return image

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(verb, "draw", draw)
    seen = predict("camera=0", out=tmp_path)
    assert seen.signal == 0 and probe_video(tmp_path / "camera-0.mp4").frames >= 1


def test_a_copy_lasts_as_long_as_what_it_shows():
    class Writer:
        fps = 10.0

        def __init__(self):
            self.written = []

        def write(self, image):
            self.written.append(image)

    writer = Writer()
    paced = Paced(writer)
    for image, taken in (("a", 5.0), ("b", 5.1), ("c", 5.12), ("d", 5.5), ("e", 905.5)):
        paced.write(image, taken)
    slept = int(LONGEST * 10)
    assert "".join(writer.written[:6]) == "abcccd" and writer.written[-1] == "e"
    assert writer.written.count("d") == pytest.approx(slept, abs=2)


def test_a_window_needs_a_display(film, tmp_path):
    with pytest.raises(ConfigError, match=r"window=true: there is no display here .*Leave it out"):
        predict(str(film), "window=true", out=tmp_path)


def test_a_display_that_does_not_answer_is_found_out(monkeypatch):
    monkeypatch.setenv("DISPLAY", "127.0.0.1:99")
    monkeypatch.setattr(window, "PROBE", "import os; os.abort()")
    assert "OpenCV opens no window here" in window.why_none()


def test_a_window_shows_what_is_looked_at_until_a_key_ends_it(film, tmp_path, monkeypatch):
    shown, gone = [], []
    monkeypatch.setattr(verb, "why_none", lambda: "")
    monkeypatch.setattr(window.cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(window.cv2, "imshow", lambda title, image: shown.append((title, image.shape)))
    monkeypatch.setattr(window.cv2, "waitKey", lambda _: ord("q") if len(shown) == 5 else -1)
    monkeypatch.setattr(window.cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr(window.cv2, "destroyWindow", gone.append)
    seen = predict(str(film), "window=true", out=tmp_path)
    assert shown[0] == (str(film), (96, 128, 3)) and gone == [str(film)]
    assert 5 <= seen.pictures < 12 and probe_video(tmp_path / "film.mp4").frames == seen.pictures
