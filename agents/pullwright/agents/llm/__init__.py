"""The model client: one canonical conversation, one dialect per server.

Nothing is imported here, so that commands that never call a model do not pay for the ``openai`` package.
"""
