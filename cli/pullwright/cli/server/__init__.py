"""The HTTP side of ``agent serve``: an API over tasks, and a place to mount more."""
