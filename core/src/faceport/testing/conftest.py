"""Tests run for each installed plugin (argument `plugin`) or choice (`model_choice`, `target_choice` ...)."""

from __future__ import annotations

import pytest

from faceport.plugins.index import installed
from faceport.testing.choices import own_choices, title

pytest.register_assert_rewrite("faceport.testing.checks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over what is installed."""
    index = installed()
    for kind in index.kinds:
        if f"{kind}_choice" in metafunc.fixturenames:
            choices = own_choices(kind)
            metafunc.parametrize(f"{kind}_choice", choices, ids=map(title, choices), scope="module")
    if "plugin" in metafunc.fixturenames:
        names = [f"plugin-{plugin.name}" for plugin in index.plugins]
        metafunc.parametrize("plugin", index.plugins, ids=names, scope="module")
