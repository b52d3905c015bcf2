"""Pictures of a run. Matplotlib is imported when a picture is drawn, and needs no screen."""

from monitor.plots.canvas import Picture
from monitor.plots.dag import plot_job
from monitor.plots.losses import plot_losses
from monitor.plots.phase import plot_phase
from monitor.plots.whole import plot_cores, plot_hosts, plot_memory, plot_run

__all__ = ["Picture", "plot_cores", "plot_hosts", "plot_job", "plot_losses", "plot_memory", "plot_phase", "plot_run"]
