"""Imported before every test and benchmark, and by the programs that they start."""

import os

os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # do not read the developer's .env
