"""Programs beside the `elsac` command."""
