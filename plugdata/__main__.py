"""`python -m plugdata` is `plugdata`."""

from plugdata.cli import main

main()
