"""Downloads from good, broken and hostile servers: the right file, or a sentence and nothing kept."""

import hashlib
import json
import re
import subprocess
import sys
import time

import pytest

from faceport.errors import MissingError
from faceport.networks.sources import downloads, transport
from faceport.networks.weights import resolve
from tests.core.networks.servers import BODY, SHA, kept, ranged, reply, serving

OTHER = BODY[::-1]
OTHER_SHA = hashlib.sha256(OTHER).hexdigest()


@pytest.fixture
def server(cache):
    with serving(ranged(BODY)) as served:
        yield served


def refused(server, answer, match, source="/net.pth"):
    server.answer = (lambda _: answer) if isinstance(answer, bytes) else answer
    with pytest.raises(MissingError, match=match) as caught:
        resolve(server.url + source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_download_is_made_once_and_checked(server, cache):
    found = resolve(f"{server.url}/net.pth", SHA)
    assert found.path.read_bytes() == BODY
    assert (found.sha256, found.path.name) == (SHA, "net.pth")
    resolve(f"{server.url}/net.pth", SHA)
    assert len(server.requests) == 1
    assert kept(cache) == ["net.pth"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(server, cache):
    refused(server, ranged(BODY, stop=300_000), "the connection broke off.*go on where it stopped")
    server.answer = ranged(BODY)
    assert resolve(f"{server.url}/net.pth").sha256 == SHA
    first, second = server.requests
    assert (first.start, second.start) == (0, 300_000)
    assert kept(cache) == ["net.pth"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server):
    refused(server, ranged(OTHER, stop=300_000), "broke off")
    server.answer = ranged(BODY, etag='"two"')
    assert resolve(f"{server.url}/net.pth").sha256 == SHA


def test_without_a_validator_nothing_is_resumed(server):
    refused(server, reply(OTHER[:300_000], length=len(BODY)), "broke off")
    server.answer = lambda request: reply(BODY)
    assert resolve(f"{server.url}/net.pth").sha256 == SHA
    assert server.requests[-1].start == 0


def test_a_weak_validator_is_none(server):
    refused(server, reply(OTHER[:300_000], length=len(BODY), ETag='W/"one"'), "broke off")
    server.answer = ranged(BODY, etag='W/"one"')
    assert resolve(f"{server.url}/net.pth").sha256 == SHA
    assert server.requests[-1].start == 0


@pytest.mark.parametrize(
    "told",
    [
        f"bytes 100-{len(BODY) - 1}/{len(BODY)}",
        f"bytes 300000-{len(BODY) - 1}/{len(BODY) + 5}",
        f"bytes 300000-{len(BODY) - 2}/{len(BODY)}",
        "bytes */1",
        "nonsense",
        "",
    ],
)
def test_another_part_than_the_one_asked_for_is_not_joined(server, told):
    refused(server, ranged(OTHER, stop=300_000), "broke off")
    wrong = reply(BODY[300_000:], "206 Partial Content", ETag='"one"', Content_Range=told)
    server.answer = lambda request: wrong if request.start else reply(BODY)
    assert resolve(f"{server.url}/net.pth").sha256 == SHA
    assert [request.start for request in server.requests] == [0, 300_000, 0]


def test_a_part_that_nobody_asked_for_is_refused(server, cache):
    refused(server, reply(BODY[5:], "206 Partial Content"), "a part of a file that was asked for whole")
    assert kept(cache) == []


@pytest.mark.parametrize("sha256", [SHA, ""])
def test_a_whole_part_is_accepted_by_its_hash_or_fetched_anew(server, cache, sha256):
    """As a process leaves it that is killed between the last byte and the renaming."""
    refused(server, ranged(BODY, stop=300_000), "broke off")
    [part] = cache.rglob("*.part")
    part.write_bytes(BODY)
    server.answer = ranged(BODY)
    assert resolve(f"{server.url}/net.pth", sha256).sha256 == SHA
    assert len(server.requests) == (1 if sha256 else 2)
    assert kept(cache) == ["net.pth"]


def test_a_server_that_has_less_than_we_is_asked_anew(server, cache):
    refused(server, ranged(OTHER, stop=300_000), "broke off")
    server.answer = ranged(BODY[:1000])
    assert resolve(f"{server.url}/net.pth").path.read_bytes() == BODY[:1000]


def test_a_wrong_file_is_refused_and_not_kept(server, cache):
    with pytest.raises(MissingError, match=f"sha256 is {SHA}, expected 0000.*discarded"):
        resolve(f"{server.url}/net.pth", "0" * 64)
    assert kept(cache) == []
    assert resolve(f"{server.url}/net.pth").sha256 == SHA


@pytest.mark.parametrize(
    "tail", ["..%2f..%2f..%2fX", "%2ftmp%2fX", "a/..%5c..%5cX", "%2e%2e/X", "%00X", "X%0a"]
)
def test_an_address_names_a_file_and_never_a_path(server, cache, tail):
    found = resolve(f"{server.url}/{tail}")
    assert found.path.parent.parent.parent == cache / "weights"
    assert re.fullmatch("_?X_?", found.path.name)


@pytest.mark.parametrize("tail", ["", "/", "/..%2f", "/.", "/%20.."])
def test_an_address_without_a_name_gets_one(server, tail):
    assert resolve(server.url + tail).path.name == "weights"


def test_a_long_name_keeps_its_suffix(server):
    name = resolve(f"{server.url}/{'%C3%A4' * 200}.safetensors").path.name
    assert name.endswith("ä.safetensors") and len(name.encode()) < 200


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (reply(b""), "an empty file"),
        (reply(b"<!DOCTYPE html><html>log in</html>"), "a web page instead of a file"),
        (reply(b"\n <html><body>"), "a web page"),
        (reply(b"please log in", Content_Type="text/html; charset=utf-8"), "a web page"),
        (reply(b"version https://git-lfs.github.com/spec/v1\noid sha256:1"), "Git LFS pointer"),
        (reply(BODY, length=""), "does not say how long.*#sha256="),
        (reply(BODY, length="abc"), "says that the file has 'abc' bytes"),
        (reply(BODY, length="-5"), "'-5' bytes"),
        (reply(BODY, length="²"), "bytes"),
        (reply(BODY, length="9" * 30), "bytes"),
        (reply(BODY, length=10**15), "more than the .* that are allowed"),
        (reply(BODY, Content_Encoding="gzip"), r"packs the file \(gzip\)"),
        (reply(BODY, status="204 No Content", length=""), "204 No Content"),
        (reply(BODY, status="404 Gone\x1b[31m"), "answered 404 Not Found"),
        (reply(status="302 Found", Location="file:///etc/passwd"), "file://, which is not followed"),
        (reply(status="302 Found", Location="http://example.org/net.pth"), "over http:// anybody"),
        (reply(status="302 Found", Location="http://[::1/"), "not followed|no web address"),
        (reply(status="302 Found", Location="/net.pth"), "more than 5 times"),
        (b"SSH-2.0-OpenSSH\r\n", "broke off|connection failed"),
        (b"", "broke off|connection failed"),
    ],
)
def test_what_is_no_file_is_not_kept(server, cache, answer, match):
    refused(server, answer, match)
    assert kept(cache) == []
    server.answer = ranged(BODY)
    assert resolve(f"{server.url}/net.pth").sha256 == SHA


