"""Pictures of a run. Matplotlib is imported when a picture is drawn, and needs no screen."""

from monitor.plots.canvas import Picture
from monitor.plots.job_graph import plot_job
from monitor.plots.run import plot_cores, plot_hosts, plot_memory, plot_phase, plot_run

__all__ = ["Picture", "plot_cores", "plot_hosts", "plot_job", "plot_memory", "plot_phase", "plot_run"]
