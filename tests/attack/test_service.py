"""A service that really runs, and whoever means it harm; FACEPORT_ATTACK=50 damages 15,000 requests, not 300.

Whatever comes, an answer is sound or a refusal, the worker lives, and what was held is let go of.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from faceport.data.pictures import encode
from faceport.testing.damage import cases, damaged
from faceport.testing.drawn import draw_picture
from tests.plugins.serving import serving

pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

LIMITS = ("megabytes=1", "megapixels=4", "seconds=3", "gallery_size=50", "frames=20")
MOST_SENT = 32_000_000  # bytes that fit on the way before it shows that nobody reads them
MOST_GROWN = 200.0  # MB of the worker: what decoders and threads keep, not what was sent
PICTURE = encode(draw_picture(120, 160, 0))
MARK = "b0undary"


def message(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def form(*names: str, count: int = 1) -> bytes:
    parts = [
        f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + PICTURE
        + b"\r\n"
        for name in names * count
    ]
    return b"".join(parts) + f"--{MARK}--\r\n".encode()


def tensors(data: object, shape: object = (1, 3, 8, 8), **more: object) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "image", "datatype": "FP32", "shape": shape, "data": data, **more}]}
    ).encode()


INFER = "/v2/models/retinaface/infer"
FORM = f"Content-Type: multipart/form-data; boundary={MARK}"
UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
WHOLE = {
    "raw": ("POST", "/v1/faces?threshold=0.5", PICTURE),
    "png": ("POST", "/v1/faces", encode(draw_picture(40, 60, 1), ".png")),
    "webp": ("POST", "/v1/faces", encode(draw_picture(40, 60, 2), ".webp")),
    "drawn": ("POST", "/v1/faces", PICTURE, "Accept: image/png"),
    "frame": ("POST", "/v1/faces?format=nv12&width=16&height=8", bytes(192)),
    "form": ("POST", "/v1/faces", form("picture"), FORM),
    "verify": ("POST", "/v1/verify?same=0.5", form("first", "second"), FORM),
    "enrol": ("POST", "/v1/gallery?name=anna", PICTURE),
    "search": ("POST", "/v1/search?top=3", PICTURE),
    "list": ("GET", "/v1/gallery?after=1&limit=10"),
    "forget": ("DELETE", "/v1/gallery/1"),
    "load": ("POST", "/v1/models/retinaface_mobilenet-onnxruntime-fp32/load"),
    "infer": ("POST", INFER, tensors([0.5] * 192)),
    "binary": (
        "POST",
        INFER,
        tensors(None, parameters={"binary_data_size": 768}) + bytes(768),
        f"Inference-Header-Content-Length: {len(tensors(None, parameters={'binary_data_size': 768}))}",
    ),
    "page": ("GET", "/page/main.js"),
    "live": ("GET", "/v1/live", b"", *UPGRADE),
}


@pytest.fixture(scope="module")
def service():
    with serving(*LIMITS) as running:
        for _ in range(20):
            ask(running, message(*WHOLE["raw"]))
        yield running


@pytest.fixture(autouse=True)
def unharmed(service):
    """See after each test that the service is as it was."""
    before = memory(service.worker)
    yield
    deadline = time.monotonic() + 60
    held: dict[str, float] = {"queue": 1}
    while any(held.values()) and time.monotonic() < deadline:
        lines = httpx.get(f"{service.address}/metrics").text.splitlines()
        held = {
            name: float(line.split()[1])
            for line in lines
            for name in ("queue", "uploads", "upload_bytes", "cameras")
            if line.startswith(f"faceport_{name} ")
        }
    assert held == dict.fromkeys(held, 0.0), "what requests held is let go of"
    assert status_of(ask(service, message(*WHOLE["raw"]), 60)) == 200
    assert memory(service.worker) - before < MOST_GROWN


def memory(process: int) -> float:
    """Read the resident memory of a process in MB; one that is gone fails the test."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def connect(service, patience: float = 20.0) -> socket.socket:
    host, _, port = service.address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=patience)


def ask(service, sent: bytes, patience: float = 20.0) -> bytes:
    """Send bytes and read what comes back until the end, or until nothing comes any more."""
    answer = b""
    with connect(service, patience) as one:
        with suppress(OSError):
            one.sendall(sent)
        with suppress(OSError):
            while piece := one.recv(1 << 16):
                answer += piece
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def check_sound(answer: bytes, case: object) -> int:
    """Hold an answer against what any answer must be; give its status."""
    status = status_of(answer)
    assert bool(status) == bool(answer), (case, answer[:200])
    assert status < 500 or status in (503, 504), (case, answer[:600])
    head, _, body = answer.partition(b"\r\n\r\n")
    if length := re.search(rb"(?i)content-length: (\d+)", head):  # damage may have made two requests of one
        body = body[: int(length[1])]
    if status >= 400 and b"application/json" in head and body:
        assert {*json.loads(body)} == {"error"}, (case, body[:300])
    return status


def test_damaged_requests_are_answered_or_refused(service):
    whole = [*WHOLE.values()]

    def attack(case: int) -> int:
        rng = random.Random(case)
        method, path, *rest = whole[case % len(whole)]
        body, headers = (rest[0] if rest else b""), rest[1:]
        if rng.random() < 0.6:  # what is inside is damaged, and its length is right
            sent = message(method, path, damaged(body, rng) if body else b"", *headers)
        else:
            sent = damaged(message(method, path, body, *headers), rng)
        return check_sound(ask(service, sent, 2.0), case)

    with ThreadPoolExecutor(12) as pool:
        statuses = [*pool.map(attack, range(cases(300)))]
    assert {200, 400, 422} <= {*statuses}, "some are sound still, others are refused for what they are"