def test_a_known_hash_makes_up_for_a_length(server):
    server.answer = lambda _: reply(BODY, length="")
    assert resolve(f"{server.url}/net.pth#sha256={SHA}").sha256 == SHA


def test_a_body_in_chunks_has_an_end(server, cache):
    whole = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:999], BODY[999:]))
    head = reply(length="", Transfer_Encoding="chunked")
    refused(server, head + whole, "broke off")
    assert "net.pth" not in kept(cache)
    server.answer = lambda _: head + whole + b"0\r\n\r\n"
    assert resolve(f"{server.url}/net.pth").sha256 == SHA


def test_a_body_without_end_is_cut(server, cache, monkeypatch):
    monkeypatch.setattr(downloads, "MOST", 100_000)

    def endless(_):
        yield reply(length="", Transfer_Encoding="chunked")
        while True:
            yield b"%x\r\n%s\r\n" % (len(BODY), BODY)

    refused(server, endless, "larger than the 100,000 bytes")
    assert kept(cache) == []


def test_a_server_that_drips_is_given_up(server, monkeypatch):
    monkeypatch.setattr(transport, "WINDOW", 0.2)

    def drip(_):
        yield reply(length=10**6)
        while True:
            time.sleep(0.02)
            yield b"x"

    refused(server, drip, "less than 1,024 bytes a second")


def test_a_server_that_drips_its_headers_is_given_up(server, monkeypatch):
    monkeypatch.setattr(transport, "PATIENCE", 0.3)

    def drip(_):
        yield b"HTTP/1.1 200 OK\r\nX: "
        while True:
            time.sleep(0.05)
            yield b"x"

    refused(server, drip, "did not answer in time")


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(transport, "SILENCE", 0.2)

    def silent(_):
        yield reply(length=10)
        time.sleep(3)

    refused(server, silent, "did not answer in time")


