"""``python -m pullwright.cli`` is the ``agent`` command."""

from pullwright.cli.app import main

main()
