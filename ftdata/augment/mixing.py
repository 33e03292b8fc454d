"""PairMixing: MixUp and CutMix, which mix two images of a batch and their labels."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from ftdata.augment import rectangles
from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_least_zero, real, sides, uniform
from ftdata.config.augment import check_pairs
from ftdata.errors import UserError

_EDGES = ("top", "left", "bottom", "right")
_CELLS = 4096  # of the table of quantiles; in each the distribution function is off by less than 1 / (2 * _CELLS)


# In place of keras.layers.MixUp and CutMix, which draw from variables, with an operation that XLA lacks, and take
# partners from all over the batch, so that the images would depend on the number of replicas.
@keras.saving.register_keras_serializable(package="ftdata")
class PairMixing(SampledLayer):
    """MixUp (Zhang et al., 2017, arXiv:1710.09412) and CutMix (Yun et al., 2019, arXiv:1905.04899).

    Places 2k and 2k + 1 of the batch are partners: a pair stays on one replica if the replica's batch is even. With a
    share drawn from Beta(alpha, alpha), MixUp makes each the weighted mean of itself (`share`) and its partner; CutMix
    gives each a rectangle of its partner with the image's aspect, 1 - share of its area before it is cut at the edge,
    and a uniform centre. Both partners have one share and one rectangle: what one gives up the other gets, so that
    every label keeps its whole weight in the batch. With both alphas above 0, half of the pairs get either.

    Args:
      mixup_alpha: 0 for no MixUp; 0.2 is usual, 1 mixes more.
      cutmix_alpha: 0 for no CutMix; 1 is usual.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      {"images": [batch, height, width, channels], uint8 or float, "labels": [batch, num_classes], one-hot or shares},
      as keras.layers.MixUp takes them: images must not be mixed without their labels. The batch has to be even.

    Output shape:
      That of the input; images of the layer's compute dtype, labels float32.

    Raises:
      UserError: both alphas 0, or one that is no number >= 0.
      ValueError: when called, images without labels or an odd batch.

    Example:
      >>> import numpy as np
      >>> batch = {"images": np.zeros((8, 48, 64, 3), np.uint8), "labels": np.eye(8, 3, dtype=np.float32)}
      >>> mixed = PairMixing(mixup_alpha=0.2)(batch, training=True)
      >>> mixed["images"].shape, mixed["labels"].shape
      (TensorShape([8, 48, 64, 3]), TensorShape([8, 3]))
    """

    def __init__(self, mixup_alpha: float = 0.2, cutmix_alpha: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mixup_alpha = at_least_zero("mixup_alpha", mixup_alpha)
        self.cutmix_alpha = at_least_zero("cutmix_alpha", cutmix_alpha)
        if not self.mixup_alpha and not self.cutmix_alpha:
            raise UserError("mixup_alpha or cutmix_alpha must be above 0, got 0 and 0: remove the layer instead")
        self._quantiles = {a: beta_quantiles(a) for a in (self.mixup_alpha, self.cutmix_alpha) if a}

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """Draws for each pair of a batch.

        Returns:
          `top`, `left`, `bottom`, `right`: the mixed rectangle's edges, int32 [batch]; `keep`: the weight of the own
          image inside it; `share`: the weight of the own label; float32 [batch]. Partners have the same.
        """
        u = uniform([4, (batch_size + 1) // 2], seed)
        if not self.cutmix_alpha:
            drawn = self._mixup(u, height, width)
        elif not self.mixup_alpha:
            drawn = self._cutmix(u, height, width)
        else:
            mixup, cutmix = self._mixup(u, height, width), self._cutmix(u, height, width)
            drawn = {name: tf.where(u[3] < 0.5, mixup[name], cutmix[name]) for name in mixup}
        return {name: tf.gather(value, tf.range(batch_size) // 2) for name, value in drawn.items()}

    def _mixup(self, u: tf.Tensor, height: Side, width: Side) -> dict[str, tf.Tensor]:
        share = beta_sample(u[0], self._quantiles[self.mixup_alpha])
        edge = tf.zeros_like(share, tf.int32)
        edges = (edge, edge, edge + height, edge + width)
        return {**dict(zip(_EDGES, edges, strict=True)), "keep": share, "share": share}

    def _cutmix(self, u: tf.Tensor, height: Side, width: Side) -> dict[str, tf.Tensor]:
        """In whole pixels, as the authors' code does it."""
        side = tf.sqrt(1 - beta_sample(u[0], self._quantiles[self.cutmix_alpha]))
        top, bottom = _interval(u[1], side, height)
        left, right = _interval(u[2], side, width)
        area = tf.cast((bottom - top) * (right - left), tf.float32)
        edges = dict(zip(_EDGES, (top, left, bottom, right), strict=True))
        return {**edges, "keep": tf.zeros_like(area), "share": 1 - area / (real(height) * real(width))}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Mixes images of an even batch as `sample` says; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        edges = [tf.cast(parameters[name], tf.int32) for name in _EDGES]
        height, width = sides(images)
        inside = rectangles.mask(*edges, height=height, width=width)
        own = tf.where(inside, tf.cast(parameters["keep"], tf.float32)[:, None, None, None], 1.0)
        return own * images + (1 - own) * partner_of(images)

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Draws from the layer's own generator."""
        if not isinstance(inputs, dict) or set(inputs) != {"images", "labels"}:
            raise ValueError("PairMixing mixes labels too: call it with {'images': ..., 'labels': ...}")
        if not training:
            return inputs
        images, labels = tf.convert_to_tensor(inputs["images"]), tf.cast(inputs["labels"], tf.float32)
        seed = tf.cast(self.generator.next(), tf.int32)
        batch_size = tf.shape(images)[0] if images.shape[0] is None else images.shape[0]
        drawn = self.sample(batch_size, *sides(images), seed)
        share = drawn["share"][:, None]
        return {
            "images": tf.cast(self.apply(images, drawn), self.compute_dtype),
            "labels": share * labels + (1 - share) * partner_of(labels),
        }

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "mixup_alpha": self.mixup_alpha, "cutmix_alpha": self.cutmix_alpha}


