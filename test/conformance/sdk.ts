/**
 * A client we did not write (@nktkas/hyperliquid), pointed at a simulator, with every answer held against the SDK's own schemas:
 * a wrong type, a missing key and a key that the SDK does not know all fail.
 */
import * as hl from "@nktkas/hyperliquid";
import * as exchangeApi from "@nktkas/hyperliquid/api/exchange";
import * as infoApi from "@nktkas/hyperliquid/api/info";
import * as subscriptionApi from "@nktkas/hyperliquid/api/subscription";
import type { Wallet } from "ethers";
import { WebSocket } from "ws";

interface StandardSchema {
  readonly "~standard": {
    validate(value: unknown): {
      readonly value?: unknown;
      readonly issues?: readonly {
        readonly message: string;
        readonly path?: readonly { readonly key: unknown }[];
      }[];
    };
  };
}

/** What came back is not what the SDK expects of the venue. */
export class NonConformance extends Error {
  override readonly name = "NonConformance";
}

/** Where our answer and the schema's own reading of it differ: keys the SDK does not know, types that it had to convert. */
function differences(value: unknown, read: unknown, path = ""): string[] {
  if (typeof value !== typeof read) return [`${path} is a ${typeof value}, the SDK reads a ${typeof read}`];
  if (typeof value !== "object" || value === null || typeof read !== "object" || read === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = Array.isArray(value) ? `${path}[]` : `${path}.${key}`;
    if (!(key in read)) return [`${at} is a key the SDK does not know`];
    return differences(item, (read as Record<string, unknown>)[key], at);
  });
}

/** Says whether a finding is listed as right nevertheless. */
export type IsKnown = (finding: string) => boolean;

/**
 * Holds an answer against the SDK's schema for it.
 * @throws {NonConformance} With every finding that is not known.
 */
export function hold(name: string, schema: unknown, value: unknown, isKnown: IsKnown = () => false): void {
  const result = (schema as StandardSchema)["~standard"].validate(value);
  const findings = (result.issues ?? []).map(
    (issue) => `${[name, ...(issue.path ?? []).map((p) => String(p.key))].join(".")}: ${issue.message}`,
  );
  if (result.issues === undefined) {
    findings.push(...new Set(differences(value, result.value).map((d) => `${name}${d}`)));
  }
  const broken = findings.filter((finding) => !isKnown(finding));
  if (broken.length > 0) {
    throw new NonConformance(`${broken.slice(0, 8).join("\n")}\nin ${JSON.stringify(value)?.slice(0, 400)}`);
  }
}

const capital = (name: string): string => name[0]!.toUpperCase() + name.slice(1);
const schemaOf = (api: object, name: string, suffix: string): unknown => {
  const schema = (api as Record<string, unknown>)[`${capital(name)}${suffix}`];
  if (schema === undefined) throw new Error(`the SDK has no schema for ${name}`);
  return schema;
};

type Method = (...args: unknown[]) => Promise<unknown>;

/** The same client, each answer held against its schema; `seen` notes what was called. */
function held<T extends object>(client: T, api: object, seen: Set<string>, isKnown: IsKnown): T {
  return new Proxy(client, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function" || typeof key !== "string") return member;
      return async (...args: unknown[]) => {
        const answer = await (member as Method).apply(target, args);
        hold(key, schemaOf(api, key, "Response"), answer, isKnown);
        seen.add(key);
        return answer;
      };
    },
  });
}

/** The same for events: a listener is only called with what conforms; the first event that does not is kept in `broken`. */
function heldEvents(
  client: hl.SubscriptionClient,
  seen: Set<string>,
  broken: NonConformance[],
  isKnown: IsKnown,
): hl.SubscriptionClient {
  return new Proxy(client, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function" || typeof key !== "string") return member;
      return (...args: unknown[]) => {
        const listener = args.at(-1) as (data: unknown) => void;
        const schema = schemaOf(subscriptionApi, key, "Event");
        const onEvent = (data: unknown): void => {
          try {
            hold(key, schema, data, isKnown);
          } catch (error) {
            broken.push(error as NonConformance);
            return;
          }
          seen.add(key);
          listener(data);
        };
        return (member as Method).apply(target, [...args.slice(0, -1), onEvent]);
      };
    },
  });
}

/** `ws` has no `dispatchEvent`, which the SDK's reconnecting socket calls when it closes. */
class NodeWebSocket extends WebSocket {
  dispatchEvent(event: Event): boolean {
    if (event.type === "close") this.emit("close", 1000, Buffer.alloc(0));
    return true;
  }
}

export interface Sdk {
  readonly info: hl.InfoClient;
  readonly subs: hl.SubscriptionClient;
  readonly exchange: (wallet: Wallet, options?: { vault?: string }) => hl.ExchangeClient;
  /** The same over WebSocket post. */
  readonly wsInfo: hl.InfoClient;
  readonly wsExchange: (wallet: Wallet) => hl.ExchangeClient;
  readonly http: hl.HttpTransport;
  /** What was called and answered as the SDK expects. */
  readonly seen: { readonly info: Set<string>; readonly exchange: Set<string>; readonly events: Set<string> };
  readonly broken: NonConformance[];
  close(): Promise<void>;
}

/**
 * The SDK on a simulator of ours.
 * @param isKnown keys beyond the SDK's schemas that are right nevertheless, as "method.path".
 */
export async function openSdk(port: number, isKnown: IsKnown = () => false): Promise<Sdk> {
  const http = new hl.HttpTransport({ isTestnet: true, apiUrl: `http://127.0.0.1:${port}`, timeout: 5000 });
  const ws = new hl.WebSocketTransport({
    isTestnet: true,
    url: `ws://127.0.0.1:${port}/ws`,
    timeout: 5000,
    reconnect: { WebSocket: NodeWebSocket as never },
  });
  await ws.ready();
  const seen = { info: new Set<string>(), exchange: new Set<string>(), events: new Set<string>() };
  const broken: NonConformance[] = [];
  const exchange = (transport: hl.HttpTransport | hl.WebSocketTransport, wallet: Wallet, vault?: string) =>
    held(
      new hl.ExchangeClient({
        transport,
        wallet,
        ...(vault === undefined ? {} : { defaultVaultAddress: vault as `0x${string}` }),
      }),
      exchangeApi,
      seen.exchange,
      isKnown,
    );
  return {
    http,
    info: held(new hl.InfoClient({ transport: http }), infoApi, seen.info, isKnown),
    wsInfo: held(new hl.InfoClient({ transport: ws }), infoApi, seen.info, isKnown),
    exchange: (wallet, options) => exchange(http, wallet, options?.vault),
    wsExchange: (wallet) => exchange(ws, wallet),
    subs: heldEvents(new hl.SubscriptionClient({ transport: ws }), seen.events, broken, isKnown),
    seen,
    broken,
    close: () => ws.close(),
  };
}
