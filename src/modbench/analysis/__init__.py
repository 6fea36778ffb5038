"""Tables -> statistics: averages with intervals, rankings, and what chance alone would score.

Pure functions on `modbench.store.table.Tables`; nothing here draws or writes.
"""

from modbench.analysis.intervals import Interval, crossed_interval, probability_interval
from modbench.analysis.profiles import performance_profiles
from modbench.analysis.ranking import cell_scores, probability_of_improvement, ranking
from modbench.analysis.reference import random_baselines, random_value
from modbench.analysis.settings import model_title, models_in_order, settings_in_order, with_settings
from modbench.analysis.summary import count_runs, summarise

__all__ = [
    "Interval",
    "cell_scores",
    "count_runs",
    "crossed_interval",
    "model_title",
    "models_in_order",
    "performance_profiles",
    "probability_interval",
    "probability_of_improvement",
    "random_baselines",
    "random_value",
    "ranking",
    "settings_in_order",
    "summarise",
    "with_settings",
]
