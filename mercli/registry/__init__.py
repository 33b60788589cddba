"""Networks that mercli does not ship: which there are, and the cache that holds those pulled or added."""

from mercli.registry.cache import CACHE, OFFLINE, cache_folder
from mercli.registry.catalogue import find, names, pull, pulled, remove, states
from mercli.registry.kept import is_kept
from mercli.registry.network import NETWORKS, KnownNetwork

__all__ = [
    "CACHE",
    "NETWORKS",
    "OFFLINE",
    "KnownNetwork",
    "cache_folder",
    "find",
    "is_kept",
    "names",
    "pull",
    "pulled",
    "remove",
    "states",
]
