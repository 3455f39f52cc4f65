"""The conformance kit: `pytest --pyargs faceport.testing` tests every installed plugin.

It holds them to what the core relies on, and needs no weights, no data and no special hardware. Choose with
`-k`: `-k model-retinaface_mobilenet`, `-k target-`, `-k plugin-retinaface`. A plugin overrides no test; it
declares what it is:

- `Target.capabilities`: what is left out, the core does, so that no target may be wrong at any batch or size;
- `provides`, `needs`, `truth` of its classes, which the card of a model repeats;
- `conformance` in its card: options for a small instance, e.g. `conformance: {count: 3}`. In a text,
  `{pictures}` becomes a folder with three pictures, and `{sample}` a copy of the folder `sample` that lies
  beside the plugin's conf/: a dataset of a few pictures as its reader expects it, made up and a few kB small;
  `{folder}` becomes a folder that may be written to;
- `harmless` in the card of a verb: words of a call that changes nothing outside its folder.

A dataset with a sample is attacked, too: each of its files that is no picture is damaged in a hundred ways
(FACEPORT_ATTACK=50 makes that five thousand), and each time the dataset must be read with sound values, or
refused by a FaceportError of one line that is safe to print. So a reader is fuzzed by

    card:
      conformance: {root: "{sample}"}

and a reader of anything else by `faceport.testing.damage.attack(read, content, number)`.
"""
