"""Chat models: their providers, and their replies without thinking and without tool calls written as text."""