def test_a_full_disk_is_a_sentence_and_nothing_is_kept(server, cache, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    refused(server, ranged(BODY), "1,024,000 bytes, and 1,000 are free")
    monkeypatch.undo()
    monkeypatch.setenv("FACEPORT_CACHE", str(cache))
    monkeypatch.setattr(downloads.os, "fsync", full)
    with pytest.raises(Exception, match="no space left"):
        resolve(f"{server.url}/net.pth")
    assert kept(cache) == []


def full(_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "10.0.0.1"])
def test_http_beyond_this_machine_must_be_allowed(cache, monkeypatch, host):
    with pytest.raises(MissingError, match="anybody on the way.*FACEPORT_ALLOW_HTTP=1"):
        resolve(f"http://{host}/net.pth")
    monkeypatch.setenv("FACEPORT_ALLOW_HTTP", "1")
    with pytest.raises(MissingError, match="cannot download") as caught:
        resolve(f"http://{host}/net.pth")
    assert "ALLOW_HTTP" not in str(caught.value)


SECRET = "hunter2"


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
@pytest.mark.parametrize(
    "form", ["http://user:{}@{}/net.pth", "http://{}:@{}/net.pth", "http://{1}/net.pth?token={0}"]
)
def test_secrets_of_an_address_are_shown_nowhere(server, cache, capfd, form, status):
    source = form.format(SECRET, server.url.removeprefix("http://"))
    server.answer = lambda _: reply(BODY, status)
    try:
        found = resolve(source)
        said = f"{found} {json.dumps(dict(found.facts()))}"
        assert resolve(source).path == found.path
    except MissingError as error:
        said = str(error)
        assert error.__suppress_context__
    said += "".join(capfd.readouterr())
    said += " ".join(map(str, cache.rglob("*")))
    said += "".join(file.read_text() for file in cache.rglob("*.json"))
    assert SECRET not in said
    assert "***" in said
    asked = server.requests[0]
    assert SECRET in asked.path or "authorization" in asked.headers


def test_addresses_that_differ_in_a_secret_alone_are_two(server):
    one, other = (resolve(f"{server.url}/net.pth?token={token}") for token in "ab")
    assert one.path != other.path
    assert one.source == other.source == f"{server.url}/net.pth?token=***"


def test_a_failed_connection_does_not_spell_out_the_address(server):
    server.answer = lambda _: b""
    with pytest.raises(MissingError) as caught:
        resolve(f"{server.url}/net.pth?token={SECRET}")
    assert SECRET not in str(caught.value)


def test_without_a_network_the_sentence_says_where_to_put_the_file(cache):
    with pytest.raises(MissingError, match="cannot download.*connection refused.*put it at") as caught:
        resolve("http://127.0.0.1:9/net.pth")
    place = re.search(r"put it at (\S+),", str(caught.value))[1]
    with open(place, "wb") as file:
        file.write(BODY)
    assert resolve("http://127.0.0.1:9/net.pth", SHA).sha256 == SHA


def test_a_name_that_leads_nowhere(cache):
    with pytest.raises(MissingError, match="cannot download"):
        resolve("https://no-such-host.invalid/net.pth")


def test_three_processes_fetch_once(server):
    source = f"{server.url}/net.pth"
    code = f"from faceport.networks.weights import resolve; print(resolve({source!r}).sha256)"
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert {run.communicate()[0].strip() for run in runs} == {SHA}
    assert len(server.requests) == 1


def test_what_a_source_gave_first_is_what_it_must_give(server, cache):
    """Trust on first use: the file may be deleted, what it was is remembered."""
    source = f"{server.url}/net.pth?token={SECRET}"
    first = resolve(source)
    first.path.unlink()
    server.answer = ranged(OTHER)
    with pytest.raises(MissingError, match=f"not the file that it was.*{OTHER_SHA}.*{SHA}") as caught:
        resolve(source)
    assert kept(cache) == []
    assert SECRET not in str(caught.value)
    assert resolve(f"{source}#sha256={OTHER_SHA}").sha256 == OTHER_SHA
    assert resolve(source).sha256 == OTHER_SHA


def test_a_file_that_was_changed_in_the_cache_is_noticed(server):
    source = f"{server.url}/net.pth"
    found = resolve(source)
    found.path.write_bytes(OTHER)
    with pytest.raises(MissingError, match="not the file that it was"):
        resolve(source)


def test_a_warm_cache_may_be_read_only(server, cache, monkeypatch):
    source = f"{server.url}/net.pth"
    resolve(source)
    for pin in cache.rglob("pins/*"):
        pin.unlink()

    def read_only(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.write_bytes", read_only)
    monkeypatch.setattr("pathlib.Path.mkdir", read_only)
    assert resolve(source).sha256 == SHA


def test_leftovers_of_a_killed_process_are_removed(server, cache):
    refused(server, ranged(BODY, stop=300_000), "broke off")
    [part] = cache.rglob("*.part")
    (part.parent / ".tmp-killed").mkdir()
    (part.parent / ".tmp-killed" / "net.pth").write_bytes(b"half")
    server.answer = ranged(BODY)
    resolve(f"{server.url}/net.pth")
    assert kept(cache) == ["net.pth"]
