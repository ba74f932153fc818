"""The standard output, which holds one thing: the result of a command, or a file that is `-`."""

import click


def taken(**files: str | None) -> bool:
    """Tell whether one of the options is `-`, so that all else goes to the standard error.

    `files` are options by their names. Refuses two of them.
    """
    names = ["--" + name.replace("_", "-") for name, path in files.items() if path == "-"]
    if len(names) > 1:
        raise click.UsageError(
            f"{' and '.join(names)} are both the standard output; give all but one a file"
        )
    return bool(names)
