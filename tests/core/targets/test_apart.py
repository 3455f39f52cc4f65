import subprocess
import zipfile
from pathlib import Path

import pytest

from faceport.errors import ConfigError, FaceportError
from faceport.targets.apart import make_python, python_of
from faceport.verbs import doctor


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "store"))
    return tmp_path / "store"


def wheel(folder: Path) -> Path:
    """Write a package of one module."""
    path = folder / "vendorkit-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        info = "vendorkit-1.0.dist-info"
        file.writestr("vendorkit.py", "answer = 42\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: vendorkit\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.slow
def test_a_python_of_its_own_has_its_packages_and_none_of_ours(tmp_path: Path) -> None:
    wanted = [["--no-index", "--no-deps", str(wheel(tmp_path))]]
    made = make_python("vendor", wanted)
    assert made == python_of("vendor", wanted) and made != python_of("vendor", [["another"]])
    script = "import vendorkit; print(vendorkit.answer, flush=True); import faceport"
    said = subprocess.run([made, "-c", script], capture_output=True, text=True, check=False, cwd="/")
    assert said.stdout.strip() == "42" and "No module named 'faceport'" in said.stderr


@pytest.mark.slow
def test_what_cannot_be_installed_leaves_nothing(store: Path) -> None:
    with pytest.raises(FaceportError, match="pip finds no package for 'nonesuch-kit'"):
        make_python("vendor", [["--no-index", "nonesuch-kit"]])
    assert list((store / "python").iterdir()) == []


def test_the_doctor_installs_for_targets_that_want_it() -> None:
    with pytest.raises(ConfigError, match="needs the target to install for"):
        doctor.install([])
    with pytest.raises(ConfigError, match="target=torch runs in this Python"):
        doctor.install(["torch"])


def test_the_doctor_asks_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    pytest.importorskip("faceport_rknn")
    monkeypatch.setattr(doctor.sys, "stdin", Terminal())
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    monkeypatch.setattr(doctor, "make_python", lambda *_: pytest.fail("it was not to be installed"))
    with pytest.raises(ConfigError, match="nothing was installed for target=rknn"):
        doctor.install(["rknn"])
    assert asked == ["Go on? [y/N] "]
    assert "pip install --no-deps rknn-toolkit2==2.5.0" in " ".join(capsys.readouterr().out.split())


def test_what_is_there_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = pytest.importorskip("faceport_rknn.environment")
    python = python_of("rknn", environment.INSTALLATIONS)
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(doctor, "make_python", lambda *_: pytest.fail("it is there"))
    doctor.install(["rknn"])
    assert f"target=rknn has its Python: {python}" in " ".join(capsys.readouterr().out.split())
