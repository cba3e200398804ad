"""Tables for docs/benchmarks.md, and the plot beside it."""
import html

MIB = 1 << 20
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def cell(value, form):
    return "" if value is None else form % value


def mib(value):
    return cell(None if value is None else value / MIB, "%.1f MiB")


COLUMNS = [
    ("time", lambda r: cell(r.get("seconds"), "%.1f s")),
    ("ratio", lambda r: cell(r.get("ratio"), "%.2f")),
    ("written", lambda r: mib(r.get("bytes"))),
    ("distinct", lambda r: mib(r.get("distinct"))),
    ("jumps", lambda r: cell(r.get("jumps"), "%d")),
    ("flushes", lambda r: cell(r.get("flushes"), "%d")),
    ("read back", lambda r: mib(r.get("read"))),
    ("CPU", lambda r: cell(r.get("cpu"), "%.1f s")),
    ("memory", lambda r: cell(r.get("memory"), "%.0f MiB")),
]


class Table:
    """Rows of figures; the ratio is that of a row's time to the time of row `base`."""

    def __init__(self, title, base=None):
        self.title, self.base, self.rows = title, base, []

    def add(self, name, figures):
        self.rows.append((name, figures))

    def finish(self):
        base = dict(self.rows).get(self.base, {}).get("seconds")
        for _, figures in self.rows:
            if base and figures.get("seconds"):
                figures["ratio"] = figures["seconds"] / base

    def text(self):
        self.finish()
        used = [(name, show) for name, show in COLUMNS if any(show(r) for _, r in self.rows)]
        lines = [self.title, "", "| | " + " | ".join(name for name, _ in used) + " |", "|---|" + "---:|" * len(used)]
        for name, figures in self.rows:
            lines.append("| %s | %s |" % (name, " | ".join(show(figures) for _, show in used)))
        return "\n".join(lines) + "\n"


BAR = 22
LEFT, WIDTH = 190, 330


def plot(table, path):
    """Two rows of bars: how long it takes, and in how many pieces it is written."""
    rows = [(n, r) for n, r in table.rows if r.get("jumps") is not None]
    charts = [("time, seconds", lambda r: r.get("seconds"), "%.1f"), ("written, MiB", lambda r: r["bytes"] / MIB, "%.0f"),
              ("writes that do not continue the last one", lambda r: r["jumps"], "%d")]
    height = len(charts) * (len(rows) * BAR + 44) + 10
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="640" height="%d" font-family="sans-serif" font-size="13">' % height,
           '<rect width="640" height="%d" fill="#fff"/>' % height]
    y = 24
    for title, value, form in charts:
        most = max(value(r) or 0 for _, r in rows) or 1
        out.append('<text x="%d" y="%d" font-weight="bold">%s</text>' % (LEFT, y, html.escape(title)))
        y += 10
        for name, r in rows:
            v = value(r)
            length = (v or 0) * WIDTH / most
            out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 8, y + 14, html.escape(name)))
            out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' %
                       (LEFT, y, max(length, 1), BAR - 5, "#2a6f97" if name.startswith("livestick") else "#a9b4bd"))
            out.append('<text x="%.1f" y="%d">%s</text>' % (LEFT + length + 6, y + 14, form % v if v is not None else "-"))
            y += BAR
        y += 34
    with open(path, "w") as f:
        f.write("\n".join(out + ["</svg>"]) + "\n")


def into_document(path, text):
    with open(path) as f:
        old = f.read()
    head, rest = old.split(BEGIN)
    with open(path, "w") as f:
        f.write(head + BEGIN + "\n\n" + text.strip() + "\n\n" + END + rest.split(END)[1])
