"""The diagram of the graph in README.md. `python -m tests.checks.picture` writes it again."""

from graphs.chat import graph
from tests.documents import README, blocks


def picture() -> str:
    """The chat's graph as Mermaid text."""
    return graph.get_graph().draw_mermaid(with_styles=False).strip() + "\n"


if __name__ == "__main__":
    (block,) = blocks(README, "mermaid")
    README.write_text(README.read_text().replace(block.text, picture()))
