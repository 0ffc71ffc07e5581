// A steady load: so many requests a second on kept connections, sent when they are due, whether earlier ones are answered or not.
// In: where the load generator's server echoes. Out: one JSON line: requests, their rate, µs from a request to its whole answer.
// usage: paced-load-client.ts HOST:PORT CONNECTIONS REQUESTS-A-SECOND BYTES SECONDS
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const [target = '', ...numbers] = process.argv.slice(2);
const [connections = 1, rate = 1, size = 1, seconds = 1] = numbers.map(Number);
const host = target.slice(0, target.lastIndexOf(':'));
const port = Number(target.slice(host.length + 1));
const total = Math.round(rate * seconds);
/** What the first fifth takes does not count, as with the load generator. */
const countedFrom = total / 5;
/** For what is not answered when all has been sent. */
const patienceMs = 5_000;

const message = Buffer.alloc(size, 0x63);
const latencies: number[] = [];
let sent = 0;
let answered = 0;

/** @returns sends the next request */
async function converse(onAnswer: () => void): Promise<() => void> {
  const socket: Socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  // By this byte the server knows that it is to echo what follows.
  socket.write('E');
  const unanswered: { readonly number: number; readonly sentAt: number }[] = [];
  let missing = size;
  socket.on('data', (chunk) => {
    const now = performance.now();
    missing -= chunk.length;
    for (; missing <= 0; missing += size) {
      const request = unanswered.shift();
      if (request === undefined) throw new Error(`${target} answered what it was not asked`);
      if (request.number >= countedFrom) latencies.push((now - request.sentAt) * 1_000);
      answered += 1;
      onAnswer();
    }
  });
  socket.on('close', () => {
    throw new Error(`${target} closed a connection after ${answered} of ${total} answers`);
  });
  return () => {
    unanswered.push({ number: sent, sentAt: performance.now() });
    socket.write(message);
  };
}

const done = Promise.withResolvers<void>();
const onAnswer = (): void => {
  if (answered === total) done.resolve();
};
const senders = await Promise.all(Array.from({ length: connections }, () => converse(onAnswer)));
const start = performance.now();

function sendDue(): void {
  const elapsedMs = performance.now() - start;
  for (const due = Math.min(total, (elapsedMs * rate) / 1_000); sent < due; sent += 1) senders[sent % connections]?.();
  if (sent < total) setTimeout(sendDue, (sent * 1_000) / rate - elapsedMs);
  else setTimeout(() => done.reject(new Error(`${total - answered} of ${total} were not answered`)), patienceMs);
}

sendDue();
await done.promise;
latencies.sort((a, b) => a - b);
const at = (share: number): number | undefined => latencies[Math.floor(latencies.length * share)];
const rps = answered / ((performance.now() - start) / 1_000);
process.stdout.write(`${JSON.stringify({ n: answered, rps, p50: at(0.5), p99: at(0.99) })}\n`);
process.exit(0);
