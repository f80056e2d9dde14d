"""The host's side of egress: the only place from which anything goes out on behalf of a sandbox.

The container has no network. Its loopback ports are forwarded, over the one wire, to the handlers made here:
read-only gateways to package registries, and in the wider modes a tunnel that checks who is at the other end.
"""

from pullwright.sandbox.egress.gateway import EgressGateway, EgressSession
from pullwright.sandbox.egress.host_config import host_upstreams
from pullwright.sandbox.egress.upstreams import Credential, Upstreams

__all__ = ["Credential", "EgressGateway", "EgressSession", "Upstreams", "host_upstreams"]
