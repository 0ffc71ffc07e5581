// Bulk that a tunnel's peer does not take, and who comes meanwhile: both ends real, with a link between them that stalls.
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { ConnectedStream, ConnectRequest } from '../../../common/hbone/hbone.ts';
import type { TunnelPoolSettings } from '../../../common/hbone/tunnel-pool.ts';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { record } from '../../support/recording-sink.ts';
import { createStallableLink } from '../../support/stallable-link.ts';
import { loopback, startPool, startServer, targetAt } from '../../support/tunnel-ends.ts';

/** Swallows what comes to `bulk:80`, sends without end to `flood:80`, echoes the rest; its answer names the tunnel. */
async function startEnds(t: Test, settings: Partial<TunnelPoolSettings> = {}) {
  let swallowed = 0;
  const { address } = await startServer(
    t,
    (request: ConnectRequest) => {
      const stream = request.accept([['x-tunnel', String(request.peerAddress.port)]]);
      const isBulk = request.authority === 'bulk:80';
      const flood = (): void => {
        while (stream.write(Buffer.alloc(16_384)));
      };
      stream.open({
        onData(chunk) {
          if (isBulk) swallowed += chunk.length;
          else stream.write(Buffer.from(chunk));
        },
        onEnd: () => stream.end(),
        onWritable: () => request.authority === 'flood:80' && flood(),
        onClose() {},
      });
      if (request.authority === 'flood:80') flood();
    },
    settings.flow ? { flow: settings.flow } : {},
  );
  const link = await createStallableLink(t, address.port);
  const pool = startPool(t, settings);
  const target = targetAt({ ip: loopback, port: link.port });
  const connect = (authority = 'echo:80') => pool.connect(target, authority, []);
  return { link, connect, swallowed: () => swallowed };
}

const tunnelOf = ({ responseHeaders }: ConnectedStream): number => Number(responseHeaders[0]?.[1]);

/** Writes whenever it may; how much so far, and how much since it was last told to wait. */
function sendWithoutEnd(stream: ByteStream) {
  let state: 'sending' | 'waiting' | 'stopped' = 'sending';
  const send = (): void => {
    if (state === 'stopped') return;
    state = 'sending';
    while (stream.write(Buffer.alloc(65_536)));
    state = 'waiting';
  };
  stream.open({ onData() {}, onEnd() {}, onWritable: send, onClose() {} });
  send();
  return {
    isWaiting: () => state === 'waiting',
    stop: () => {
      state = 'stopped';
      stream.end();
    },
  };
}

type Ends = Awaited<ReturnType<typeof startEnds>>;

/** Connections in one tunnel that send without end, and whose peer does not read: their windows are more than that of the tunnel. */
async function fillFirstTunnel({ link, connect }: Ends) {
  const connected = await Promise.all(Array.from({ length: 6 }, () => connect('bulk:80')));
  const [first] = link.links;
  if (first === undefined) throw new Error('no tunnel was made');
  first.stall();
  const bulk = connected.map(({ stream }) => sendWithoutEnd(stream));
  while (!bulk.every(({ isWaiting }) => isWaiting())) await setTimeout(1);
  return { first, bulk };
}

async function echoes({ stream }: ConnectedStream, text: string): Promise<boolean> {
  const sink = record(stream);
  stream.write(Buffer.from(text));
  stream.end();
  await sink.closed();
  return sink.text === text;
}

/** Asks anew, without giving the earlier ones up and each time with more patience, until one is answered. */
async function askUntilAnswered(connect: () => Promise<ConnectedStream>) {
  const unanswered: Promise<ConnectedStream>[] = [];
  for (;;) {
    const asked = connect();
    const answer = await Promise.race([asked, setTimeout(5 * (unanswered.length + 1))]);
    if (answer !== undefined) return { answer, unanswered };
    unanswered.push(asked);
  }
}

