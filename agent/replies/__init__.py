"""Replies of real models: without thinking, without tool calls written as text, and what is missing is reported."""
