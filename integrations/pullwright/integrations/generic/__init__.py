"""Signed requests of anybody's own systems: the ``Door`` and ``Handler`` of a webhook that belongs to no product."""
