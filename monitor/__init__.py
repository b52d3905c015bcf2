"""What the phases of a run cost. Knows processes and phases; imports neither recsys nor pyspark nor tensorflow."""

from monitor.phases import Recorder, phase, read_phases, record, unfinished_phase
from monitor.plots import plot_losses

__all__ = ["Recorder", "phase", "plot_losses", "read_phases", "record", "unfinished_phase"]
