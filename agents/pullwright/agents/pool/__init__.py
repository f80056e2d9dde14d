"""Several endpoints behind one ``Model``: a conversation stays where its prefix is warm, and moves when it must.

The decisions (``placement``, ``admission``, ``breaker``) are pure and take the time as an argument; ``health`` and
``pool`` do the waiting and the talking.
"""
