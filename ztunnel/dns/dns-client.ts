// Asks name servers what the mesh does not know, from the pod's network: over UDP from a random port, over TCP where the answer
// does not fit. Several tries, one after the other, within one bound of time. The query goes on as it came, but for its id.
import { randomInt } from 'node:crypto';
import { MeshError } from '../../common/errors.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import { connectionLoss } from '../../common/net/socket-failure.ts';
import { createAnswerCache } from './answer-cache.ts';
import { frameMessage, MessageFrames } from './message-frames.ts';
import { type DnsQuery, flag, responseCode } from './query-codec.ts';
import { codeOfResponse, isResponseTo } from './response-codec.ts';

export interface NameServers {
  /** A response, whose id does not matter. @throws MeshError UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED, UPSTREAM_CONNECT_TIMEOUT */
  ask(query: DnsQuery): Promise<Buffer>;
  /** What is being asked fails. */
  close(): void;
}

export interface NameServersOptions {
  readonly sockets: Pick<SocketFactory, 'connectDatagrams' | 'connectStream'>;
  readonly servers: readonly SocketAddress[];
  /** For all tries together. Default 5 000. */
  readonly timeoutMs?: number;
  /** At one time; further ones fail at once. Default 256. */
  readonly maxQueries?: number;
}

interface Ask {
  readonly bytes: Buffer;
  readonly questionEnd: number;
  readonly server: SocketAddress;
  /** Ends of this try and of all, on the monotonic clock; where an answer is known to be there, TCP may use up the rest. */
  readonly untilMs: number;
  readonly endMs: number;
  readonly signal: AbortSignal;
}

type Sockets = NameServersOptions['sockets'];

const maxTries = 4;
const maxResponseBytes = 65_535;
const lingerMs = 1_000;

export function createNameServers(options: NameServersOptions): NameServers {
  const { sockets, servers, timeoutMs = 5_000, maxQueries = 256 } = options;
  const tries = [...servers, ...servers].slice(0, maxTries);
  const ending = new AbortController();
  const cache = createAnswerCache();
  let asked = 0;

  async function askAll(query: DnsQuery): Promise<Buffer> {
    let failure: unknown = new MeshError('UPSTREAM_UNREACHABLE', 'resolv.conf of ztunnel names no name server');
    let refusal: Buffer | undefined;
    const endMs = performance.now() + timeoutMs;
    for (const [index, server] of tries.entries()) {
      const nowMs = performance.now();
      if (ending.signal.aborted || nowMs >= endMs) break;
      const untilMs = nowMs + (endMs - nowMs) / (tries.length - index);
      const bytes = Buffer.from(query.bytes);
      bytes.writeUInt16BE(randomInt(0x1_0000), 0);
      const ask = { bytes, questionEnd: query.questionEnd, server, untilMs, endMs, signal: ending.signal };
      try {
        const response = await askOne(sockets, ask);
        if (isLast(response)) return response;
        refusal = response;
      } catch (error) {
        failure = error;
      }
    }
    if (refusal !== undefined) return refusal;
    throw failure;
  }

  return {
    async ask(query) {
      const known = cache.get(query.bytes, performance.now());
      if (known !== undefined) return known;
      if (asked >= maxQueries) {
        throw new MeshError('UPSTREAM_REFUSED', `${asked} queries of this pod wait for its name servers already`);
      }
      asked++;
      try {
        const response = await askAll(query);
        cache.put(query.bytes, response, performance.now());
        return response;
      } finally {
        asked--;
      }
    },
    close: () => ending.abort(new MeshError('DRAINED', 'the DNS proxy of this pod has ended')),
  };
}

/** Another server may know what this one could not say. */
function isLast(response: Buffer): boolean {
  const code = codeOfResponse(response);
  return code === responseCode.ok || code === responseCode.noSuchName;
}

async function askOne(sockets: Sockets, ask: Ask): Promise<Buffer> {
  const response = await askByDatagram(sockets, ask);
  if ((response.readUInt16BE(2) & flag.truncated) === 0) return response;
  // Where TCP does not get through, a part is better than nothing: the client sees that it is one.
  return await askByStream(sockets, { ...ask, untilMs: ask.endMs }).catch(() => response);
}

async function askByDatagram(sockets: Sockets, ask: Ask): Promise<Buffer> {
  const { bytes, questionEnd, server } = ask;
  const socket = await sockets.connectDatagrams(server);
  try {
    return await settled(ask, (resolve, reject) => {
      socket.on('error', (error) => reject(connectionLoss(`name server ${formatSocketAddress(server)}`, error)));
      // What does not answer this query is not for us: somebody guesses.
      socket.on('message', (message) => isResponseTo(bytes, questionEnd, message) && resolve(message));
      socket.send(bytes);
    });
  } finally {
    socket.close();
  }
}

async function askByStream(sockets: Sockets, ask: Ask): Promise<Buffer> {
  const { bytes, questionEnd, server, untilMs } = ask;
  const stream = await sockets.connectStream({ to: server, timeoutMs: leftUntil(untilMs) });
  try {
    return await settled(ask, (resolve, reject) => {
      const frames = new MessageFrames(maxResponseBytes);
      const lost = () => reject(new MeshError('CONNECTION_RESET', `${formatSocketAddress(server)} hung up`));
      stream.open({
        onData(chunk) {
          const step = frames.feed(chunk);
          const [message] = step.kind === 'messages' ? step.messages : [];
          if (message === undefined) return;
          if (isResponseTo(bytes, questionEnd, message)) resolve(message);
          else lost();
        },
        onEnd: lost,
        onWritable() {},
        onClose: lost,
      });
      stream.write(frameMessage(bytes));
    });
  } finally {
    stream.end();
    // For servers that do not end in turn.
    setTimeout(() => stream.reset(), lingerMs).unref();
  }
}

function leftUntil(endMs: number): number {
  return Math.max(1, endMs - performance.now());
}

/** Within the time of one try, and not after the end of all. */
async function settled(
  { server, untilMs, signal }: Ask,
  act: (resolve: (response: Buffer) => void, reject: (error: unknown) => void) => void,
): Promise<Buffer> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timeoutMs = leftUntil(untilMs);
  const late = `name server ${formatSocketAddress(server)} has not answered within ${Math.round(timeoutMs)} ms`;
  const timer = setTimeout(() => reject(new MeshError('UPSTREAM_CONNECT_TIMEOUT', late)), timeoutMs);
  const end = (): void => reject(signal.reason);
  signal.addEventListener('abort', end);
  try {
    act(resolve, reject);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
