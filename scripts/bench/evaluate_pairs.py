"""Evaluation by two builds of medseg in turns: what a change of the code is worth.

    python3 scripts/bench/evaluate_pairs.py OTHER_MEDSEG [--limit 12] [--rounds 3]

Each round evaluates the same records with this build and with OTHER_MEDSEG (a binary of an earlier
commit), encoders and loading included. Prints seconds, answers' tokens a second, and whether the
answers agree: the texts that are equal and the mean Dice of both.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def evaluate(medseg, arguments, out):
    start = time.perf_counter()
    subprocess.run([medseg, "evaluate", "--model", arguments.model, "--data", arguments.data,
                    "--split", "test", "--limit", str(arguments.limit), "--precision",
                    arguments.precision, "--threads", str(arguments.threads), "--out", out],
                   check=True, capture_output=True)
    seconds = time.perf_counter() - start
    lines = [json.loads(line) for line in (pathlib.Path(out) / "predictions.jsonl").open()]
    scores = json.loads((pathlib.Path(out) / "scores.json").read_text())
    return {"seconds": seconds, "tokens": sum(line["new_tokens"] for line in lines),
            "texts": [line["text"] for line in lines], "scores": scores}


def dice(scores):
    return scores["metrics"]["dice"] if "metrics" in scores else scores["dice"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("other")
    parser.add_argument("--medseg", default=str(ROOT / "build/medseg"))
    parser.add_argument("--model", default=str(ROOT / "runs/demo/best"))
    parser.add_argument("--data", default=str(ROOT / "data/demo/manifest.jsonl"))
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="bf16")
    arguments = parser.parse_args()
    seen = {"this": [], "other": []}
    for _ in range(arguments.rounds):
        for side, medseg in (("other", arguments.other), ("this", arguments.medseg)):
            with tempfile.TemporaryDirectory() as folder:
                seen[side].append(evaluate(medseg, arguments, folder))
    print("| build | s | tokens a second | Dice |\n| --- | ---: | ---: | ---: |")
    for side, rounds in seen.items():
        times = sorted(one["seconds"] for one in rounds)
        median = statistics.median(times)
        print(f"| {side} | {median:.1f} ({times[0]:.1f} to {times[-1]:.1f}) | "
              f"{rounds[0]['tokens'] / median:.1f} | {dice(rounds[0]['scores']):.6f} |")
    this, other = seen["this"][0], seen["other"][0]
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(seen["this"], seen["other"])]
    equal = sum(a == b for a, b in zip(this["texts"], other["texts"]))
    print(f"\nof the other's time: {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f}); {equal} of {len(this['texts'])} answers have "
          "the same words")


if __name__ == "__main__":
    main()
