"""The runner: the hands inside the container. Standard library only, Python 3.8 or newer.

The host sends the modules of this package down the exec stream that it starts (see ``bootstrap``), so any image with
Python will do. One thread, one ``poll``: commands, files, services and egress channels share one stream, and none of
them waits for another. Whatever the runner started ends with the stream.
"""
