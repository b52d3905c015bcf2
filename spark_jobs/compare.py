"""Run train once for each number of workers, and each combination of other settings, and compare what they took."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from monitor.errors import MonitorError
from recsys.errors import UserError
from spark_jobs.comparison.compare import STOPPED, Ended, run_compare
from spark_jobs.run.messages import fail


def main(argv: Sequence[str]) -> int:
    """Runs the job and returns its exit code."""
    try:
        return run_compare(argv)
    except Ended as end:
        return end.code
    except UserError as error:
        return fail(error)
    except MonitorError as error:
        return fail(UserError(str(error)))
    except OSError as error:  # a full disk
        return fail(
            UserError(f"{error.filename or error}: {error.strerror}: correct that and call again; finished runs stay")
        )
    except KeyboardInterrupt:
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
