"""`python -m elsac`: the command line."""

from elsac.cli import main

if __name__ == "__main__":
    main()
