"""Whose time is whose: operations inside operations, and the kinds they are added up by."""

import pytest
import tensorflow as tf

from benchmarks import operations
from benchmarks.harness import trace


def test_an_operation_counts_for_what_it_does_beside_those_it_calls():
    events = [
        (0, 100, "outer:PartitionedCall"),
        (10, 30, "a/conv:_MklNativeFusedConv2D"),
        (12, 5, "ParallelFor"),
        (50, 20, "a/grad:Conv2DBackpropFilter"),
        (55, 10, "b:Mul"),
        (100, 7, "CpuExecutable::ExecuteAsyncOnStream"),
    ]
    found = trace._of_thread(reversed(events))
    assert found == {"PartitionedCall": 50, "Conv2D": 30, "Conv2DBackpropFilter": 10, "Mul": 10, "CpuExecutable": 7}


def test_a_product_is_seen_to_take_most_of_its_time():
    size = 600

    @tf.function
    def call(x):
        return tf.reduce_sum(x @ x + 1)

    x = tf.random.normal((size, size))
    call(x)
    found = operations.shares(trace.seconds_by_operation(lambda: call(x).numpy()))
    assert max(found, key=found.get) == "product"
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("DepthwiseConv2dNative", "depthwise"),
        ("DepthwiseConv2dNativeBackpropInput", "depthwise gradient"),
        ("Conv2D", "convolution"),
        ("Conv2DBackpropFilter", "convolution gradient"),
        ("MatMul", "product"),
        ("BatchNormGradV3", "normalization"),
        ("Relu6Grad", "activation gradient"),
        ("ResourceApplyAdam", "update"),
        ("NonMaxSuppressionV3", "other"),
    ],
)
def test_every_operation_is_of_one_kind(operation, kind):
    assert operations.shares({operation: 2.0})[kind] == 1
