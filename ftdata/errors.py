"""Whose fault an error is. Standard library only."""


class UserError(ValueError):
    """What was asked for cannot be done; the message is for the user: the problem and the way out, in one line.

    Raised for settings, files and folders. The command line prints the message and nothing else. An error of any other
    class is a fault of the program, and keeps its traceback.
    """
