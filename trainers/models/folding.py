"""Frozen batch normalization as part of the convolution before it.

In inference mode batch normalization is `x * s + t` with `s = gamma / sqrt(variance + epsilon)` and
`t = beta - mean * s` (Ioffe and Szegedy, 2015, arXiv:1502.03167). A convolution with the kernel `kernel * s` and the
bias `t` gives the same without two passes over the feature maps, and TensorFlow runs it together with the activation
behind it as one kernel. Variables are shared with the layers, gradients go through `kernel * s`, and the layers
themselves, and so every file that is saved, stay as they are.
"""

import collections
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from trainers.models import stacks

_Convolve = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Substitution = Callable[[Any], Any]  # a layer -> what is called instead: itself, where nothing is


def resolve(fold_batch_norm: str, *, on_gpu: bool) -> bool:
    """Whether to fold for `--fold_batch_norm`; `auto`: on a CPU, where it is faster (benchmarks/train_step.py)."""
    return not on_gpu if fold_batch_norm == "auto" else fold_batch_norm == "true"


def substitution(graph: keras.Model, *, inference: bool, keep: keras.layers.Layer | None = None) -> Substitution:
    """What stands for each layer where the layers of a graph are called again, for `keras.models.clone_model`.

    Args:
      graph: models inside it count as one layer each.
      inference: whether batch normalization that trains is in inference mode too.
      keep: a layer that is called itself.
    """
    instead: dict[int, keras.layers.Layer] = {}
    for convolution, norm in pairs(graph, inference=inference):
        if keep is convolution or keep is norm:
            continue
        instead[id(convolution)] = _Folded(convolution, norm)
        instead[id(norm)] = _Absorbed(dtype=norm.dtype_policy)
    return lambda layer: instead.get(id(layer), layer)


def for_inference(model: keras.Model, *, keep: keras.layers.Layer | None = None) -> keras.Model:
    """The same network (the same variables) with all that can be folded folded, to be called with `training=False`.

    Args:
      model: of layers in a row or a graph.
      keep: a layer that is called itself.
    """
    graph = as_graph(model)
    instead = substitution(graph, inference=True, keep=keep)

    @functools.cache  # a model that is called twice stays one
    def called(layer: Any) -> Any:
        return for_inference(layer, keep=keep) if is_graph(layer) else instead(layer)

    return keras.models.clone_model(graph, clone_function=called)


def count(model: keras.Model, *, inference: bool = True) -> int:
    """How many batch normalizations can be folded, in inference or in training, in models inside the model too."""
    graph = as_graph(model)
    inside = sum(count(part, inference=inference) for part in graph.layers if is_graph(part))
    return inside + sum(1 for _ in pairs(graph, inference=inference))


def pairs(
    graph: keras.Model, *, inference: bool
) -> Iterator[tuple[keras.layers.Layer, keras.layers.BatchNormalization]]:
    """The convolutions of a graph whose batch normalization can be folded into them, each with it.

    Left alone is a convolution that something else uses too, and one whose normalization is added to a tensor that
    a ReLU and something else use: TensorFlow's optimizer of graphs (2.21) takes convolution, addition and ReLU for one
    kernel there, fails, and fuses nothing in the whole graph.
    """
    users = _users(graph)
    kept = {id(tensor) for tensor in graph.outputs}
    nodes = nodes_of(graph)
    counts = collections.Counter(id(node.operation) for node in nodes)
    for node in nodes:
        convolution, following = node.operation, users.get(id(node.outputs[0]), [])
        if type(convolution) not in _CHANNELS or len(following) != 1 or id(node.outputs[0]) in kept:
            continue
        norm = following[0].operation
        if type(norm) is not keras.layers.BatchNormalization or counts[id(convolution)] + counts[id(norm)] > 2:
            continue
        if norm.trainable and not inference:
            continue
        is_last = norm.axis in (-1, len(node.outputs[0].shape) - 1) and convolution.data_format == "channels_last"
        is_plain = convolution.activation is keras.activations.linear and not convolution.dtype_policy.quantization_mode
        is_plain = is_plain and not getattr(convolution, "lora_enabled", False)
        is_alike = convolution.compute_dtype == norm.compute_dtype
        if is_last and is_plain and is_alike and not _meets_a_shared_sum(following[0], users):
            yield convolution, norm


def _meets_a_shared_sum(norm: Any, users: dict[int, list[Any]]) -> bool:
    for user in users.get(id(norm.outputs[0]), []):
        if isinstance(user.operation, keras.layers.Add | _ADD):
            behind = [further.operation for further in users.get(id(user.outputs[0]), [])]
            if len(behind) > 1 and any(_is_relu(operation) for operation in behind):
                return True
    return False