def png(width: int, height: int, rows: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes((3 * width + 1) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_bombs_do_not_go_off(service):
    deep = b"[" * 200_000
    sent = {
        "pixels": (message("POST", "/v1/faces", png(60_000, 60_000, 4)), {413}),
        "thin": (message("POST", "/v1/faces", png(4_000_000, 1, 1)), {200, 422}),
        "flat": (message("POST", "/v1/faces", png(2000, 2000, 2000)), {200}),
        "squeezed": (message("POST", INFER, b"x", "Content-Encoding: gzip"), {415}),
        "deep": (message("POST", INFER, deep), {400}),
        "nested": (
            message("POST", INFER, tensors([[[[[1.0]] * 9] * 9] * 9] * 9)),
            {400},
        ),
        "vast": (
            message("POST", INFER, tensors([], [2**31 - 1, 3, 320, 320])),
            {413},
        ),
        "negative": (message("POST", INFER, tensors([], [-1, 3, 320, 320])), {400}),
        "many parts": (message("POST", "/v1/faces", form("a", count=30), FORM), {400}),
        "announced": (
            b"POST /v1/faces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
            {413},
        ),
    }
    for name, (request, expected) in sent.items():
        assert check_sound(ask(service, request), name) in expected, name


def test_no_path_leads_out(service):
    secret = Path(__file__).parents[2] / "plugins/verbs/serve/src/faceport_serve/openapi.yaml"
    assert secret.is_file()
    up = ("..", "%2e%2e", "%252e%252e", "..%2f", "..%5c", "....", ".%00.", "%c0%ae%c0%ae", "\udc80..")
    for step in up:
        for start in ("/page/", "/", "//", "/v1/models/", "/v2/models/"):
            for end in ("/openapi.yaml", "/" + "../" * 12 + "etc/passwd", "//etc/passwd", str(secret)):
                sent = f"GET {start}{step}{end} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                answer = ask(service, sent.encode("utf-8", "surrogateescape"))
                assert check_sound(answer, sent) in (400, 403, 404, 405), sent
                assert b"root:" not in answer and b"securitySchemes" not in answer


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
        (b"", b"X-More: " + b"a" * 65000 + b"\r\n"),
        (b"X-Endless: ", b"a" * 65536),
        (b"Cookie: a=b\r\n", b"X: y\r\n" * 10_000),
    ],
    ids=["body", "headers", "header", "lines"],
)
def test_what_never_ends_is_cut_off(service, head, more):
    sent = 0
    with connect(service) as one, suppress(OSError):
        one.sendall(b"POST /v1/faces HTTP/1.1\r\nHost: localhost\r\n" + head)
        while sent < 100_000_000:
            one.sendall(more)
            sent += len(more)
    assert sent < MOST_SENT


def test_slow_clients_are_cut_off_and_hold_nobody_up(service):
    begun = message(*WHOLE["raw"])
    slow = [connect(service) for _ in range(40)]
    try:
        for at, one in enumerate(slow):
            one.sendall(begun[: (at % 2 and -1000) or 30])  # half a head, or all but the end of the body
            one.setblocking(False)
        assert status_of(ask(service, begun, 60)) == 200, "others are answered meanwhile"
        open_, deadline = [*slow], time.monotonic() + 120
        while open_ and time.monotonic() < deadline:
            time.sleep(0.1)
            open_ = [one for one in open_ if is_open(one)]
        assert not open_
    finally:
        for one in slow:
            one.close()


def is_open(one: socket.socket) -> bool:
    """Send one more byte, and tell whether the other side still listens."""
    try:
        one.send(b"a")
        while one.recv(1 << 16):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_cameras_that_send_nonsense_are_told_so(service):
    connect_ = pytest.importorskip("websockets.sync.client").connect
    from websockets.exceptions import ConnectionClosed

    address = service.address.replace("http", "ws") + "/v1/live"
    first = ("{", "[]", "7", '{"models": 7}', '{"models": ["nobody"]}', '{"threshold": "x"}', b"\xff\xd8\xff")
    for settings in (*first, '{"format": "yuyv", "width": 1e99, "height": -2}', '{"threshold": NaN}'):
        with connect_(address) as live:
            live.send(settings)
            assert {*json.loads(live.recv(timeout=30))} == {"error"}, settings
    rng = random.Random(0)
    with connect_(address) as live:
        live.send("{}")
        for case in range(cases(20)):
            words = damaged(b'{"threshold": 0.5, "models": [""]}', rng).decode("utf-8", "replace")
            live.send(damaged(PICTURE, rng) if case % 2 else words)
        live.send("{}")
        live.send(PICTURE)
        answers = [json.loads(live.recv(timeout=60))]
        while answers[-1]["frame"] + 1 < cases(20) // 2 + 1:
            answers.append(json.loads(live.recv(timeout=60)))
        assert answers[-1].keys() >= {"answers", "width"} or "error" in answers[-1]
    with connect_(address) as live:
        live.send("{}")
        with pytest.raises(ConnectionClosed):
            live.send(bytes(3_000_000))  # more than a frame may have
            live.recv(timeout=60)


def test_numbers_that_are_not_finite_are_refused(service):
    values = np.full((1, 3, 320, 320), np.nan, np.float32).tobytes()
    head = tensors(None, [1, 3, 320, 320], parameters={"binary_data_size": len(values)})
    sent = message(
        "POST",
        INFER,
        head + values,
        f"Inference-Header-Content-Length: {len(head)}",
    )
    assert check_sound(ask(service, sent), "nan") in (400, 413)
