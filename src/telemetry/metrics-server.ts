import { createServer } from "node:http";

/** What can be scraped. */
export interface Scrapable {
  readonly contentType: string;
  render(): Promise<string>;
}

export interface MetricsServer {
  /** The one that was bound, also where 0 was asked for. */
  readonly port: number;
  close(): void;
}

/**
 * Serves Prometheus text on `/metrics` and a sign of life on `/health`.
 *
 * @throws what listening throws, e.g. code EADDRINUSE.
 */
export function serveMetrics(metrics: Scrapable, host: string, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" || (request.url !== "/metrics" && request.url !== "/health")) {
      response.writeHead(404, { "content-type": "text/plain" }).end("try /metrics or /health\n");
      return;
    }
    if (request.url === "/health") {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
      return;
    }
    metrics.render().then(
      (text) => response.writeHead(200, { "content-type": metrics.contentType }).end(text),
      (error: unknown) => response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`),
    );
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : port,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}
