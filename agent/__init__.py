"""The assistant: its turns, its servers and its command line."""
