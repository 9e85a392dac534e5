"""What is never kept: secrets, and instructions to the assistant. Pure."""
