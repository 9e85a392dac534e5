"""A user's memory. Importing any module of it first tells libraries to send nothing (memory/environment.py)."""

from memory.environment import prepare

prepare()
