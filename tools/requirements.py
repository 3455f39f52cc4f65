"""Print the pip arguments that install every plugin of this repository with the extras it asks for."""

import tomllib
from pathlib import Path

for file in sorted(Path("plugins").glob("*/*/pyproject.toml")):
    content = tomllib.loads(file.read_text())
    extras = content.get("tool", {}).get("faceport", {}).get("extras", [])
    print("--editable", f"./{file.parent}" + (f"[{','.join(extras)}]" if extras else ""))
