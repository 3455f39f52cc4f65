"""`python -m faceport`: the command line."""

from faceport.shell.cli import main

main()
