"""The measurements as tables for the terminal."""

from typing import Any

from rich.table import Table

from gyrax.runtime.console import make_table

FIXED_STEPS = {
    "ratio_to_scan": "a scan, noise handed in to both",
    "ratio_to_scan_drawing": "a scan, noise drawn by both",
    "ratio_to_scan_with_keys": "a scan with a key a step",
    "ratio_to_unsafe_path": "diffeqsolve with UnsafeBrownianPath",
    "ratio_to_tree": "diffeqsolve with VirtualBrownianTree",
}


def bench_tables(report: dict[str, Any]) -> list[Table]:
    """Times beside the yardsticks', programs, and single facts; those of them that were measured."""
    machine = report["machine"]
    changed = "".join(f", {k} {v}" for k, v in report["settings"].items())
    head = (
        f"{report['preset']} preset{changed} on {machine['device']}, {machine['cores']} cores; measured peak "
        f"{machine['gflops']:.0f} GFLOP/s, {machine['gbytes']:.1f} GB/s"
    )
    rows = {f"{name} step": entry for name, entry in report.get("train_step", {}).items()}
    rows |= {name: report[name] for name in ("rollout", "simulate") if name in report}
    speed = make_table(
        ("", "ms", "quartiles", "x naive", "/ scan", "/ diffeqsolve", "/ ALIGN"), title=head
    )
    programs = make_table(
        ("", "compile s", "from cache s", "MiB", "GFLOP", "% of peak"), title="Programs"
    )
    for name, entry in rows.items():
        speed.add_row(
            name,
            f"{entry['ms']:.2f}",
            f"{entry['ms_low']:.2f}-{entry['ms_high']:.2f}",
            *(_cell(entry, f"ratio_to_{k}") for k in ("naive", "scan", "diffeqsolve", "align")),
        )
        programs.add_row(
            name,
            *(f"{entry['compile_s'][k]:.1f}" for k in ("cold", "warm")),
            f"{entry['peak_mib']:.0f}",
            _cell(entry, "gflop"),
            _cell(entry, "share_of_peak_flops", ".1%"),
        )
    shown = [speed, programs] if rows else []
    facts = make_table(("", "measured"), title="Also measured" if rows else head, left=2)
    for name, value in _facts(report):
        facts.add_row(name, value)
    return [*shown, facts] if facts.row_count else shown


def _cell(entry: dict[str, Any], name: str, form: str = ".2f") -> str:
    return format(entry[name], form) if name in entry else ""


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if "train_step" in report:
        share = report["train_step"]["phase2"]["epoch_overhead"]
        facts.append(("phase-2 epoch beyond its steps", f"{share:.1%}"))
    if "command" in report:
        command = report["command"]
        for cache, seconds in command["first_step_s"].items():
            facts.append((f"command to first step, {cache} cache", f"{seconds:.1f} s"))
        facts.append(("largest memory of the default training", f"{command['peak_mib']:.0f} MiB"))
    if "data" in report:
        rate = report["data"]["windows_per_second"]
        facts.append(("windows fed a second", f"{rate:,.0f}"))
    if "simulate" in report:
        entry = report["simulate"]
        facts.append(("simulate: " + entry["what"], f"{entry['steps_per_second']:,.0f} steps/s"))
        facts.append(
            ("simulate: time against ALIGN in flat space", f"{entry['ratio_to_align']:.2f}")
        )
    for kind in ("forward", "gradient") if "fixed_steps" in report else ():
        entry = report["fixed_steps"][kind]
        facts.append(
            (f"{report['fixed_steps']['what']}, {kind}", f"{1e3 * entry['ms_ours']:.1f} µs")
        )
        facts += [
            (f"  time against {name}", f"{entry[ratio]:.3g}")
            for ratio, name in FIXED_STEPS.items()
            if ratio in entry
        ]
    for axis, row in report.get("growth", {}).get("axes", {}).items():
        facts.append((f"growth with {axis}", row["text"]))
    return facts