t.test(
  'while bulk fills a tunnel whose peer has stopped reading, new connections are answered in another',
  async (t) => {
    const ends = await startEnds(t, { idleTimeoutMs: 50 });
    const { link, connect, swallowed } = ends;
    const { first, bulk } = await fillFirstTunnel(ends);
    const { answer, unanswered } = await askUntilAnswered(connect);
    t.equal(link.links.length, 2);
    t.equal(tunnelOf(answer), link.links[1]?.port);
    const before = swallowed();
    t.ok(await echoes(answer, 'past the bulk'));
    const later = await Promise.all([connect(), connect(), connect()]);
    t.same(later.map(tunnelOf), Array(3).fill(link.links[1]?.port));
    t.equal(swallowed(), before, 'and the first is stalled all the while');
    first.resume();
    const late = await Promise.all(unanswered);
    t.ok(
      late.some((each) => tunnelOf(each) === first.port),
      'who caused the second did not wait for it',
    );
    for (const [index, each] of late.entries()) t.ok(await echoes(each, `late ${index}`));
    for (const each of bulk) each.stop();
    for (const each of later) t.ok(await echoes(each, 'done'));
    await link.links[1]?.closed;
    t.equal(link.links.length, 2, 'the second has been released when it was idle');
  },
);

t.test('of a tunnel that has taken nothing for a second, a new connection does not wait for anything', async (t) => {
  const ends = await startEnds(t);
  await fillFirstTunnel(ends);
  await setTimeout(1_500);
  const answer = await ends.connect();
  t.equal(tunnelOf(answer), ends.link.links[1]?.port);
  t.ok(await echoes(answer, 'past the bulk'));
});

t.test('nor for a peer that has not answered a PING for as long, though nothing waits here', async (t) => {
  const { link, connect } = await startEnds(t, { pingIntervalMs: 50 });
  t.ok(await echoes(await connect(), 'while it reads'));
  link.links[0]?.stall();
  await setTimeout(1_500);
  const answer = await connect();
  t.equal(tunnelOf(answer), link.links[1]?.port);
  t.ok(await echoes(answer, 'past the silence'));
});

for (const maxBusyTunnels of [1, 2]) {
  t.test(`with a bound of ${maxBusyTunnels}, that many tunnels carry all that come, and none is lost`, async (t) => {
    const ends = await startEnds(t, { maxBusyTunnels });
    const { link, connect } = ends;
    const { first, bulk } = await fillFirstTunnel(ends);
    if (maxBusyTunnels === 2) {
      const { answer } = await askUntilAnswered(connect);
      bulk.push(sendWithoutEnd(answer.stream));
      link.links[1]?.stall();
    }
    const asked = [];
    for (let index = 0; index < 30; index += 1) {
      asked.push(connect());
      await setTimeout(5);
    }
    t.equal(link.links.length, maxBusyTunnels);
    for (const each of link.links) each.resume();
    for (const each of bulk) each.stop();
    for (const connected of await Promise.all(asked)) t.ok(await echoes(connected, 'at last'));
    t.equal(link.links.length, maxBusyTunnels);
    t.equal(link.links[0], first);
  });
}

t.test('another tunnel that cannot be had harms nobody, and is not asked for again at once', async (t) => {
  let nowMs = Date.now();
  const ends = await startEnds(t, { now: () => nowMs });
  const { link, connect } = ends;
  const { first, bulk } = await fillFirstTunnel(ends);
  link.refuse();
  const asked: Promise<ConnectedStream>[] = [];
  const ask = async (enough: () => boolean): Promise<void> => {
    while (!enough()) {
      asked.push(connect());
      await setTimeout(5);
    }
  };
  await ask(() => link.refused === 1);
  const before = asked.length;
  await ask(() => asked.length === before + 10);
  t.equal(link.refused, 1);
  nowMs += 1_000;
  await ask(() => link.refused === 2);
  first.resume();
  for (const each of bulk) each.stop();
  for (const connected of await Promise.all(asked)) t.ok(await echoes(connected, 'in the first'));
});

t.test('where paused readers hold all that the peer may send, new connections get another tunnel', async (t) => {
  const flow = { streamWindowBytes: 65_535, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 };
  const { link, connect } = await startEnds(t, { flow });
  const paused: ConnectedStream[] = [];
  for (let index = 0; index < 6; index += 1) {
    const flooded = await connect('flood:80');
    flooded.stream.open({ onData: () => flooded.stream.pause(), onEnd() {}, onWritable() {}, onClose() {} });
    paused.push(flooded);
  }
  let answer = await connect();
  while (tunnelOf(answer) === link.links[0]?.port) {
    await setTimeout(5);
    answer = await connect();
  }
  t.ok(await echoes(answer, 'past the paused'));
  t.same(new Set(paused.map(tunnelOf)), new Set([link.links[0]?.port]));
  t.equal(link.links.length, 2);
});
