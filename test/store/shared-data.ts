import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Recordings live beside the repository and are never copied into it. */
export const SHARED_DATA = fileURLToPath(new URL("../../../shared/data", import.meta.url));
export const hasSharedData = existsSync(SHARED_DATA);
/** Makes a skipped suite say why. */
export const titleFor = (title: string): string =>
  hasSharedData ? title : `${title} [skipped: no shared data]`;
