"""What `faceport --help` and `faceport VERB --help` say."""

from __future__ import annotations

from faceport.plugins.index import installed

VERBS = {
    "run": "run a model on a dataset, score it, write one record",
    "score": "score predictions that exist already",
    "predict": "look at pictures, folders and videos",
    "prepare": "cut out, resize and pack a dataset for training code and vendor tools",
    "export": "write a model's networks as ONNX",
    "compile": "compile for a target, to carry to another machine",
    "diagnose": "tell which node of a network a target gets wrong",
    "list": "show what is installed",
    "doctor": "examine every plugin and say what is wrong",
    "cache": "show or empty the store of compiled networks",
}

TEXTS = {
    "run": """\
faceport run model=NAME dataset=NAME [target=NAME] [detector=NAME] [metric=NAME] [OPTION=VALUE ...]

  faceport run model=retinaface_mobilenet model.weights=random dataset=synthetic dataset.count=100
  faceport run model=retinaface_mobilenet target.threads=2 dataset=widerface dataset.root=/data/WIDER
  faceport run -m model=retinaface_mobilenet,retinaface_resnet50 target=onnxruntime,torch dataset=synthetic
  faceport run model=mtcnn target=openvino dataset=folder dataset.path=photos/ metric=[agreement,latency]

The same command again repeats the run; after an interruption it goes on where it stopped. With -m every
combination of the values with commas is run; finished ones are kept when the sweep is started again.
metric=agreement needs no labels: it says how far the target is from the fp32 reference, which runs first.

  batch_size=1       rows of a network that run together        limit=N          first N pictures only
  workers=N          threads (default: cores)                   strict=true      stop at an unreadable picture
  out=runs           folder of results                          record=FILE      a second place for the record
  artifact=DIR       run what `faceport compile` wrote          fresh=true       do not go on, start anew
  official=true      write the dataset's official format too    --cfg job        show the composed options""",
    "score": """\
faceport score dataset=NAME predictions=PATH [metric=NAME] [OPTION=VALUE ...]

  faceport score dataset=widerface dataset.root=/data/WIDER predictions=results.zip
  faceport score dataset=widerface dataset.root=/data/WIDER predictions=runs/retinaface-.../

PATH is the folder of a run, its predictions.jsonl, or a folder or zip in the dataset's official format.""",
    "predict": """\
faceport predict INPUT ... model=NAME [detector=NAME] [target=NAME] [OPTION=VALUE ...]

  faceport predict photo.jpg model=retinaface_mobilenet model.weights=/path/mobilenet0.25_Final.pth
  faceport predict photos/ video.mp4 model=retinaface_mobilenet out=seen threshold=0.7

Writes annotated copies and predictions.jsonl (one line for each picture or frame) to out=predicted.""",
    "prepare": """\
faceport prepare dataset=NAME out=DIR [files=[pictures,npz,bin]] [model=NAME] [OPTION=VALUE ...]

  faceport prepare dataset=wflw dataset.root=/data/WFLW out=WFLW
  faceport prepare dataset=w300 dataset.root=/data/300W dataset.split=train out=data_300W
  faceport prepare dataset=widerface dataset.root=/data/WIDER files=[npz] out=for_vamp
  faceport prepare dataset=wflw dataset.root=/data/WFLW files=[bin] model=pipnet_resnet18 out=for_msame

Faces are cut out as was published with the dataset (WFLW, 300-W, COFW, AFLW: as for PIPNet) and resized.
Beside them: labels in PIPNet's format, one list for each subset, the mean face and its neighbours. npz and
bin files come with lists of their paths. The same command again goes on where it stopped.

  size=256           side of a crop in pixels                   crop=false       whole pictures
  scale=1.2          of boxes, instead of the published         name=NAME        images_NAME, NAME.txt ...""",
    "export": """\
faceport export model=NAME [OPTION=VALUE ...]

  faceport export model=retinaface_mobilenet model.weights=/path/mobilenet0.25_Final.pth out=onnx

Writes one ONNX file per network to out=export, and beside it a JSON: what goes in and comes out, how a
picture becomes the input, and golden vectors (pictures, tensors, faces) to check your own pipeline by.
dataset=NAME gives the pictures for them. Every export is compared with its torch module first.""",
    "compile": """\
faceport compile model=NAME target=NAME out=DIR [dataset=NAME] [OPTION=VALUE ...]

  faceport compile model=retinaface_mobilenet target=onnxruntime out=board
  faceport run artifact=board dataset=folder dataset.path=photos/      (on the other machine)

The dataset gives the pictures on which the compiled networks are held against the fp32 reference.""",
    "diagnose": """\
faceport diagnose model=NAME target=NAME [dataset=NAME] [target.precision=int8] [OPTION=VALUE ...]

  faceport diagnose model=retinaface_mobilenet target=openvino dataset=synthetic
  faceport diagnose model=retinaface_mobilenet target=onnxruntime target.precision=int8 dataset=synthetic

Compares every node with the reference on what the model asks of its networks: the error that the node itself
introduces, the error so far, the range, and the share of values that a narrower range cuts off. Names the
first node that departs. Writes nodes.csv and, with matplotlib, nodes.png to out=diagnosis.""",
    "list": """\
faceport list [KIND | KIND=NAME]

  faceport list                      everything
  faceport list target               one kind: model, target, dataset, metric
  faceport list model=retinaface_mobilenet     its card: what it is, its options, its licence

Runs no plugin's code. `faceport doctor` does, and what it finds is shown here from then on.""",
    "doctor": """\
faceport doctor [KIND=NAME]

Loads each plugin in a process of its own, calls its hooks, asks each target whether its runtime is there,
and says what is wrong and how to mend it. Exit code 1 when a plugin is broken.""",
    "cache": """\
faceport cache list                  what the store holds, and where it is
faceport cache prune                 remove everything that is not in use
faceport cache prune days=30         remove what was not used for 30 days

The store is the folder FACEPORT_CACHE, or faceport/ in your cache folder.""",
}


def welcome() -> str:
    """Write the help of the whole program."""
    verbs = "\n".join(f"  {name:9} {what}" for name, what in VERBS.items())
    return f"""\
faceport takes face models to hardware and measures what it costs.

{verbs}

faceport VERB --help tells more. Options are KEY=VALUE, sweeps are -m with commas:

  faceport run model=retinaface_mobilenet model.weights=random dataset=synthetic
  faceport run -m model=retinaface_mobilenet target=onnxruntime,torch dataset=synthetic batch_size=1,8

Completion: eval "$(faceport completion bash)"   (or zsh; fish: faceport completion fish | source)"""


def verb_help(verb: str) -> str:
    """Write the help of one verb, with what is installed to choose from."""
    kinds = {"list": (), "doctor": (), "cache": (), "prepare": ("model", "dataset")}.get(
        verb, ("model", "target", "dataset", "metric")
    )
    index = installed()
    lines = [TEXTS[verb]]
    if kinds:
        lines.append("")
    for kind in kinds:
        names = ", ".join(sorted(index.choices(kind))) or "none installed"
        lines.append(f"  {kind + ':':9} {names}")
    return "\n".join(lines)
