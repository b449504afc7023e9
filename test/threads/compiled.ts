import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const ROOMS = ["src/threads/", "src/venues/hyperliquid/", "src/rings/", "src/store/"];

/**
 * Where the compiled form of a source file is: workers cannot run TypeScript. Builds dist/ when it is missing or older than
 * the feed thread's sources.
 */
export function compiled(file: string): URL {
  const built = `${root}dist/${file.replace(/\.ts$/, ".js")}`;
  const newestMs = Math.max(
    ...ROOMS.flatMap((room) => readdirSync(root + room).map((name) => statSync(root + room + name).mtimeMs)),
  );
  if (!existsSync(built) || statSync(built).mtimeMs < newestMs) {
    try {
      execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: root, stdio: "pipe" });
    } catch (error) {
      // Type errors of other rooms do not stop the emit; only a missing result does.
      if (!existsSync(built)) throw error;
    }
  }
  return pathToFileURL(built);
}
