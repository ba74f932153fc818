"""Time: what a recorded run costs on a chip, without running it again."""
