"""Everything that runs or touches untrusted code: containers, workspaces, extractor, verifier, mirrors, images.

Nothing is imported here, so that a command which needs none of it does not pay for the Docker SDK and GitPython.
"""
