#!/usr/bin/env python3
"""Small files of every supported weight format, written by their reference tools, with the values
they hold.

  export_weights.py OUT        (tests/golden/weights)

Packages: torch 2.11.0, safetensors, gguf, onnx, numpy. Seeded: run again, it writes the same
values.
"""

import argparse
import json
import sys
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path, PurePosixPath

import gguf
import numpy as np
import onnx
import torch
from gguf.quants import dequantize, quantize
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
a, b = torch.randn(3, 4), torch.arange(6, dtype=torch.int64).reshape(2, 3)
shared = torch.arange(12, dtype=torch.float32)
state = OrderedDict(
    a=a,
    b=b,
    half=a.half(),
    brain=a.bfloat16(),
    double=a.double(),
    flag=torch.tensor([True, False]),
    view=shared[4:8],
    strided=shared.reshape(3, 4).t(),
    scalar=torch.tensor(2.5),
)
torch.save(state, out / "ordered.pth")
torch.save(
    {"model": OrderedDict(("module." + k, v) for k, v in state.items()), "epoch": 3, "lr": 0.1},
    out / "nested.pth",
)
torch.save({"weight": torch.nn.Parameter(a), "note": "text", "none": None}, out / "parameter.pth")
save_file(
    {k: v.contiguous() for k, v in state.items()},
    out / "state.safetensors",
    metadata={"format": "pt"},
)

kinds = OrderedDict(
    (str(kind).removeprefix("torch."), (a * 3).to(kind))
    for kind in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
)
kinds["every_second_row"] = torch.arange(20, dtype=torch.int32).reshape(5, 4)[::2, 1:3]
kinds["expanded"] = torch.arange(3, dtype=torch.float32).expand(4, 3)
kinds["empty"] = torch.zeros(0, 5)
torch.save(kinds, out / "kinds.pth")
save_file({k: v.contiguous() for k, v in kinds.items()}, out / "kinds.safetensors")

# What training scripts keep beside the weights. Only the weights are read.
layer = torch.nn.Linear(4, 3)
layer.weight.data, layer.bias.data = a.clone(), a[:, 0].clone()
layer.weight.tag = "a parameter with an attribute"
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(4)).sum().backward()
noted = a.clone()
noted.note = "a tensor with an attribute"
torch.save(
    {
        "epoch": np.int64(3),
        "best": np.float64(0.5),
        "history": np.arange(4.0),
        "args": argparse.Namespace(
            lr=1e-4, out=PurePosixPath("runs/x"), sizes=[1, 2], kind=torch.float16
        ),
        "classes": {"bone", "lung"},
        "frozen": frozenset((1, 2)),
        "counts": Counter("aab"),
        "lists": defaultdict(list),
        "numpy": np.random.RandomState(0).get_state(),
        "generator": np.random.PCG64(0).state,
        "torch": torch.get_rng_state(),
        "z": 1 + 2j,
        "bytes": b"xyz",
        "device": torch.device("cpu"),
        "shape": a.shape,
        "optimizer": optimizer.state_dict(),
        "state_dict": OrderedDict(
            {
                "module.weight": layer.weight,
                "module.bias": layer.bias,
                "module.noted": noted,
                "module.epoch": 3,
            }
        ),
    },
    out / "trained.pth",
)
torch.save(state, out / "legacy.pth", _use_new_zipfile_serialization=False)

shards = out / "sharded"
shards.mkdir(exist_ok=True)
parts = {
    "pytorch_model-00001-of-00002.bin": ["a", "half"],
    "pytorch_model-00002-of-00002.bin": ["b", "strided"],
}
for file, names in parts.items():
    torch.save({name: state[name] for name in names}, shards / file)
(shards / "pytorch_model.bin.index.json").write_text(
    json.dumps(
        {
            "metadata": {"total_size": 168},
            "weight_map": {name: file for file, names in parts.items() for name in names},
        },
        indent=1,
    )
)

writer = gguf.GGUFWriter(out / "quants.gguf", "llama")
writer.add_uint32("llama.block_count", 1)
writer.add_array("words", ["a", "b"])
writer.add_bool("yes", True)
rng = np.random.default_rng(0)
expected = {}
kinds = {"F16": 256, "BF16": 256, "Q8_0": 64, "Q4_0": 64, "Q4_1": 64, "Q5_0": 64, "Q5_1": 64}
for name, width in kinds.items():
    kind = getattr(gguf.GGMLQuantizationType, name)
    data = quantize(rng.standard_normal((2, width)).astype(np.float32), kind)
    writer.add_tensor(name, data, raw_dtype=kind)
    expected[name] = torch.from_numpy(dequantize(data, kind).astype(np.float32))
for name, size in {
    "Q4_K": 144,
    "Q5_K": 176,
    "Q6_K": 210,
}.items():  # the package only reads these: random blocks
    kind = getattr(gguf.GGMLQuantizationType, name)
    data = rng.integers(0, 256, (2, size), dtype=np.uint8)
    at = [0, 2] if name != "Q6_K" else [208]
    for offset in at:  # sane scales instead of NaN
        data[:, offset : offset + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    writer.add_tensor(name, data, raw_dtype=kind)
    expected[name] = torch.from_numpy(dequantize(data, kind).astype(np.float32))
plain = rng.standard_normal((3, 5)).astype(np.float32)
writer.add_tensor("F32", plain)
expected["F32"] = torch.from_numpy(plain)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, out / "quants.safetensors")

weight = rng.standard_normal((4, 3)).astype(np.float32)  # [in, out]
bias = rng.standard_normal(3).astype(np.float32)
graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["y"]),
        helper.make_node("Add", ["backbone.fc.bias", "y"], ["z"]),
    ],
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
    [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3])],
    [
        numpy_helper.from_array(weight, "onnx::MatMul_7"),
        numpy_helper.from_array(bias, "backbone.fc.bias"),
    ],
)
onnx.save(helper.make_model(graph), out / "matmul.onnx")
save_file(
    {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}, out / "matmul.safetensors"
)
