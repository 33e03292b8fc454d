"""Training steps in PyTorch with networks of timm, in a process of its own that `peer.py` starts and asks.

Needs nothing of this project, so that any Python with torch and timm can run it. A request is a line of JSON on
standard input, its answer one on standard output: {"build": {...}} -> {"model": 0}, {"run": 0, "steps": 5} ->
{"seconds": 0.5}; {"error": "..."} where that fails. Between requests the process waits.
"""

import contextlib
import json
import logging
import os
import sys
import time
from typing import Any

try:
    import timm
    import torch
except Exception as _error:  # a broken installation raises anything; the parent says what
    print(json.dumps({"error": str(_error).splitlines()[0]}), flush=True)
    sys.exit(1)

_AUTOCAST = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}


class Classifier(torch.nn.Module):
    """uint8 [b, side, side, 3] -> logits [b, num_classes]: pixels / 255, the network's features, the head.

    Args:
      spec: of `build`; "trains" tells which parameters of the network train, by how their names begin.
    """

    def __init__(self, spec: dict[str, Any]):
        super().__init__()
        base = timm.create_model(spec["network"], pretrained=False, num_classes=0, global_pool="", **spec["arguments"])
        for kind, after_features in (("VGG", "pre_logits"), ("MobileNetV3", "conv_head")):
            if type(base).__name__ == kind:  # of the original classifier
                setattr(base, after_features, torch.nn.Identity())
        self.base, self.is_frozen = base, not spec["trains"]
        for name, parameter in base.named_parameters():
            parameter.requires_grad = name.startswith(tuple(spec["trains"]))
        for module in _batch_norms(base):
            module.requires_grad_(False)
        with torch.inference_mode():
            side = spec["image_size"]
            channels, *places = base.eval().forward_features(torch.zeros(1, 3, side, side)).shape[1:]
        layers: list[torch.nn.Module] = [torch.nn.Flatten()]
        if spec["pooling"] == "avg":
            layers.insert(0, torch.nn.AdaptiveAvgPool2d(1))
        width = channels * (1 if spec["pooling"] == "avg" else places[0] * places[1])
        if spec["dense_units"]:
            layers += [torch.nn.Linear(width, spec["dense_units"]), torch.nn.ReLU()]
            width = spec["dense_units"]
        self.head = torch.nn.Sequential(
            *layers, torch.nn.Dropout(spec["dropout"]), torch.nn.Linear(width, spec["num_classes"])
        )

    def train(self, mode: bool = True) -> "Classifier":
        """Batch normalization that is frozen, and a base that is, stay as in evaluation."""
        super().train(mode)
        self.base.train(mode and not self.is_frozen)
        for module in _batch_norms(self.base):
            module.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images lie as [b, side, side, 3], which is PyTorch's channels_last as it is."""
        pixels = images.permute(0, 3, 1, 2).float() / 255
        if self.is_frozen:
            with torch.no_grad():
                features = self.base.forward_features(pixels)
        else:
            features = self.base.forward_features(pixels)
        return self.head(features)


class Step:
    """Runs a classifier on a batch that rests on the device: forward alone, or with cross entropy, backward and Adam.

    Args:
      spec: of `build`.
      device: "cuda" or "cpu".
    """

    def __init__(self, spec: dict[str, Any], device: str):
        self.device, self.dtype = device, _AUTOCAST.get(spec["precision"])
        self.is_forward = spec["phase"] == "forward"
        self.model = Classifier(spec).to(device, memory_format=torch.channels_last).train(not self.is_forward)
        self.run = torch.compile(self.model, fullgraph=True) if spec["compile"] else self.model
        size, side = spec["batch_size"], spec["image_size"]
        self.images = torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8, device=device)
        self.labels = torch.randint(0, spec["num_classes"], (size,), device=device)
        if not self.is_forward:
            trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            self.optimizer = torch.optim.Adam(trained, lr=1e-5, fused=True)
            self.scaler = torch.amp.GradScaler(device, enabled=self.dtype == torch.float16)

    def __call__(self, steps: int) -> float:
        """Seconds of so many steps, the device's work included."""
        start = time.perf_counter()
        for _ in range(steps):
            last = self._forward() if self.is_forward else self._train()
        last.sum().item()  # waits for the device
        return time.perf_counter() - start

    def sizes(self) -> dict[str, int]:
        """Parameters of the base, and those that train with the head's (moving statistics are not parameters)."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return {
            "base_parameters": sum(parameter.numel() for parameter in self.model.base.parameters()),
            "trained_parameters": sum(parameter.numel() for parameter in trained),
        }

    def _autocast(self) -> Any:
        return torch.autocast(self.device, dtype=self.dtype) if self.dtype else contextlib.nullcontext()

    def _forward(self) -> torch.Tensor:
        with torch.inference_mode(), self._autocast():
            return self.run(self.images)

    def _train(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = torch.nn.functional.cross_entropy(self.run(self.images), self.labels)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()


def _batch_norms(model: torch.nn.Module) -> list[torch.nn.Module]:
    return [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]


def main() -> None:
    """Answers requests until standard input ends."""
    requests, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # for the compilers that torch starts
    os.dup2(2, 1)  # what libraries print is no answer
    logging.disable(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":  # as TensorFlow does without being asked
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    for name in ("recompile_limit", "cache_size_limit"):  # older versions have the second name
        if hasattr(torch._dynamo.config, name):  # each model counts as one more compilation of the same code
            setattr(torch._dynamo.config, name, 1000)
    steps: list[Step] = []
    _write(answers, {"torch": torch.__version__, "timm": timm.__version__, "device": device})
    for line in requests:
        try:
            _write(answers, _answer(json.loads(line), steps, device))
        except Exception as error:  # of the compiler, of memory, ...: the parent says it and goes on or ends
            said = str(error).strip().splitlines()[:2]  # torch.compile has the cause in the second
            _write(answers, {"error": f"{type(error).__name__}: {' '.join(said)}"})


def _answer(request: dict[str, Any], steps: list[Step], device: str) -> dict[str, Any]:
    if "run" in request:
        return {"seconds": steps[request["run"]](request["steps"])}
    step = Step(request["build"], device)
    step(1)  # compiles, and shows whether it can
    steps.append(step)
    return {"model": len(steps) - 1, **step.sizes()}


def _write(file: Any, answer: dict[str, Any]) -> None:
    file.write(json.dumps(answer) + "\n")
    file.flush()


if __name__ == "__main__":
    main()
