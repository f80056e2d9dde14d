"""The rehearsal: a code host on loopback that behaves like GitHub, with sample repositories to work on.

Public on purpose: the tests, the demo and third-party adapters use the same one.
"""
