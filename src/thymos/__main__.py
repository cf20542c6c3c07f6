"""``python -m thymos`` is the command line."""

from thymos.cli import main

main()
