"""What stands above the tables of a run: what they measured, by which version, what is missing."""

from __future__ import annotations

from collections import Counter

from hdac.bench.analysis import Run, cap, label, rate_point
from hdac.bench.names import number_text
from hdac.bench.stale import version_of
from hdac.metrics.registry import METRICS


def about(run: Run) -> str:
    """What the tables measured."""
    a = run.about
    frames = f"the first {a.frames} frames" if a.frames else "all frames"
    have = {p.sequence: p.record["frames"] for p in run.points.values() if not p.error}
    if short := [f"{name} {n}" for name, n in have.items() if n < a.frames]:
        frames += f" (fewer have {', '.join(short)})"
    settings = "; ".join(
        f"{name}: {c.title} ({c.parameter} {', '.join(number_text(v) for v in c.points)})"
        for name, c in a.codecs.items()
        if not c.skipped
    )
    lines = [
        f"{a.title}. {len(run.sequences)} clips of `{a.set}`, {frames}. "
        "Rate: whole files, kbps = 1000 bit/s.",
        f"Codecs: {settings}.",
    ]
    slow = [c.title for m in run.metrics if (c := METRICS[m].contract).sampled]
    if a.every > 1 and slow:
        lines.append(f"{', '.join(slow)}: mean over every {a.every}th frame.")
    lines += [*made_by(run), *stale_lines(run)]
    lines += [f"Made elsewhere: {n} ({c.archived})." for n, c in a.codecs.items() if c.archived]
    lines += [f"Not run: {name} ({c.skipped})." for name, c in a.codecs.items() if c.skipped]
    lines += [f"Metric not available: {k} ({why})." for k, why in a.unavailable_metrics.items()]
    lines += [*_gaps(run), *_caps(run)]
    failed = [(name, _reason(p.error)) for name, p in run.points.items() if p.error]
    lines += [f"Failed: {name} ({reason})." for name, reason in failed]
    return "\n".join([*lines, *([a.notes] if a.notes else [])]) + "\n"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _reason(error: str) -> str:
    """What failed, and the first line of its program that tells of an error, else the last."""
    first, *said = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason"]
    why = [line for line in said if "error" in line.lower()][:1] or said[-1:]
    return " ... ".join(line[:200] for line in (first, *why))


def _gaps(run: Run) -> list[str]:
    """Metrics that some clips cannot have, and what was said of clips as they were read."""
    clips: dict[str, dict[str, None]] = {}
    for p in run.points.values():
        whole = run.about.unavailable_metrics
        texts = [
            f"Metric not available: {metric} ({_first_line(why)})"
            for metric, why in p.record.get("unavailable", {}).items()
            if metric in run.about.metrics and metric not in whole
        ]
        texts += [f"Note on clips: {note}" for note in p.record.get("notes", [])]
        for text in texts:
            clips.setdefault(text, {})[p.sequence] = None
    return [f"{text}: {', '.join(names)}." for text, names in clips.items()]


def _caps(run: Run) -> list[str]:
    """Points that are in no curve, and frames that are in means without being measured."""
    lines = []
    for metric in run.compared:
        out = [p for codec in run.codecs for p in run.left_out(codec, metric)]
        named = "; ".join(f"{p.codec} {number_text(p.value)} on {p.sequence}" for p in out)
        if out:
            limit = f"at {cap(metric):g} or with half of the frames there, {label(metric)}"
            lines.append(f"Left out of curves and BD-rates, {limit}: {named}.")
    for metric in run.metrics:
        some = [p for p in run.points.values() if p.record.get("capped", {}).get(metric)]
        frames = sum(p.record["capped"][metric] for p in some if rate_point(p, metric) is not None)
        if frames:
            lines.append(f"{label(metric)}: {frames} frames are in means as {cap(metric):g}.")
    return lines


def made_by(run: Run) -> list[str]:
    """What made the points of hdac."""
    found: dict[str, tuple[set[str], dict[str, dict[str, None]]]] = {}
    for p in run.points.values():
        if not p.error and (version := version_of(p.record)):
            commits, codecs = found.setdefault(version.text(), (set(), {}))
            commits |= {version.commit} if version.commit else set()
            codecs.setdefault(p.codec, {})[version.weights] = None
    return [f"Made by {text}{_made_of(*of)}." for text, of in found.items()]


def _made_of(commits: set[str], codecs: dict[str, dict[str, None]]) -> str:
    """By codec the weights of its points, if it has any."""
    known = ((name, ", ".join(filter(None, weights))) for name, weights in codecs.items())
    named = [f"{name} (weights {weights})" if weights else name for name, weights in known]
    some = f" (commit{'s' * (len(commits) > 1)} {', '.join(sorted(commits))})" if commits else ""
    return f"{some}: {', '.join(named)}"


def stale_lines(run: Run) -> list[str]:
    """Which points are of another version than the hdac that reports them, and how; those that
    were made before the experiment said what it says now."""
    found, left = dict[str, Counter[str]](), Counter[str]()
    for name, reasons in run.stale.items():
        found.setdefault("; ".join(reasons), Counter())[run.points[name].codec] += 1
    for name in run.outdated:
        left[run.points[name].codec] += 1
    lines = [f"Stale: {_counts(codecs)} ({reason})." for reason, codecs in found.items()]
    return [*lines, *([f"Stale and left out, to be made again: {_counts(left)}."] if left else [])]


def _counts(codecs: Counter[str]) -> str:
    named = (f"{count} of {name}" for name, count in codecs.items())
    return f"{codecs.total()} points: {', '.join(named)}"


def version_head() -> list[str]:
    return ["codec", "points", "code", "commit", "format", "weights", "tool", "day", "stale"]


def version_rows(run: Run) -> list[list[str]]:
    """What made the points of each codec, by which tool, when, and how many are stale now."""
    days: dict[tuple[str, ...], list[tuple[str, bool]]] = {}
    for name, p in run.points.items():
        if p.error:
            continue
        made, version = p.record.get("made", {}), version_of(p.record)
        ours = (version.code[:8], version.weights) if version else ("", "")
        format_, commit = (str(made.get(key, "")) for key in ("format", "commit"))
        tool = str(p.record["decides"].get("tool", ""))
        key = (p.codec, ours[0], commit, format_, ours[1], tool)
        days.setdefault(key, []).append((str(made.get("date", "")), name in run.stale))
    rows = []
    for (codec, *made_by), points in days.items():
        spread = sorted({day for day, _ in points if day})
        when = " to ".join(dict.fromkeys([*spread[:1], *spread[-1:]]))
        count = sum(is_stale for _, is_stale in points)
        rows.append([codec, str(len(points)), *made_by, when, str(count) if count else ""])
    return rows
