/**
 * The report's charts: panes that share one axis of time, one cursor and one zoom, drawn on canvas. Plain browser JavaScript, inlined by
 * render.ts; needs nothing else. Data: the JSON of #data, see `ChartData` in charts.ts.
 */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const unpack = ({ step, deltas }) => {
    const digits = Math.max(0, Math.min(12, Math.round(-Math.log10(step)) + 2));
    let units = 0;
    return Float64Array.from(deltas, (d) => {
      if (d === null) return Number.NaN;
      units += d;
      return Number((units * step).toFixed(digits));
    });
  };
  const LEFT = 62;
  const RIGHT = 10;
  const TOP = 8;
  const BOTTOM = 20;

  // Text -----------------------------------------------------------------------------------------------------------------
  const grouped = (v, decimals) =>
    v.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const short = (v) => {
    if (v === 0) return "0";
    const a = Math.abs(v);
    return grouped(v, a >= 1000 ? 1 : a >= 100 ? 2 : a >= 1 ? 3 : a >= 0.001 || a === 0 ? 4 : 6);
  };
  const pad = (n, width = 2) => String(n).padStart(width, "0");
  /** Time of day in UTC, or time since the start where runs of different days lie over each other. */
  const clock = (ms, isFine) => {
    if (data.isElapsed) {
      const s = ms / 1000;
      const text = `${Math.floor(s / 3600) > 0 ? `${Math.floor(s / 3600)}:` : ""}${pad(Math.floor(s / 60) % 60)}:${pad(Math.floor(s) % 60)}`;
      return isFine ? `${text}.${pad(Math.floor(ms) % 1000, 3)}` : text;
    }
    const iso = new Date(ms).toISOString();
    return iso.slice(11, isFine ? 23 : 19);
  };
  const niceStep = (range, count) => {
    const raw = range / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(raw));
    const lead = raw / power;
    return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
  };
  const TIME_STEPS = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5,
    72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5,
  ];

  // A group: panes over one axis of time ------------------------------------------------------------------------------------
  class Group {
    constructor(root, spec) {
      this.root = root;
      this.runs = spec.runs.map((r) => {
        const columns = Object.fromEntries(Object.entries(r.columns).map(([k, c]) => [k, unpack(c)]));
        const t = unpack(r.t).map((ms) => ms + r.startMs);
        return { t, columns, fills: r.fills === undefined ? undefined : this.fillsOf(r) };
      });
      const ends = this.runs.flatMap((r) => (r.t.length > 0 ? [r.t[0], r.t[r.t.length - 1]] : []));
      this.min = ends.length > 0 ? Math.min(...ends) : 0;
      this.max = ends.length > 0 ? Math.max(...ends) : 1;
      if (this.max <= this.min) this.max = this.min + 1000;
      this.from = this.min;
      this.to = this.max;
      this.cursor = undefined;
      this.range = root.querySelector("[data-range]");
      this.resetButton = root.querySelector("[data-reset]");
      this.resetButton?.addEventListener("click", () => this.show(this.min, this.max));
      this.panes = [...root.querySelectorAll("canvas[data-pane]")].map(
        (canvas) => new Pane(this, canvas, spec.panes[Number(canvas.dataset.pane)]),
      );
      new ResizeObserver(() => this.draw()).observe(root);
      this.draw();
    }

    fillsOf(r) {
      const columns = Object.fromEntries(Object.entries(r.fills.columns).map(([k, c]) => [k, unpack(c)]));
      return {
        ...columns,
        t: columns.tMs.map((ms) => ms + r.startMs),
        side: r.fills.side,
        maker: r.fills.maker,
      };
    }

    show(from, to) {
      const least = Math.min(200, this.max - this.min);
      let width = Math.max(least, Math.min(to - from, this.max - this.min));
      if (!Number.isFinite(width)) width = this.max - this.min;
      this.from = Math.max(this.min, Math.min(from, this.max - width));
      this.to = this.from + width;
      this.draw();
    }

    zoom(factor, at) {
      this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
    }

    pan(ms) {
      const width = this.to - this.from;
      const from = Math.max(this.min, Math.min(this.from + ms, this.max - width));
      this.show(from, from + width);
    }

    moveCursor(ms) {
      this.cursor = ms === undefined ? undefined : Math.max(this.from, Math.min(ms, this.to));
      this.draw();
    }

    /** Once a frame, however often it is asked for. */
    draw() {
      if (this.isAsked) return;
      this.isAsked = true;
      requestAnimationFrame(() => {
        this.isAsked = false;
        this.drawNow();
      });
    }

    drawNow() {
      for (const pane of this.panes) pane.draw();
      if (this.range)
        this.range.textContent =
          this.cursor === undefined
            ? `${clock(this.from)} – ${clock(this.to)}${data.isElapsed ? " since start" : " UTC"}`
            : `${clock(this.cursor, true)}${data.isElapsed ? " since start" : " UTC"}`;
      if (this.resetButton) this.resetButton.disabled = this.from <= this.min && this.to >= this.max;
    }
  }

  /** Index of the last time at or before `ms`; -1: none. */
  function before(t, ms) {
    let low = 0;
    let high = t.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (t[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  // A pane ---------------------------------------------------------------------------------------------------------------------
  class Pane {
    constructor(group, canvas, spec) {
      this.group = group;
      this.canvas = canvas;
      this.spec = spec;
      this.legend = canvas.parentElement.querySelector(".legend");
      this.values = this.buildLegend();
      this.drag = undefined;
      this.touches = new Map();
      this.listen();
    }

    buildLegend() {
      return this.spec.lines.map((line) => {
        const item = document.createElement("span");
        const swatch = document.createElement("i");
        swatch.style.background = `var(${line.color})`;
        const value = document.createElement("b");
        item.append(swatch, `${line.label} `, value);
        this.legend.append(item);
        return value;
      });
    }

    x(ms) {
      const { from, to } = this.group;
      return LEFT + ((ms - from) / (to - from)) * (this.width - LEFT - RIGHT);
    }

    timeAt(x) {
      const { from, to } = this.group;
      return from + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (to - from);
    }

    /** Low and high of what is in view, with a little air. */
    extent() {
      const { group, spec } = this;
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      const take = (v) => {
        if (v < low) low = v;
        if (v > high) high = v;
      };
      for (const line of spec.lines) {
        const run = group.runs[line.run];
        const values = run.columns[line.column];
        const last = Math.min(values.length - 1, before(run.t, group.to) + 1);
        for (let i = Math.max(0, before(run.t, group.from)); i <= last; i++) take(values[i]);
      }
      for (const level of spec.levels ?? []) {
        // A limit that is far away would flatten everything: it is drawn only when it is near.
        const span = Math.max(Math.abs(low), Math.abs(high));
        if (!level.isFar || !(span > 0) || Math.abs(level.at) <= 3 * span) take(level.at);
      }
      if (spec.hasFills) {
        const fills = group.runs[0].fills;
        if (fills)
          for (
            let i = Math.max(0, before(fills.t, group.from));
            i < fills.t.length && fills.t[i] <= group.to;
            i++
          )
            if (fills.t[i] >= group.from) take(fills.px[i]);
      }
      if (low > high) return undefined;
      if (spec.fromZero) {
        low = Math.min(low, 0);
        high = Math.max(high, 0);
      }
      const air = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
      return { low: low - air, high: high + air };
    }

    draw() {
      const { canvas, spec, group } = this;
      const width = canvas.clientWidth;
      const height = spec.height;
      if (width === 0) return;
      const scale = window.devicePixelRatio || 1;
      this.width = width;
      this.height = height;
      if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
        canvas.style.height = `${height}px`;
      }
      const g = canvas.getContext("2d");
      g.setTransform(scale, 0, 0, scale, 0, 0);
      g.clearRect(0, 0, width, height);
      g.font = '11px system-ui, "DejaVu Sans", sans-serif';
      const extent = this.extent();
      if (extent === undefined) {
        g.fillStyle = css("--soft");
        g.textAlign = "center";
        g.fillText("nothing to show in this stretch", width / 2, height / 2);
        this.tell();
        return;
      }
      const { low, high } = extent;
      const y = (v) => TOP + ((high - v) / (high - low)) * (height - TOP - BOTTOM);
      this.axes(g, y, low, high);
      g.save();
      g.beginPath();
      g.rect(LEFT, 0, width - LEFT - RIGHT, height - BOTTOM + 1);
      g.clip();
      for (const level of spec.levels ?? []) this.level(g, y, level);
      for (const line of spec.lines) this.line(g, y, line);
      if (spec.hasFills) this.fills(g, y);
      if (group.cursor !== undefined) {
        g.strokeStyle = css("--soft");
        g.setLineDash([3, 3]);
        g.lineWidth = 1;
        g.beginPath();
        g.moveTo(this.x(group.cursor), 0);
        g.lineTo(this.x(group.cursor), height);
        g.stroke();
        g.setLineDash([]);
      }
      if (this.drag?.mode === "select") {
        g.globalAlpha = 0.15;
        g.fillStyle = css("--c1");
        g.fillRect(
          Math.min(this.drag.x, this.drag.now),
          0,
          Math.abs(this.drag.now - this.drag.x),
          height - BOTTOM,
        );
        g.globalAlpha = 1;
      }
      g.restore();
      this.tell();
    }

    axes(g, y, low, high) {
      const { group, width, height, spec } = this;
      g.lineWidth = 1;
      g.strokeStyle = css("--grid");
      g.fillStyle = css("--soft");
      g.textBaseline = "middle";
      g.textAlign = "right";
      const step = niceStep(high - low, (height - TOP - BOTTOM) / 26);
      const decimals = Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
      for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
        const at = Math.round(y(v)) + 0.5;
        g.beginPath();
        g.moveTo(LEFT, at);
        g.lineTo(width - RIGHT, at);
        g.stroke();
        g.fillText(grouped(Math.abs(v) < step / 1e6 ? 0 : v, decimals), LEFT - 6, at);
      }
      if (spec.fromZero && low < 0 && high > 0) {
        g.strokeStyle = css("--line");
        g.beginPath();
        g.moveTo(LEFT, Math.round(y(0)) + 0.5);
        g.lineTo(width - RIGHT, Math.round(y(0)) + 0.5);
        g.stroke();
      }
      const span = group.to - group.from;
      const want = Math.max(2, (width - LEFT - RIGHT) / 95);
      const every = TIME_STEPS.find((s) => span / s <= want) ?? TIME_STEPS[TIME_STEPS.length - 1];
      g.textBaseline = "alphabetic";
      g.textAlign = "center";
      g.strokeStyle = css("--grid");
      for (let t = Math.ceil(group.from / every) * every; t <= group.to; t += every) {
        const at = Math.round(this.x(t)) + 0.5;
        g.beginPath();
        g.moveTo(at, TOP);
        g.lineTo(at, height - BOTTOM);
        g.stroke();
        if (at > LEFT + 18 && at < width - RIGHT - 18) g.fillText(clock(t, every < 1000), at, height - 6);
      }
    }

    level(g, y, { at, label }) {
      g.strokeStyle = css("--bad");
      g.setLineDash([6, 4]);
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(LEFT, y(at));
      g.lineTo(this.width - RIGHT, y(at));
      g.stroke();
      g.setLineDash([]);
      g.fillStyle = css("--bad");
      g.textAlign = "right";
      g.fillText(label, this.width - RIGHT - 4, y(at) + (at < 0 ? -4 : 11));
    }

    line(g, y, line) {
      const { group } = this;
      const { t, columns } = group.runs[line.run];
      const values = columns[line.column];
      const first = Math.max(0, before(t, group.from));
      const last = Math.min(t.length - 1, before(t, group.to) + 1);
      const trace = () => {
        let isDown = false;
        let lastY = 0;
        for (let i = first; i <= last; i++) {
          const v = values[i];
          if (Number.isNaN(v)) {
            isDown = false;
            continue;
          }
          const px = this.x(t[i]);
          const py = y(v);
          if (!isDown) g.moveTo(px, py);
          else if (line.kind === "step") {
            g.lineTo(px, lastY);
            g.lineTo(px, py);
          } else g.lineTo(px, py);
          isDown = true;
          lastY = py;
        }
      };
      g.strokeStyle = css(line.color);
      g.lineWidth = line.kind === "step" ? 1.2 : 1.5;
      g.lineJoin = "round";
      if (line.kind === "area") {
        g.beginPath();
        trace();
        g.lineTo(this.x(t[last]), y(0));
        g.lineTo(this.x(t[first]), y(0));
        g.closePath();
        g.globalAlpha = 0.22;
        g.fillStyle = css(line.color);
        g.fill();
        g.globalAlpha = 1;
      }
      if (line.isDashed) g.setLineDash([5, 3]);
      g.beginPath();
      trace();
      g.stroke();
      g.setLineDash([]);
    }

    /** Triangles that point the way we traded: up bought, down sold. */
    fills(g, y) {
      const { fills } = this.group.runs[0];
      if (!fills) return;
      const { from, to } = this.group;
      for (let i = Math.max(0, before(fills.t, from)); i < fills.t.length && fills.t[i] <= to; i++) {
        if (fills.t[i] < from) continue;
        const isBuy = fills.side[i] === "B";
        const px = this.x(fills.t[i]);
        const py = y(fills.px[i]);
        const d = isBuy ? 1 : -1;
        g.beginPath();
        g.moveTo(px, py - 5 * d);
        g.lineTo(px - 4.5, py + 4 * d);
        g.lineTo(px + 4.5, py + 4 * d);
        g.closePath();
        g.fillStyle = css(isBuy ? "--buy" : "--sell");
        g.strokeStyle = css("--card");
        g.lineWidth = 1;
        g.fill();
        g.stroke();
      }
    }

    /** The values under the cursor, or the last ones. */
    tell() {
      const { group, spec } = this;
      spec.lines.forEach((line, k) => {
        const { t, columns } = group.runs[line.run];
        const i = before(t, group.cursor ?? group.to);
        const v = columns[line.column][i];
        this.values[k].textContent =
          v === undefined || Number.isNaN(v) ? "–" : `${short(v)}${spec.unit ? ` ${spec.unit}` : ""}`;
      });
    }

    listen() {
      const { canvas, group } = this;
      const at = (e) => e.clientX - canvas.getBoundingClientRect().left;
      canvas.addEventListener("pointerdown", (e) => {
        if (e.button !== 0) return;
        canvas.setPointerCapture(e.pointerId);
        const x = at(e);
        if (e.pointerType === "touch") {
          this.touches.set(e.pointerId, x);
          this.drag = { mode: "touch" };
          group.moveCursor(this.timeAt(x));
          return;
        }
        this.drag = { mode: e.shiftKey ? "pan" : "select", x, now: x };
      });
      canvas.addEventListener("pointermove", (e) => {
        const x = at(e);
        if (this.drag?.mode === "touch" && this.touches.has(e.pointerId)) {
          this.onTouch(e.pointerId, x);
          return;
        }
        if (this.drag?.mode === "pan") {
          group.pan(this.timeAt(this.drag.now) - this.timeAt(x));
        }
        if (this.drag) this.drag.now = x;
        group.moveCursor(this.timeAt(x));
      });
      const end = (e) => {
        const { drag } = this;
        this.touches.delete(e.pointerId);
        if (this.touches.size > 0) return;
        this.drag = undefined;
        if (e.type === "pointerup" && drag?.mode === "select" && Math.abs(drag.now - drag.x) > 4) {
          const [a, b] = [this.timeAt(drag.x), this.timeAt(drag.now)];
          group.show(Math.min(a, b), Math.max(a, b));
        } else group.draw();
      };
      canvas.addEventListener("pointerup", end);
      canvas.addEventListener("pointercancel", end);
      canvas.addEventListener("pointerleave", () => {
        if (!this.drag) group.moveCursor(undefined);
      });
      canvas.addEventListener("dblclick", () => group.show(group.min, group.max));
      canvas.addEventListener(
        "wheel",
        (e) => {
          // The page scrolls unless this chart was chosen: a long report must not trap the wheel.
          if (document.activeElement !== canvas && !e.ctrlKey && !e.metaKey) return;
          e.preventDefault();
          if (Math.abs(e.deltaX) > Math.abs(e.deltaY))
            group.pan(((group.to - group.from) * e.deltaX) / this.width);
          else group.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY / 300))), this.timeAt(at(e)));
        },
        { passive: false },
      );
      canvas.addEventListener("keydown", (e) => {
        const span = group.to - group.from;
        const middle = group.cursor ?? (group.from + group.to) / 2;
        const actions = {
          ArrowLeft: () => (e.shiftKey ? group.moveCursor(middle - span / 100) : group.pan(-span / 10)),
          ArrowRight: () => (e.shiftKey ? group.moveCursor(middle + span / 100) : group.pan(span / 10)),
          "+": () => group.zoom(1 / 1.5, middle),
          "=": () => group.zoom(1 / 1.5, middle),
          "-": () => group.zoom(1.5, middle),
          Home: () => group.show(group.min, group.max),
          0: () => group.show(group.min, group.max),
          Escape: () => group.moveCursor(undefined),
        };
        const action = actions[e.key];
        if (action === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        action();
      });
    }

    /** One finger moves, two zoom. */
    onTouch(id, x) {
      const { touches, group } = this;
      const others = [...touches].filter(([other]) => other !== id);
      const was = touches.get(id);
      touches.set(id, x);
      if (others.length === 0) {
        if (group.to - group.from < group.max - group.min) group.pan(this.timeAt(was) - this.timeAt(x));
        group.moveCursor(this.timeAt(x));
        return;
      }
      const fixed = others[0][1];
      const apart = Math.max(8, Math.abs(x - fixed));
      group.zoom(Math.max(8, Math.abs(was - fixed)) / apart, this.timeAt(fixed));
    }
  }

  // The page --------------------------------------------------------------------------------------------------------------------
  const groups = new Map();
  const open = (root) => {
    if (!groups.has(root) && root.offsetParent !== null)
      groups.set(root, new Group(root, data.groups[root.dataset.group]));
  };
  const roots = [...document.querySelectorAll("[data-group]")];
  roots.forEach(open);
  for (const details of document.querySelectorAll("details.run"))
    details.addEventListener("toggle", () => roots.forEach(open));
  const redraw = () => {
    for (const group of groups.values()) group.drawNow();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", redraw);
  window.addEventListener("beforeprint", redraw);
  window.addEventListener("afterprint", redraw);

  for (const button of document.querySelectorAll("button[data-csv]")) {
    button.addEventListener("click", () => {
      const run = data.groups[button.dataset.csv].runs[0];
      const names = Object.keys(run.fills.columns);
      const columns = names.map((name) => unpack(run.fills.columns[name]));
      const cell = (v) => (Number.isNaN(v) ? "" : String(v));
      const lines = [`time,side,maker,${names.join(",")}`];
      for (let i = 0; i < columns[0].length; i++)
        lines.push(
          [
            new Date(run.wallMs + columns[names.indexOf("tMs")][i]).toISOString(),
            run.fills.side[i] === "B" ? "buy" : "sell",
            run.fills.maker[i],
            ...columns.map((c) => cell(c[i])),
          ].join(","),
        );
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
      link.download = button.dataset.name;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
  document.documentElement.dataset.ready = "yes";
})();
