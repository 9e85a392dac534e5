"""Every test, benchmark and measurement starts here, and so does each program that they start."""

import os

os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # the developer's own .env stays out
