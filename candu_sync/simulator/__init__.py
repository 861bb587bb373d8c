"""A strict stand-in for Candu on this machine, with faults on request and a page that shows what it holds."""

from candu_sync.simulator.client import change_assumptions, forget_user, on_this_machine, read_simulator
from candu_sync.simulator.server import Simulator, serve

__all__ = ["Simulator", "change_assumptions", "forget_user", "on_this_machine", "read_simulator", "serve"]
