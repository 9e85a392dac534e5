"""Lines for the log: what happened, and its details by name."""

IDS = ("user", "thread", "message")
"""The details that name somebody: JSON logs hide them."""


class Event:
    """A line such as "recalled thread='1' user='ana' facts=3", whose details a JSON log shows as fields of their own.

    Details are names and numbers, never a text of a message or of a fact."""

    def __init__(self, name: str, **details: object) -> None:
        self.name, self.details = name, details

    def __str__(self) -> str:
        shown = (f"{name}={value!r}" if name in IDS else f"{name}={value}" for name, value in self.details.items())
        return " ".join([self.name, *shown])
