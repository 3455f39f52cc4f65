"""What the commands do, one file each. The core's own come through the door that everybody's do."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the classes of the core's verbs; each is imported when it is called."""
    return {
        "bundle": "faceport.verbs.bundle:CheckBundle",
        "cache": "faceport.verbs.cache:Cache",
        "compile": "faceport.verbs.compile:Compile",
        "doctor": "faceport.verbs.doctor:Doctor",
        "export": "faceport.verbs.export:Export",
        "fetch": "faceport.verbs.fetch:Fetch",
        "list": "faceport.verbs.list:List",
        "merge": "faceport.verbs.merge:Merge",
        "run": "faceport.verbs.run:Run",
        "score": "faceport.verbs.score:Score",
    }
