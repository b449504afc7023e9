/** Text that is HTML already. Everything else that goes into a page is escaped. */
export class Html {
  constructor(readonly text: string) {}
}

export type Part = Html | string | number | false | null | undefined | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A template whose values are escaped, unless they are `Html`. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.reduce((text, s, i) => text + textOf(values[i - 1]) + s));
}

function textOf(part: Part): string {
  if (part === undefined || part === null || part === false) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(textOf).join("");
  return String(part).replace(/[&<>"']/g, (c) => ESCAPES[c]!);
}

/** JSON for a `<script>` element: nothing in it can end the element or start a comment. */
export const scriptJson = (value: unknown): Html =>
  new Html(
    JSON.stringify(value)
      .replace(/</g, "\\u003c")
      .replace(/\u2028|\u2029/g, " "),
  );

// ── Numbers for people ────────────────────────────────────────────────────────────────────────────────────────────

export const NONE = "–";

const grouped = (x: number, decimals: number): string =>
  Math.abs(x).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const signed = (x: number, text: string): string => (x < 0 && /[1-9]/.test(text) ? `−${text}` : text);

export const number = (x: number | null, decimals = 0): string =>
  x === null || !Number.isFinite(x) ? NONE : signed(x, grouped(x, decimals));
/** Small amounts keep the digits that tell them apart. */
export const usd = (x: number | null): string => {
  if (x === null || !Number.isFinite(x)) return NONE;
  const a = Math.abs(x);
  return signed(x, `$${grouped(x, a >= 100_000 ? 0 : a >= 0.1 || a === 0 ? 2 : 4)}`);
};
export const bps = (x: number | null): string =>
  x === null || !Number.isFinite(x) ? NONE : `${number(x, 2)} bps`;
export const percent = (x: number | null, decimals = 1): string =>
  x === null || !Number.isFinite(x) ? NONE : `${number(100 * x, decimals)} %`;
/** Enough digits for any size, without a tail of zeros. */
export const plain = (x: number): string =>
  Number.isFinite(x) ? signed(x, String(Number(Math.abs(x).toPrecision(8)))) : NONE;

export function duration(s: number): string {
  if (s < 120) return `${number(s)} s`;
  if (s < 7200) return `${number(s / 60)} minutes`;
  if (s < 172_800) return `${number(s / 3600, 1)} hours`;
  return `${number(s / 86_400, 1)} days`;
}

export const tone = (x: number): string => (x > 0 ? "good" : x < 0 ? "bad" : "");
