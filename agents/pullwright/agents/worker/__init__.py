"""Takes a task to a pull request."""
