#!/usr/bin/env python3
"""Runs the same steps in rxlt and in its peers, one process each, and prints them side by side. README.md has more.

    compare.py --size small --rxlt ../../target/release/rxlt --peers ~/peers-target/release --json small.json
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "base", "mmbert-base", "mdeberta-base"], default="small")
    parser.add_argument("--works", nargs="+", default=["forward", "backward", "update"])
    parser.add_argument("--only", nargs="+", help="rxlt, pytorch, candle, burn-flex, burn-wgpu, rxlt-wgpu")
    parser.add_argument("--rxlt", type=pathlib.Path, default=HERE / "../../target/release/rxlt")
    parser.add_argument("--python", default=sys.executable, help="with torch and transformers")
    parser.add_argument("--peers", type=pathlib.Path, default=HERE / "target/release", help="where burn and candle lie")
    parser.add_argument("--wgpu-device", default="0", help="the adapter for rxlt-wgpu; burn takes its default")
    parser.add_argument("--precisions", nargs="+", default=["f32"], choices=["f32", "bf16"], help="rxlt and pytorch")
    parser.add_argument("--paddings", nargs="+", default=["longest"], choices=["longest", "128"], help="of the peers")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def run_rxlt(arguments: argparse.Namespace, work: str, precision: str, device: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "figures.json"
        command = [arguments.rxlt, "bench", f"step/{work}", "--size", arguments.size, "--json", path, *device]
        if precision != "f32":
            command += ["--precision", precision]
        output = subprocess.run(command, capture_output=True, text=True, timeout=arguments.timeout)
        if output.returncode:
            raise RuntimeError(output.stderr.strip().splitlines()[-1])
        report = json.loads(path.read_text())
    [entry] = report["results"]
    return {
        "program": "rxlt",
        "version": report["commit"] or report["version"],
        "device": report["machine"]["device"],
        "threads": report["machine"]["threads"],
        "size": arguments.size,
        "work": work,
        "padding": "none",
        "precision": precision,
        "seconds": entry["seconds"],
        "rounds": [entry["low"], entry["high"]],
        "examples_per_second": entry["step"]["examples_per_second"],
        "peak_bytes": entry["step"]["peak_bytes"],
    }


def run_peer(command: list, timeout: float) -> dict:
    output = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout)
    if output.returncode:
        raise RuntimeError((output.stderr.strip().splitlines() or ["it failed"])[-1])
    return json.loads(output.stdout.strip().splitlines()[-1])


def measurements(arguments: argparse.Namespace):
    """A name, and what measures it."""
    common = lambda work, padding: ["--size", arguments.size, "--work", work, "--padding", padding, "--seconds", arguments.seconds]
    wanted = lambda name: not arguments.only or name in arguments.only
    for work in arguments.works:
        for precision in arguments.precisions:
            if wanted("rxlt"):
                yield "rxlt", lambda w=work, p=precision: run_rxlt(arguments, w, p, ["--backend", "cpu"])
        if "rxlt-wgpu" in (arguments.only or []):
            device = ["--backend", "wgpu", "--device", arguments.wgpu_device]
            yield "rxlt-wgpu", lambda w=work: run_rxlt(arguments, w, "f32", device)
        for padding in arguments.paddings:
            for precision in arguments.precisions:
                if wanted("pytorch"):
                    command = [arguments.python, HERE / "pytorch.py", "--precision", precision, *common(work, padding)]
                    yield "pytorch", lambda c=command: run_peer(c, arguments.timeout)
            rust = [("candle", "peer-candle", []), ("burn-flex", "peer-burn", ["--device", "flex"])]
            if "burn-wgpu" in (arguments.only or []):
                rust.append(("burn-wgpu", "peer-burn", ["--device", "wgpu"]))
            for name, binary, device in rust:
                if wanted(name):
                    command = [arguments.peers / binary, *device, *common(work, padding)]
                    yield name, lambda c=command: run_peer(c, arguments.timeout)


def main() -> None:
    arguments = parse()
    records, missing = [], []
    for name, measure in measurements(arguments):
        try:
            records.append({"name": name, **measure()})
            print(f"{name}: {records[-1]['work']} {records[-1]['seconds']:.3f} s", file=sys.stderr)
        except FileNotFoundError as error:
            missing.append(f"{name}: {error.filename} is not there: README.md says how it is built")
        except subprocess.TimeoutExpired:
            missing.append(f"{name}: nothing after {arguments.timeout:.0f} s")
        except RuntimeError as error:
            missing.append(f"{name}: {error}")
    table(records)
    print("".join(f"\nmissing: {line}" for line in dict.fromkeys(missing)))
    if arguments.json:
        arguments.json.write_text(json.dumps({"records": records, "missing": missing}, indent=1) + "\n")


def table(records: list[dict]) -> None:
    """Markdown; ratios are seconds over those of rxlt in the same precision and on the same kind of device."""
    print("| work | program | padding | precision | seconds | examples/s | peak GB | rxlt is times as fast | memory |")
    print("|---|---|---|---|---:|---:|---:|---:|---:|")
    own = {(r["name"], r["work"], r["precision"]): r for r in records if r["program"] == "rxlt"}
    for record in records:
        kind = "rxlt-wgpu" if record["name"] == "burn-wgpu" else "rxlt"
        ours = own.get((kind, record["work"], record["precision"]))
        speed = f"{record['seconds'] / ours['seconds']:.2f}" if ours and record["program"] != "rxlt" else ""
        memory = f"{ours['peak_bytes'] / record['peak_bytes']:.2f}" if speed and record["peak_bytes"] else ""
        cells = [record["work"], record["name"], record["padding"], record["precision"], f"{record['seconds']:.3f}"]
        cells += [f"{record['examples_per_second']:.1f}", f"{(record['peak_bytes'] or 0) / 1e9:.2f}", speed, memory]
        print(f"| {' | '.join(cells)} |")


main()
