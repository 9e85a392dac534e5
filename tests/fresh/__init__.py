"""The first five minutes: copies of this project, set up and run for real, on the machines people have."""
