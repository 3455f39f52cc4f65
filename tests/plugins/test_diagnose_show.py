"""A diagnosis in eighty columns."""

from pathlib import Path

from faceport.study.diagnose import NodeReport
from faceport.verbs.show.text import cell_len
from faceport_diagnose.diagnosis import Diagnosis, numbers
from faceport_diagnose.show import short_names, show_diagnosis

LEAKY = "/stage1/stage1.2/stage1.2.5/LeakyRelu"


def report(node: str, op: str, network: str = "retinaface", caused: float = 0.3) -> NodeReport:
    return NodeReport(network, node, op, 0.04, 0.36, -0.6, 5.91, 0.001, caused)


def test_names_say_nothing_twice():
    nodes = [(LEAKY, "LeakyRelu"), ("/fpn/out/out.0/Conv", "Conv"), ("/Concat_3", "Concat"), ("x", "x")]
    assert short_names(nodes) == ["stage1.2.5", "fpn/out.0", "Concat_3", "x"]


def test_names_that_would_be_alike_stay_whole():
    nodes = [("/a/a.1/Conv", "Conv"), ("/a.1/Conv", "Conv"), ("/a/a.1/Relu", "Relu")]
    assert short_names(nodes) == ["/a/a.1/Conv", "/a.1/Conv", "a.1"]


def shown(reports, capsys, monkeypatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    show_diagnosis(Diagnosis(reports, {"retinaface": None}, "int8", [Path("nodes.csv")], []))
    return capsys.readouterr().out.splitlines()


def test_every_node_can_be_told_from_the_others_in_eighty_columns(capsys, monkeypatch):
    reports = [report(f"/stage1/stage1.{n}/stage1.{n}.5/LeakyRelu", "LeakyRelu") for n in range(4)]
    lines = shown(reports, capsys, monkeypatch)
    for number in range(4):
        assert any(f"stage1.{number}.5 " in line for line in lines)
    command = [line for line in lines if "target.exclude" in line]
    assert len(command) == 1, "a command to copy is no two lines"
    assert all(cell_len(line) <= 90 for line in lines if line not in command)
    assert "in retinaface" in " ".join(lines)


def test_networks_are_named_where_there_are_several(capsys, monkeypatch):
    reports = [report("/conv1/Conv", "Conv", name) for name in ("pnet", "rnet")]
    lines = shown(reports, capsys, monkeypatch)
    assert any(line.startswith("pnet") and "conv1" in line for line in lines)
    assert any(line.startswith("rnet") for line in lines)


def test_a_record_holds_the_nodes_in_their_order():
    reports = [report("a", "Conv", caused=0.1), report("b", "Add", caused=0.3), report("c", "Conv", "other")]
    said = numbers(reports, {"retinaface": reports[1], "other": None})
    assert [one["node"] for one in said["networks"]["retinaface"]] == ["a", "b"]
    assert said["worst_at_end"] == 0.3 and said["departing"] == 1
    assert said["departs_at"] == {"retinaface": "b"}
