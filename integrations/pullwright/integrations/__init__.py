"""What connects the core to the services around it: code hosts now, trackers and chat later.

Nothing is imported here, so that a command which needs one integration does not pay for the others.
"""
