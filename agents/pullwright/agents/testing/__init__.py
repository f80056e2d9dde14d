"""Fakes, scripted models and the contract suites that every adapter must pass; public, so that others can use them."""