def _is_relu(operation: Any) -> bool:
    activation = getattr(operation, "activation", None)
    return isinstance(operation, keras.layers.ReLU) or getattr(activation, "__name__", "") in ("relu", "relu6")


def nodes_of(graph: keras.Model) -> list[Any]:
    """The calls of which a graph consists, each once. Keras has no public name for them; a test pins them."""
    return [node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]]


def _users(graph: keras.Model) -> dict[int, list[Any]]:
    """The calls that use a tensor, by its identity."""
    users: dict[int, list[Any]] = {}
    for node in nodes_of(graph):
        for tensor in node.input_tensors:
            users.setdefault(id(tensor), []).append(node)
    return users


_ADD = type(keras.ops.add(keras.KerasTensor([1]), 1)._keras_history.operation)  # of `x + y` between layers


def is_graph(layer: Any) -> bool:
    """Whether a layer is a model whose layers can be called one by one."""
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_nodes_by_depth")


def as_graph(model: keras.Model) -> keras.Model:
    """A model of layers in a row as a graph of them, and stacks of blocks block by block; other models as they are."""
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0])
    return stacks.unrolled(model) if stacks.has_stacks(model) else model


def _of_convolution(layer: Any, scale: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    kernel = tf.cast(layer.kernel.value * scale, layer.compute_dtype)
    return lambda inputs: layer.convolution_op(inputs, kernel)


def _of_depthwise(layer: Any, scale: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    kernel = layer.kernel.value
    kernel = tf.cast(kernel * tf.reshape(scale, kernel.shape[2:]), layer.compute_dtype)
    convolve: _Convolve = functools.partial(keras.ops.depthwise_conv, **_options(layer))
    if layer.compute_dtype == "bfloat16" and not tf.config.list_logical_devices("GPU"):
        convolve = _with_float32_gradient(convolve)
    return lambda inputs: convolve(inputs, kernel)


def _with_float32_gradient(convolve: _Convolve) -> _Convolve:
    """The same convolution of (inputs, kernel), whose gradient is computed in float32: in bfloat16 TensorFlow's kernels
    for that are several times slower on a CPU."""

    @tf.custom_gradient
    def convolved(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            exact = [tf.cast(inputs, tf.float32), tf.cast(kernel, tf.float32)]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(exact)
                outputs = convolve(*exact)
            found = tape.gradient(outputs, exact, tf.cast(upstream, tf.float32))
            return [tf.cast(value, upstream.dtype) for value in found]

        return convolve(inputs, kernel), gradient

    return convolved


def _of_separable(layer: Any, scale: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    depthwise = tf.cast(layer.depthwise_kernel.value, layer.compute_dtype)
    pointwise = tf.cast(layer.pointwise_kernel.value * scale, layer.compute_dtype)
    return lambda inputs: keras.ops.separable_conv(inputs, depthwise, pointwise, **_options(layer))


def _options(layer: Any) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in ("strides", "padding", "dilation_rate", "data_format")}


_CHANNELS = {
    keras.layers.Conv2D: _of_convolution,
    keras.layers.DepthwiseConv2D: _of_depthwise,
    keras.layers.SeparableConv2D: _of_separable,
}


class _Folded(keras.layers.Layer):
    """A convolution and its batch normalization in inference mode as one convolution with a bias.

    The kernel is scaled in the variables' type and cast to the compute type after that.
    """

    def __init__(self, convolution: Any, norm: keras.layers.BatchNormalization):
        # of one type, or Keras would hand the variables over in the compute type
        super().__init__(dtype=convolution.variable_dtype, autocast=False, name=f"{convolution.name}_folded")
        self.convolution, self.norm = convolution, norm

    @property
    def trainable(self) -> bool:
        """Whether the convolution trains."""
        return self.convolution.trainable

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[b, h, w, channels] -> [b, h', w', channels'], in the convolution's compute type."""
        layer, norm = self.convolution, self.norm
        scale = tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
        scale = scale * norm.gamma.value if norm.scale else scale
        bias = -norm.moving_mean.value * scale
        bias = bias + norm.beta.value if norm.center else bias
        bias = bias + layer.bias.value * scale if layer.use_bias else bias
        convolve = _CHANNELS[type(layer)](layer, scale)
        return tf.nn.bias_add(convolve(tf.cast(inputs, layer.compute_dtype)), tf.cast(bias, layer.compute_dtype))


class _Absorbed(keras.layers.Layer):
    """What is left of a batch normalization: nothing."""

    def call(self, inputs: tf.Tensor, training: Any = None, mask: Any = None) -> tf.Tensor:
        """As it is."""
        return inputs
