// A small stand-in for podinfo, for machines without images: /healthz, /echo, /version, /status/N, /delay/N over HTTP.
// Environment in (POD_IP, PORT, POD_NAME); listens until it is told to end.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const host = process.env['POD_IP'] ?? '127.0.0.1';
const port = Number(process.env['PORT'] || '9898');
const hostname = process.env['POD_NAME'] ?? 'podinfo';
const longestBodyBytes = 1_048_576;
const longestDelaySeconds = 60;

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(value)}\n`);
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= longestBodyBytes) chunks.push(chunk);
  });
  request.on('end', () => {
    if (sizeBytes > longestBodyBytes) sendJson(response, 413, { error: `more than ${longestBodyBytes} bytes` });
    else {
      response.writeHead(202, { 'content-type': request.headers['content-type'] ?? 'text/plain; charset=utf-8' });
      response.end(Buffer.concat(chunks));
    }
  });
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const [, word = '', number = ''] = /^\/(status|delay)\/(\d{1,3})$/.exec(path) ?? [];
  const value = Number(number);
  if (path === '/echo' && (request.method === 'POST' || request.method === 'PUT')) echo(request, response);
  else if (path === '/healthz' || path === '/readyz') sendJson(response, 200, { status: 'OK' });
  else if (path === '/version') sendJson(response, 200, { version: '6.9.0', commit: 'stand-in' });
  else if (path === '/') sendJson(response, 200, { hostname, version: '6.9.0', message: 'greetings from the mesh' });
  else if (word === 'status' && value >= 200 && value <= 599) sendJson(response, value, { status: value });
  else if (word === 'delay' && value <= longestDelaySeconds) {
    setTimeout(() => sendJson(response, 200, { delay: value }), value * 1000);
  } else sendJson(response, 404, { error: `no ${request.method} ${path} here` });
}

const server = createServer(answer);
server.listen(port, host, () => process.stdout.write(`podinfo listens on ${host}:${port}\n`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
