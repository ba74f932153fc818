"""What can be said: one dialect a file."""
