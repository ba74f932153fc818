"""What it means: numpy interpreters, simple and slow, the reference."""
