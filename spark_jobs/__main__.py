"""The command howdah, as `python -m spark_jobs`."""

import sys

from spark_jobs.launcher.launch import main

sys.exit(main())
