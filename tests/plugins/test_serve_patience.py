"""Clients that are refused while they send: they read the answer, and are not listened to for ever."""

import contextlib
import socket
import threading
import time

import pytest

uvicorn = pytest.importorskip("uvicorn")
from faceport_serve.patience import HEAD_BYTES, patient  # noqa: E402

BOUND = 8_000_000


async def refuse(scope, receive, send):
    """Refuse at once, as the service does: the status that the path asks for."""
    status = int(scope["path"].strip("/"))
    headers = [(b"content-length", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"full\n"})


@pytest.fixture(scope="module")
def address():
    protocol = patient(5.0, BOUND)
    settings = uvicorn.Config(
        refuse, http=protocol, lifespan="off", log_level="critical", h11_max_incomplete_event_size=HEAD_BYTES
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def answer(connection):
    """Read until the other side says that this was all."""
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


@pytest.mark.parametrize("status", [413, 429])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_nobody_wants_is_sent_to_its_end_and_the_answer_is_read(address, status, chunked):
    size = BOUND - 1_000_000
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST /{status} HTTP/1.1\r\nHost: localhost\r\n{how}\r\n\r\n"
    body = b"10000\r\n" + bytes(65536) + b"\r\n" if chunked else bytes(65536)
    for pause in (0.0, 0.02):  # the answer comes while the body is sent, or before it
        with socket.create_connection(address, timeout=20) as one:
            one.sendall(head.encode())
            time.sleep(pause)
            for _ in range(size // 65536):
                one.sendall(body)  # a reset would be an error
            found = answer(one)
        assert found.startswith(f"HTTP/1.1 {status} ".encode()) and found.endswith(b"\r\n\r\nfull\n")


def test_a_body_beyond_the_bound_is_cut_off(address):
    sent = 0
    with socket.create_connection(address, timeout=20) as one, contextlib.suppress(OSError):
        one.sendall(b"POST /413 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 10 * BOUND:
            one.sendall(bytes(65536))
            sent += 65536
    assert sent < 5 * BOUND, "more than the bound is on the way, not the whole"


def test_who_stops_sending_is_not_waited_for(address, monkeypatch):
    from faceport_serve.patience import PatientProtocol

    monkeypatch.setattr(PatientProtocol, "linger_seconds", 0.1)
    with socket.create_connection(address, timeout=20) as one:
        one.sendall(b"POST /429 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc")
        assert answer(one).startswith(b"HTTP/1.1 429 ")
        with pytest.raises(OSError):
            while True:
                one.sendall(b"a")
                time.sleep(0.01)


def test_a_head_that_is_no_head_is_answered(address):
    with socket.create_connection(address, timeout=20) as one:
        one.sendall(b"GET /413 HTTP/1.1\r\nX: " + b"a" * 3 * HEAD_BYTES)
        assert answer(one).startswith(b"HTTP/1.1 400 ")
