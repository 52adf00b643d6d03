#!/usr/bin/env python3
"""Small files of every supported weight format, written by their reference tools, with the values they hold.

  export_weights.py OUT        (tests/golden/weights)

Packages: torch 2.11.0, safetensors, gguf, onnx, numpy. Seeded: run again, it writes the same values.
"""
import sys
from collections import OrderedDict
from pathlib import Path

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
state = OrderedDict(a=a, b=b, half=a.half(), brain=a.bfloat16(), double=a.double(), flag=torch.tensor([True, False]),
                    view=shared[4:8], strided=shared.reshape(3, 4).t(), scalar=torch.tensor(2.5))
torch.save(state, out / "ordered.pth")
torch.save({"model": OrderedDict(("module." + k, v) for k, v in state.items()), "epoch": 3, "lr": 0.1}, out / "nested.pth")
torch.save({"weight": torch.nn.Parameter(a), "note": "text", "none": None}, out / "parameter.pth")
save_file({k: v.contiguous() for k, v in state.items()}, out / "state.safetensors", metadata={"format": "pt"})

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
for name, size in {"Q4_K": 144, "Q5_K": 176, "Q6_K": 210}.items():  # the package only reads these: random blocks
    kind = getattr(gguf.GGMLQuantizationType, name)
    data = rng.integers(0, 256, (2, size), dtype=np.uint8)
    at = [0, 2] if name != "Q6_K" else [208]
    for offset in at:  # sane scales instead of NaN
        data[:, offset:offset + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
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
    [helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["y"]), helper.make_node("Add", ["backbone.fc.bias", "y"], ["z"])],
    "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3])],
    [numpy_helper.from_array(weight, "onnx::MatMul_7"), numpy_helper.from_array(bias, "backbone.fc.bias")])
onnx.save(helper.make_model(graph), out / "matmul.onnx")
save_file({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}, out / "matmul.safetensors")
