import { expect, test } from "vitest";
import { progressBar, progressLine } from "../../src/cli/progress.js";

test("the line shows share, elapsed time, time left and the detail", () => {
  expect(progressLine("convert", 0.25, 30_000, "1 M events")).toBe(
    "convert [######------------------]  25 %  30 s, 1 min 30 s left  1 M events",
  );
  expect(progressLine("x", 0, 0, "")).toBe("x [------------------------]   0 %  0 s");
  expect(progressLine("x", Number.NaN, 7_200_000, "")).toContain("2 h 0 min");
});

test("a terminal is redrawn at most ten times a second and left clean; anything else stays silent", () => {
  const out: string[] = [];
  let nowMs = 0;
  const bar = progressBar("x", { isTTY: true, columns: 80, write: (s) => out.push(s) }, () => nowMs);
  bar.update(0.1);
  bar.update(0.2);
  nowMs = 150;
  bar.update(0.3);
  bar.done();
  expect(out).toHaveLength(3);
  expect(out[2]).toBe("\r\x1b[2K");
  const silent: string[] = [];
  const none = progressBar("x", { write: (s) => silent.push(s) }, () => nowMs);
  none.update(0.5);
  none.done();
  expect(silent).toEqual([]);
});
