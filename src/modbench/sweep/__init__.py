"""Which cohorts to train, and where: planning, executors, progress, cost."""
