"""kill -9 at every step of a turn, a batch and an import: `make torture` does it again and again, and at random."""

from pathlib import Path

from tests.torture.points import POINTS
from tests.torture.rig import Rig


def test_whatever_is_killed_at_whatever_step_all_that_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    """The agent's process, Postgres, Chroma (inside its persist too), their keepers, and all of them together."""
    with Rig(tmp_path) as rig:
        outcomes = rig.torture(POINTS)
    faults = [f"{outcome.moment}: {fault}" for outcome in outcomes for fault in outcome.faults]
    assert faults == [], f"see {tmp_path / 'victims.log'}"
    assert len(outcomes) == len(POINTS)
    assert all(outcome.struck for outcome in outcomes)
