// The load of the benchmark: one work for some seconds against a load-server, one JSON line with its figures.
// usage: load-client.ts WORK HOST PORT SECONDS    (WORK: bulk-up, bulk-down, echo-64x1k, connect-64, ping-1)
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

interface Figures {
  readonly unit: 'GB/s' | '1/s';
  readonly rate: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
}

const [work = '', host = '', portText = '', secondsText = '2'] = process.argv.slice(2);
const port = Number(portText);
const durationMs = Number(secondsText) * 1_000;

async function dial(toPort: number): Promise<Socket> {
  const socket = connect({ host, port: toPort, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function bulkUp(): Promise<Figures> {
  const block = Buffer.alloc(256 * 1024, 0x62);
  const socket = await dial(port + 1);
  const start = performance.now();
  while (performance.now() - start < durationMs) if (!socket.write(block)) await once(socket, 'drain');
  socket.end();
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return { unit: 'GB/s', rate: Number(answer.toString()) / (performance.now() - start) / 1e6 };
}

async function bulkDown(): Promise<Figures> {
  const socket = await dial(port + 2);
  const start = performance.now();
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const rate = bytes / (performance.now() - start) / 1e6;
  socket.destroy();
  return { unit: 'GB/s', rate };
}

/** Keeps `connections` conversations going, each sending `size` bytes and waiting for their echo. */
async function echo(connections: number, size: number): Promise<Figures> {
  const message = Buffer.alloc(size, 0x63);
  const latencies: number[] = [];
  const sockets = await Promise.all(Array.from({ length: connections }, () => dial(port)));
  const start = performance.now();
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let missing = size;
          let sentAt = performance.now();
          socket.on('error', reject);
          socket.on('data', (chunk) => {
            missing -= chunk.length;
            if (missing > 0) return;
            const now = performance.now();
            latencies.push((now - sentAt) * 1_000);
            if (now - start > durationMs) return resolve();
            missing = size;
            sentAt = now;
            socket.write(message);
          });
          socket.write(message);
        }),
    ),
  );
  const rate = latencies.length / ((performance.now() - start) / 1_000);
  for (const socket of sockets) socket.destroy();
  return { unit: '1/s', rate, ...percentiles(latencies) };
}

/** New connections, `parallel` at once: connect, one byte there and back, close. */
async function connectRate(parallel: number): Promise<Figures> {
  const latencies: number[] = [];
  const start = performance.now();
  const loop = async (): Promise<void> => {
    while (performance.now() - start < durationMs) {
      const begin = performance.now();
      const socket = await dial(port);
      socket.write('x');
      await once(socket, 'data');
      socket.end();
      await once(socket, 'close');
      latencies.push((performance.now() - begin) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: parallel }, loop));
  return { unit: '1/s', rate: latencies.length / ((performance.now() - start) / 1_000), ...percentiles(latencies) };
}

function percentiles(values: number[]): { p50Us: number; p99Us: number } {
  values.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(values[Math.floor(values.length * share)] ?? 0);
  return { p50Us: at(0.5), p99Us: at(0.99) };
}

const works: Record<string, () => Promise<Figures>> = {
  'bulk-up': bulkUp,
  'bulk-down': bulkDown,
  'echo-64x1k': () => echo(64, 1024),
  'connect-64': () => connectRate(64),
  'ping-1': () => echo(1, 1),
};

const run = works[work];
if (run === undefined) throw new Error(`unknown work ${work}: one of ${Object.keys(works).join(', ')}`);
process.stdout.write(`${JSON.stringify(await run())}\n`);
process.exit(0);
