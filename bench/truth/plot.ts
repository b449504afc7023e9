/** The plot of docs/queue-models.md, written by hand: error whiskers by model, and the mean queue ahead over time. */
import type { Comparison } from "./study.js";

const COLORS: Readonly<Record<string, string>> = {
  true: "#111111",
  "risk-averse": "#0072b2",
  "power 1": "#e69f00",
  "power 2": "#d55e00",
  "power 3": "#cc79a7",
  log: "#009e73",
};

const n = (x: number): string => String(Math.round(x * 10) / 10);

export function plotSvg(
  boxes: readonly { readonly recording: string; readonly model: string; readonly c: Comparison }[],
  curves: readonly { readonly name: string; readonly share: readonly number[] }[],
  sampleS: number,
  curvesOf: string,
): string {
  const out: string[] = [];
  const text = (x: number, y: number, s: string, more = ""): void => {
    out.push(`<text x="${n(x)}" y="${n(y)}" ${more}>${s}</text>`);
  };
  const line = (x1: number, y1: number, x2: number, y2: number, style: string): void => {
    out.push(`<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" ${style}/>`);
  };
  // Whiskers.
  const left = 90;
  const width = 330;
  const xOf = (share: number): number => left + ((Math.max(-1, Math.min(1, share)) + 1) / 2) * width;
  text(left, 20, "Modelled less true size ahead, share of queue met", 'font-weight="bold"');
  text(left, 36, "whisker p10 to p90, bar p50, dot mean; right of 0 is pessimistic");
  let y = 58;
  let last = "";
  for (const { recording, model, c } of boxes) {
    if (recording !== last) {
      y += last === "" ? 0 : 14;
      text(left, y, recording, 'font-style="italic"');
      y += 16;
      last = recording;
    }
    const color = COLORS[model] ?? "#000";
    text(left - 8, y + 4, model, 'text-anchor="end"');
    line(xOf(c.relative.p10), y, xOf(c.relative.p90), y, `stroke="${color}" stroke-width="3"`);
    line(xOf(c.relative.p50), y - 6, xOf(c.relative.p50), y + 6, `stroke="${color}" stroke-width="3"`);
    out.push(`<circle cx="${n(xOf(c.bias))}" cy="${n(y)}" r="4" fill="${color}" stroke="#fff"/>`);
    y += 17;
  }
  for (const share of [-1, -0.5, 0, 0.5, 1]) {
    line(xOf(share), 46, xOf(share), y, `stroke="#999" stroke-width="${share === 0 ? 1.5 : 0.4}"`);
    text(xOf(share), y + 14, String(share), 'text-anchor="middle"');
  }
  // Curves.
  const left2 = 490;
  const width2 = 340;
  const top2 = 58;
  const height2 = y - top2;
  const samples = curves[0]?.share.length ?? 1;
  text(left2, 20, `Mean share of queue still ahead, ${curvesOf}`, 'font-weight="bold"');
  text(left2, 36, "0 once filled; seconds since placement");
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const yy = top2 + (1 - share) * height2;
    line(left2, yy, left2 + width2, yy, 'stroke="#999" stroke-width="0.4"');
    text(left2 - 6, yy + 4, String(share), 'text-anchor="end"');
  }
  for (let k = 0; k <= 4; k++)
    text(
      left2 + (k / 4) * width2,
      y + 14,
      String(Math.round((k / 4) * samples * sampleS * 100) / 100),
      'text-anchor="middle"',
    );
  // The truth last, on top.
  const drawn = [...curves.filter((c) => c.name !== "true"), ...curves.filter((c) => c.name === "true")];
  for (const [i, { name, share }] of drawn.entries()) {
    const color = COLORS[name] ?? "#000";
    const points = share.map(
      (s, k) => `${n(left2 + ((k + 1) / samples) * width2)},${n(top2 + (1 - s) * height2)}`,
    );
    const dash = name === "true" ? ' stroke-dasharray="6 3"' : "";
    out.push(
      `<polyline fill="none" stroke="${color}" stroke-width="2"${dash} points="${points.join(" ")}"/>`,
    );
    line(
      left2 + 226,
      top2 + height2 - 110 + i * 15,
      left2 + 246,
      top2 + height2 - 110 + i * 15,
      `stroke="${color}" stroke-width="3"${dash}`,
    );
    text(left2 + 252, top2 + height2 - 106 + i * 15, name);
  }
  const height = y + 26;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 ${n(height)}" width="860" height="${n(height)}" font-family="sans-serif" font-size="12">`,
    "<title>Errors of queue models against the true queue</title>",
    `<rect width="860" height="${n(height)}" fill="#fff"/>`,
    ...out,
    "</svg>",
    "",
  ].join("\n");
}
