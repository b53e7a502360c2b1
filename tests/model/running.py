"""Runs of the state machine on one daemon, for the tests and for the command."""

from __future__ import annotations

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fakes.hello import hello
from tests.longrun import REPEATABLE
from tests.model.machine import DaemonMachine
from tests.rig import SURVIVING, rig


def drive(*, runs: int, steps: int, seed: int) -> None:
    """So many runs of so many steps. AssertionError with the steps and the history of the first that can't be explained."""
    from hypothesis import seed as seeded

    with rig(program=SURVIVING, network="none") as host:
        host.start()
        host.volant("plugin", "install", hello(host.root))

        # A class of its own for the seed, which Hypothesis notes on it.
        class Machine(DaemonMachine):
            pass

        Machine.host = host
        chosen = settings(
            REPEATABLE,
            max_examples=runs,
            stateful_step_count=steps,
            # What depends on when threads run can't be made smaller by running it again.
            phases=(Phase.generate,),
        )
        run_state_machine_as_test(seeded(seed)(Machine), settings=chosen)
