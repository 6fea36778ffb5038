"""The short form of `make faults`."""

import random

from faults.storm import storm
from faults.trial import Trial, uninterrupted


def test_what_is_killed_and_damaged_is_finished_to_the_uninterrupted_table(tmp_path):
    kinds = ["kill everything", "kill worker", "two drivers", "damage files", "damage checkpoints"]
    tally = storm(tmp_path, len(kinds), seed=1, only=kinds)
    assert tally.troubles == []
    assert dict(tally.injected) == dict.fromkeys(kinds, 1)


def test_the_check_notices_what_is_lost_twice_or_different(tmp_path):
    """A check that cannot fail would make every storm a success."""
    reference = uninterrupted(tmp_path / "reference")
    trial = Trial(tmp_path / "trial", random.Random(0))
    uninterrupted(trial.folder)
    trial.check(reference)
    assert trial.troubles == []
    cohort = trial.store / "cohorts" / trial.published()[0]
    cohort.rename(trial.store / "lost")
    trial.check(reference)
    assert any("the table is another one" in trouble for trouble in trial.troubles)
    (trial.store / "lost").rename(cohort)
    trial.troubles.clear()
    (cohort.with_name("again")).symlink_to(cohort)
    trial.check(reference)
    assert any(trouble.startswith("stored twice") for trouble in trial.troubles)
