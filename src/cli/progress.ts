/** A progress bar with an estimate of the time left, on a terminal; nothing at all where nobody watches. */
export interface Progress {
  /** @param share Done so far, 0 to 1. @param detail A few words after the bar. */
  update(share: number, detail?: string): void;
  /** Wipes the bar: what is printed next begins on a clean line. */
  done(): void;
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
const BAR_CELLS = 24;
/** Before this share an estimate would be a guess. */
const ETA_FROM = 0.005;

export function progressBar(
  label: string,
  stream: ProgressStream = process.stderr,
  nowMs: () => number = () => performance.now(),
): Progress {
  if (stream.isTTY !== true) return { update: () => {}, done: () => {} };
  const startMs = nowMs();
  let drawnMs = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  return {
    update(share, detail = "") {
      const now = nowMs();
      if (now - drawnMs < REDRAW_MS) return;
      drawnMs = now;
      isDrawn = true;
      const line = progressLine(label, share, now - startMs, detail);
      stream.write(`\r\x1b[2K${line.slice(0, Math.max(20, (stream.columns ?? 100) - 1))}`);
    },
    done() {
      if (isDrawn) stream.write("\r\x1b[2K");
      isDrawn = false;
    },
  };
}

/** One line: `convert [######------]  50 %  12 s, 12 s left  1.2 M events`. */
export function progressLine(label: string, share: number, elapsedMs: number, detail: string): string {
  const part = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
  const full = Math.round(part * BAR_CELLS);
  const bar = "#".repeat(full) + "-".repeat(BAR_CELLS - full);
  const left = part < ETA_FROM ? "" : `, ${duration((elapsedMs * (1 - part)) / part)} left`;
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `${label} [${bar}] ${percent} %  ${duration(elapsedMs)}${left}${detail === "" ? "" : `  ${detail}`}`;
}

function duration(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  return min < 60 ? `${min} min ${s % 60} s` : `${Math.floor(min / 60)} h ${min % 60} min`;
}
