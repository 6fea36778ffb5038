"""All figures by name."""

from modbench.figures import (
    activation,
    capacity,
    curves,
    diagonal,
    error,
    fates,
    improvement,
    length,
    metrics,
    pooled,
    profiles,
    ranking,
    specialisation,
    times,
)
from modbench.figures.base import FigureCard

_CARDS = (
    ranking.CARD,
    improvement.CARD,
    error.CARD,
    metrics.CARD,
    pooled.CARD,
    curves.CARD,
    times.CARD,
    specialisation.CARD,
    fates.CARD,
    profiles.CARD,
    activation.CARD,
    capacity.CAPACITY,
    capacity.PARAMETERS,
    length.CARD,
    diagonal.CARD,
)
FIGURES: dict[str, FigureCard] = {card.name: card for card in _CARDS}
"""Every figure, in the order of a report."""
