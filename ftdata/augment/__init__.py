"""ImageDataGenerator's augmentation, and what came after it, as Keras layers that compile with XLA."""
