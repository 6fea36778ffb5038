"""`python -m modbench` is `modbench`."""

import sys


def main() -> None:
    """The command. A Ctrl-C before it can take one ends it as later ones do, without a traceback."""
    try:
        from modbench.cli.app import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
