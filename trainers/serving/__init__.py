"""An exported SavedModel behind HTTP, by the REST contract of TensorFlow Serving, in bounded memory and time.

For `trainers.commands.serve`. It knows the files of an export and nothing of training. Starlette and uvicorn are an
extra, so `http`, `endpoints` and `connection` are imported late.
"""
