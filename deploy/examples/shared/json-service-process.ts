// A small HTTP service of the examples: each GET is answered with JSON. In: where it listens, what it answers. Out: nothing; it ends when it is told to.
import { createServer, type IncomingHttpHeaders } from 'node:http';

export interface JsonRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface JsonService {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** An error becomes a 500 that names it. */
  answer(request: JsonRequest): JsonAnswer | Promise<JsonAnswer>;
}

export function serveJson({ name, host, port, answer }: JsonService): void {
  const server = createServer(async (request, response) => {
    request.resume();
    const [path = '/'] = (request.url ?? '/').split('?');
    const { status, body } = await askFor(answer, { path, headers: request.headers });
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(`${JSON.stringify(body)}\n`);
    if (status >= 500) process.stdout.write(`${name}: ${path}: ${status} ${JSON.stringify(body)}\n`);
  });
  server.on('error', (error) => {
    process.stderr.write(`${name} cannot listen on ${host}:${port}: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(port, host, () => process.stdout.write(`${name} listens on ${host}:${port}\n`));
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

async function askFor(answer: JsonService['answer'], request: JsonRequest): Promise<JsonAnswer> {
  try {
    return await answer(request);
  } catch (error) {
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}
