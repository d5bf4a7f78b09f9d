"""What can be wrong with an image."""


class ImageError(Exception):
    """An image cannot be had, read or made; the text says why and what to do."""
