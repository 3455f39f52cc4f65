"""A plugin whose classes each have one fault: the conformance kit must find it, and nothing else.

`caught_by` names the tests that must fail, and no others unless there is `and_more`: some faults break
everything. tests/core/test_testing.py writes the YAML files and runs the kit.
"""

from faceport.hooks import hookimpl


def _offered(module):
    return {f"faulty_{name}": cls for name, cls in vars(module).items() if hasattr(cls, "caught_by")}


@hookimpl
def models():
    from faulty import model

    return _offered(model)


@hookimpl
def targets():
    from faulty import target

    return _offered(target)


@hookimpl
def datasets():
    from faulty import dataset

    return _offered(dataset)


@hookimpl
def metrics():
    from faulty import metric

    return _offered(metric)


@hookimpl
def verbs():
    from faulty import verb

    return _offered(verb)


@hookimpl
def kinds():
    from faulty import kind

    return _offered(kind)
