"""The conformance kit: `pytest --pyargs faceport.testing` tests every installed plugin.

It holds them to what the core relies on, and needs no weights, no data and no special hardware. Choose with
`-k`: `-k model-retinaface_mobilenet`, `-k target-`, `-k plugin-retinaface`. A plugin overrides no test; it
declares what it is:

- `Target.capabilities`: what is left out, the core does, so that no target may be wrong at any batch or size;
- `provides`, `needs`, `truth` of its classes, which the card of a model repeats;
- `conformance` in its card: options for a small instance, e.g. `conformance: {count: 3}`. In a text,
  `{pictures}` becomes a folder with three pictures.
"""