def partner_of(values: tf.Tensor) -> tf.Tensor:
    """For each place of an even batch what its partner holds; the shape of `values`, [batch, ...]."""
    if values.shape[0] is not None and values.shape[0] % 2:
        check_pairs(values.shape[0])
    shape = tf.shape(values) if None in values.shape else tf.constant(list(values.shape), tf.int32)
    if values.shape[0] is None:
        message = "images are mixed in pairs: the batch must be even, for example by batch(..., drop_remainder=True)"
        with tf.control_dependencies([tf.debugging.assert_equal(shape[0] % 2, 0, message=message)]):
            values = tf.identity(values)
    pairs = tf.reshape(values, tf.concat([[-1, 2], shape[1:]], axis=0))
    return tf.ensure_shape(tf.reshape(tf.reverse(pairs, [1]), shape), values.shape)


def _interval(u: tf.Tensor, share: tf.Tensor, side: Side) -> tuple[tf.Tensor, tf.Tensor]:
    """From and to (exclusive) of `share` of a side, around a uniform centre, cut at the ends; int32."""
    half = tf.cast(share * real(side), tf.int32) // 2
    center = tf.cast(u * real(side), tf.int32)
    return tf.maximum(center - half, 0), tf.minimum(center + half, side)


def beta_quantiles(alpha: float) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha) at probabilities 0 to 1/2 in equal steps, float32 [_CELLS + 1].

    With them draws are stateless and compile: TensorFlow makes them from gamma variates, whose operation
    (StatelessRandomGammaV3) XLA does not have. The upper half mirrors the lower. Any finite alpha above 0 will do:
    towards 0 the values go to 0 (or 1: nothing is mixed), towards infinity to 1/2.
    """
    probabilities = np.linspace(0.0, 0.5, _CELLS + 1)
    probabilities[0] = 2.0**-25  # not 0, where 0 lies, far from all others at a large alpha; the least drawn is 2^-24
    alpha = max(alpha, 1e-300)  # below scipy gives nonsense; nothing is mixed here either
    below = special.betaincinv(alpha, alpha, probabilities)
    return np.maximum.accumulate(below).astype(np.float32)  # at extreme alphas it wavers in the last digits


def beta_sample(u: tf.Tensor, quantiles: np.ndarray) -> tf.Tensor:
    """The values of Beta(alpha, alpha) that belong to probabilities `u` in [0, 1); float32, the shape of `u`."""
    table = tf.constant(quantiles)
    place = tf.minimum(u, 1 - u) * (2.0 * _CELLS)
    cell = tf.minimum(tf.cast(place, tf.int32), _CELLS - 1)
    low, high = tf.gather(table, cell), tf.gather(table, cell + 1)
    value = low + (place - tf.cast(cell, tf.float32)) * (high - low)
    return tf.where(u < 0.5, value, 1 - value)
