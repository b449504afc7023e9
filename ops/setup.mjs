// Set-up behind `npm start`, `npm test` and `npm run bench`: installs the locked dependencies and builds, each only when stale.
// Needs nothing but Node and npm. No install script of a dependency is run: none is needed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `market-maker needs Node 20.19 or newer (this is ${process.version}): install Node 20 or 22 and run again.`,
  );
  process.exit(1);
}

function run(what, command, args) {
  console.error(`setup: ${what}`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (result.status !== 0) {
    console.error(`setup: failed: ${command} ${args.join(" ")}`);
    process.exit(result.status ?? 1);
  }
}

const lockHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
const lockStamp = join(root, "node_modules", ".installed-lock");
if (!existsSync(lockStamp) || readFileSync(lockStamp, "utf8") !== lockHash) {
  run("installing dependencies (npm ci)", "npm", [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
  writeFileSync(lockStamp, lockHash);
}

function sources(paths) {
  const hash = createHash("sha256");
  const visit = (path) => {
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(path).update(readFileSync(path));
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest("hex");
}

function build(name, paths, outputs, command, args) {
  const stamp = join(root, "dist", `.built-${name}`);
  const hash = sources(paths);
  const isFresh =
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === hash &&
    outputs.every((o) => existsSync(join(root, o)));
  if (isFresh) return;
  run(`building ${name}`, command, args);
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stamp, hash);
}

build("kernels", ["assembly", "asconfig.json"], ["dist/assembly/release.wasm"], "npm", [
  "run",
  "-s",
  "build:kernels",
]);
build(
  "engine",
  ["src", "bench", "schemas", "tsconfig.json", "tsconfig.build.json"],
  ["dist/src/cli/main.js"],
  "npm",
  ["run", "-s", "build:ts"],
);

// tsc writes no mode bits; npx and a shell want the bin executable.
chmodSync(join(root, "dist", "src", "cli", "main.js"), 0o755);
