"""`export/web/`: a page that runs the model in a browser, on a photo or the camera, from any static web server."""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(__name__, {"write_web": "page"})
