// The application of the benchmark: echoes on PORT, swallows on PORT+1, sends without end on PORT+2.
import { createServer, type Socket } from 'node:net';

const host = process.env['POD_IP'] ?? '0.0.0.0';
const port = Number(process.env['PORT'] ?? 9000);
const block = Buffer.alloc(256 * 1024, 0x61);

function serve(onPort: number, handle: (socket: Socket) => void): void {
  createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    socket.on('error', () => socket.destroy());
    handle(socket);
  }).listen({ host, port: onPort, backlog: 1024 });
}

serve(port, (socket) => socket.pipe(socket));
serve(port + 1, (socket) => {
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  socket.on('end', () => socket.end(String(bytes)));
});
serve(port + 2, (socket) => {
  const fill = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', fill);
  fill();
});
