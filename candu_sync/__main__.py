"""`python -m candu_sync`: the command line."""

from candu_sync.cli import main

main()
