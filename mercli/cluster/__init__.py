"""Many files on many machines: the engines of others, each file in a worker process as on one machine."""

from mercli.cluster.engine import ENGINES, Engine, connect
from mercli.cluster.spread import run_with

__all__ = ["ENGINES", "Engine", "connect", "run_with"]
