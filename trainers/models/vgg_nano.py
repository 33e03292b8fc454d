"""A VGG small enough to be carried in the package."""

import keras


def vgg_nano(*, include_top: bool, weights: None, input_shape: tuple[int, int, int], classes: int = 12) -> keras.Model:
    """A VGG (Simonyan and Zisserman, 2014, arXiv:1409.1556) small enough to be carried in the package.

    The blocks and layers are named as in Keras's VGG16; 3x3 convolutions of 16, 32, 64, 80 and 112 channels,
    one a block in the first two and two after that; 358,000 parameters.
    """
    del weights  # there are none of ImageNet
    inputs = x = keras.Input(input_shape)
    for block, (channels, convolutions) in enumerate(((16, 1), (32, 1), (64, 2), (80, 2), (112, 2)), start=1):
        for number in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                channels,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"block{block}_conv{number}",
            )(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, x, name="vgg_nano")
