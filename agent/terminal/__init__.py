"""The command line: chat with the agent, and the commands that show, change and export what it knows."""
