"""Tests of the set-up: copies of this project are set up and run for real, as different users and machines do."""
