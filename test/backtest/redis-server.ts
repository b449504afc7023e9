import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
/** Makes a skipped suite say why. */
export const redisTitle = (title: string): string =>
  hasRedis ? title : `${title} [skipped: no redis-server]`;

/** A Redis of its own on a free port, with a password, gone at the end. */
export class TestRedis {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly dir: string,
  ) {}

  static async start(password = "hunter2"): Promise<TestRedis> {
    const dir = mkdtempSync(join(tmpdir(), "mm-redis-"));
    const port = await freePort();
    const child = spawn(
      "redis-server",
      [
        ...["--port", String(port), "--bind", "127.0.0.1", "--requirepass", password],
        ...["--save", "", "--appendonly", "no", "--dir", dir],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let said = "";
    for await (const chunk of child.stdout!) {
      said += String(chunk);
      if (said.includes("Ready to accept connections")) break;
    }
    if (!said.includes("Ready to accept connections")) throw new Error(`redis-server: ${said}`);
    // Its log is of no interest, but must not fill the pipe.
    child.stdout!.on("error", () => {});
    return new TestRedis(`redis://:${password}@127.0.0.1:${port}`, child, dir);
  }

  async stop(): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
