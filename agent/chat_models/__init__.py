"""Chat models: opened by name, and their replies without thinking and without tool calls written as text."""
