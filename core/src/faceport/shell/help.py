"""What `faceport --help` and `faceport VERB --help` say, from the cards of the verbs."""

from __future__ import annotations

from faceport.plugins.index import installed
from faceport.plugins.kinds import ALIASES, kind_of
from faceport.shell.offers import offers, verbs


def welcome() -> str:
    """Write the help of the whole program."""
    lines = {name: str(choice.card.get("summary", "")) for name, choice in verbs().items()}
    width = max(9, *map(len, lines))
    listed = "\n".join(f"  {name:{width}} {what}".rstrip() for name, what in lines.items())
    return f"""\
faceport takes face models to hardware and measures what it costs.

{listed}

faceport VERB --help tells more. Options are KEY=VALUE, sweeps are -m with commas:

  faceport run model=retinaface_mobilenet model.weights=random dataset=synthetic
  faceport run -m model=retinaface_mobilenet target=onnxruntime,torch dataset=synthetic batch_size=1,8

Completion: eval "$(faceport completion bash)"   (or zsh; fish: faceport completion fish | source)"""


def verb_help(verb: str) -> str:
    """Write the help of one verb, with what is installed to choose from."""
    card, index = installed().find("verb", verb).card, installed()
    text = str(card.get("help") or f"faceport {verb}\n\n{card.get('summary', '')}").rstrip()
    kinds = dict.fromkeys(kind_of(group) for group in offers(verb).groups if group not in ALIASES)
    lines = [
        f"  {kind + ':':9} {', '.join(sorted(index.choices(kind))) or 'none installed'}" for kind in kinds
    ]
    return "\n".join([text, "", *lines]) if lines else text
