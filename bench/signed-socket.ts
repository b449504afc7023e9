/**
 * Signed actions through a socket: the simulated exchange in a process of its own (one thread), a client here that has signed
 * everything beforehand and keeps a window of posts in flight. Every action is a placement or the cancel of one, alone in its
 * action; every answer is checked.
 *
 * Wall time per action depends on what else the machine does; the server's processor time per action does not, and its inverse is what one
 * core serves.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import secp256k1 from "secp256k1";
import { WebSocket } from "ws";
import { type Action, parseAction } from "../src/sim/actions.js";
import { actionHash, addressOfKey, agentDigest } from "../src/sim/auth.js";
import { type BenchContext, type BenchResult, Samples } from "./harness.js";

const KEY = Uint8Array.from(Buffer.from("22".repeat(32), "hex"));
/** The venue takes 100 posts in flight. */
const WINDOW = 64;
const CHUNK = 250;

/** Envelope text of one action; the key order is the one clients send. */
export function signedEnvelope(action: unknown, nonce: number, key: Uint8Array): string {
  const parsed: Action = parseAction(action)!;
  const digest = agentDigest("b", actionHash(parsed as never, nonce));
  const { signature, recid } = secp256k1.ecdsaSign(digest, key);
  const hex = Buffer.from(signature).toString("hex");
  const sig = { r: `0x${hex.slice(0, 64)}`, s: `0x${hex.slice(64)}`, v: 27 + recid };
  return JSON.stringify({ action, nonce, signature: sig, vaultAddress: null });
}

function posts(count: number): string[] {
  const startMs = Date.now();
  return Array.from({ length: count }, (_, i) => {
    const cloid = `0x${(i >> 1).toString(16).padStart(32, "0")}`;
    const order = {
      a: 0,
      b: true,
      p: String(110_000 - (i % 15)),
      s: "0.01",
      r: false,
      t: { limit: { tif: "Alo" } },
      c: cloid,
    };
    const action =
      i % 2 === 0
        ? { type: "order", orders: [order], grouping: "na" }
        : { type: "cancelByCloid", cancels: [{ asset: 0, cloid }] };
    const payload = signedEnvelope(action, startMs + i, KEY);
    return `{"method":"post","id":${i},"request":{"type":"action","payload":${payload}}}`;
  });
}

export async function signedSocket(ctx: BenchContext): Promise<BenchResult> {
  const count = ctx.isSmoke ? 200 : 20_000;
  const texts = posts(count);
  const venue = fork(fileURLToPath(new URL("./workers/open-venue.js", import.meta.url)), [addressOfKey(KEY)]);
  const [{ port }] = (await once(venue, "message")) as [{ port: number }];
  const cpuUs = async (): Promise<number> => {
    const answer = once(venue, "message") as Promise<[{ cpuUs: number }]>;
    venue.send("cpu");
    return (await answer)[0].cpuUs;
  };
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate: false });
  await once(ws, "open");
  const cpuBefore = await cpuUs();
  const samples = new Samples(Math.floor(count / CHUNK) + 1);
  const t0 = process.hrtime.bigint();
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    let chunkNs = t0;
    ws.on("message", (data) => {
      const text = String(data);
      if (!text.startsWith('{"channel":"post"')) return;
      if (!text.includes('"resting"') && !text.includes('"success"')) {
        reject(new Error(`sim.signedSocket: unexpected answer ${text}`));
        return;
      }
      answered++;
      if (answered % CHUNK === 0 || answered === count) {
        const now = process.hrtime.bigint();
        samples.add(Number(now - chunkNs) / (answered % CHUNK === 0 ? CHUNK : answered % CHUNK));
        chunkNs = now;
      }
      if (answered === count) resolve();
      else if (sent < count) ws.send(texts[sent++]!);
    });
    while (sent < Math.min(WINDOW, count)) ws.send(texts[sent++]!);
  });
  const wallUs = Number(process.hrtime.bigint() - t0) / 1000;
  const serverUs = ((await cpuUs()) - cpuBefore) / count;
  ws.terminate();
  venue.disconnect();
  const perSecond = (us: number): string => Math.round(1e6 / us).toLocaleString("en");
  return samples.result("sim.signedSocket", "us", {
    budgetP50: 200,
    note: `per action, ${WINDOW} posts in flight: ${perSecond(wallUs / count)}/s on this machine now; the server used ${serverUs.toFixed(0)} us of processor each, ${perSecond(serverUs)}/s on a core of its own`,
  });
}
