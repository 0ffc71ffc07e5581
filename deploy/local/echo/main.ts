// What a container without a command runs: on each of its ports, HTTP requests get a description of themselves, anything
// else its own bytes back. Environment in (PORTS, POD_IP, POD_NAME); nothing to configure.
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';

const podName = process.env['POD_NAME'] ?? '';
const host = process.env['ECHO_HOST'];
const ports = (process.env['PORTS'] ?? '')
  .split(',')
  .filter((port) => port !== '')
  .map(Number);
const longestBodyBytes = 1_048_576;

const http = createHttpServer((request, response) => {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= longestBodyBytes) chunks.push(chunk);
  });
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    const { method, url, headers, httpVersion } = request;
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ pod: podName, method, url, httpVersion, headers, body })}\n`);
  });
});
http.on('clientError', (_error, socket) => socket.destroy());

/** The first bytes of an HTTP/1 request are a method in capitals. */
function looksLikeHttp(chunk: Buffer): boolean {
  return /^[A-Z]{3,7} /.test(chunk.subarray(0, 8).toString('latin1'));
}

function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', (chunk: Buffer) => {
    if (looksLikeHttp(chunk)) {
      socket.pause();
      socket.unshift(chunk);
      http.emit('connection', socket);
      socket.resume();
      return;
    }
    socket.write(chunk);
    socket.pipe(socket);
  });
  socket.once('end', () => socket.bytesRead > 0 || socket.end());
}

for (const port of ports) {
  const server = createServer({ allowHalfOpen: true }, serve);
  server.on('error', (error) => {
    process.stderr.write(`echo cannot listen on port ${port}: ${error.message}\n`);
    process.exitCode = 1;
  });
  server.listen({ port, ...(host === undefined ? {} : { host }) }, () =>
    process.stdout.write(`echo listens on port ${port}\n`),
  );
}
if (ports.length === 0) {
  process.stdout.write('no ports: nothing to echo, only here\n');
  setInterval(() => {}, 3_600_000);
}
