"""What a client is told instead of an answer."""


class Refused(Exception):
    """A request that gets an error.

    Args:
      status: of HTTP: 400 what cannot be understood, 404 what is not here, 408 what came too slowly, 413 what is too
        large, 503 what may be tried again later.
      message: for the client, in one line.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message
