"""Where decoded images live: on the device, in memory, on disk or nowhere."""
