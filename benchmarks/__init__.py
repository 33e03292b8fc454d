"""Images per second, measured against what people use today and against what the hardware can do."""
