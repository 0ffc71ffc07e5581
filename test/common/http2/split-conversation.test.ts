// A conversation of two sessions, recorded and told again to a third in other pieces: its events do not depend on where bytes are cut.
import t from 'tap';
import { ConnectionSession } from '../../../common/http2/connection-session.ts';
import { clientSettings, type OwnSettings, serverSettings } from '../../../common/http2/settings.ts';
import type { StreamEvents, StreamState } from '../../../common/http2/stream-state.ts';
import { randomFrom } from '../../support/random-from.ts';

const connectFields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.9:80'],
  ['baggage', 'k8s.cluster.name=one'],
] as const;

interface End {
  readonly session: ConnectionSession;
  readonly log: string[];
  readonly streams: StreamState[];
  open(): void;
}

/** Takes what it is given at once. A server refuses every seventh stream; one that talks echoes the others. */
function endOf(own: OwnSettings, manner: 'talks' | 'listens'): End {
  const echoes = own.role === 'server' && manner === 'talks';
  const log: string[] = [];
  const streams: StreamState[] = [];
  const note = (id: number, what: string, bytes = 0): void => {
    // Parts of one frame are one event.
    const last = log.at(-1)?.split(' ') ?? [];
    if (bytes > 0 && last[0] === `#${id}` && last[1] === 'data')
      log[log.length - 1] = `#${id} data ${Number(last[2]) + bytes}`;
    else log.push(`#${id} ${what}${bytes > 0 ? ` ${bytes}` : ''}`);
  };
  const eventsOf = (id: number): StreamEvents => {
    const stream = (): StreamState | undefined => session.streams.get(id);
    return {
      onResponse: ({ status }) => note(id, `response ${status}`),
      onData(chunk) {
        note(id, 'data', chunk.length);
        const state = stream();
        if (state === undefined) return;
        if (echoes) session.write(state, Buffer.from(chunk));
        session.consume(state, chunk.length);
      },
      onEnd() {
        note(id, 'end');
        const state = stream();
        if (echoes && state !== undefined) session.end(state);
      },
      onWritable() {},
      onGone: ({ kind }) => note(id, `gone ${kind}`),
    };
  };
  const session: ConnectionSession = new ConnectionSession(own, {
    onOutput() {},
    onWindowUsed() {},
    onReady: () => log.push('ready'),
    onRequest(stream, request) {
      note(stream.id, `request ${request.authority} ${request.headers}`);
      session.respond(
        stream,
        [[':status', stream.id % 7 === 0 ? '503' : '200']],
        stream.id % 7 === 0 ? 'end-stream' : 'more',
      );
      return eventsOf(stream.id);
    },
    onPong: (opaque) => log.push(`pong ${opaque}`),
    onGoAway: ({ lastStreamId, code }) => log.push(`goaway ${lastStreamId} ${code}`),
    onStreamClosed() {},
    onFault: ({ detail }) => log.push(`fault ${detail}`),
  });
  let nextId = 1;
  return {
    session,
    log,
    streams,
    open() {
      const stream = session.open(connectFields, eventsOf(nextId));
      if (stream === undefined) return;
      nextId += 2;
      streams.push(stream);
    },
  };
}

function taken({ session }: End): Buffer {
  const bytes = Buffer.concat(session.takeOutput(1 << 30));
  session.releaseOutput();
  return bytes;
}

/** What each side said in a conversation of 400 steps. */
function recordConversation(seed: number) {
  const random = randomFrom(seed);
  const [client, server] = [endOf(clientSettings, 'talks'), endOf(serverSettings, 'talks')];
  const said = { client: [] as Buffer[], server: [] as Buffer[] };
  const pass = (): void => {
    for (const [from, to, name] of [
      [client, server, 'client'],
      [server, client, 'server'],
    ] as const) {
      const bytes = taken(from);
      said[name].push(bytes);
      to.session.receive(Buffer.from(bytes));
    }
  };
  const acts: ((stream: StreamState) => void)[] = [
    () => client.open(),
    (stream) => client.session.write(stream, Buffer.alloc(Math.floor(random() ** 4 * 30_000) + 1)),
    (stream) => client.session.write(stream, Buffer.alloc(3)),
    (stream) => client.session.end(stream),
    (stream) => (random() < 0.3 ? client.session.reset(stream, 'CANCEL') : undefined),
    () => client.session.ping(Buffer.from('12345678')),
    () => server.session.ping(Buffer.from('abcdefgh')),
    pass,
  ];
  client.open();
  for (let step = 0; step < 400; step++) {
    const stream = client.streams[Math.floor(random() * client.streams.length)];
    if (stream) acts[Math.floor(random() * acts.length)]?.(stream);
  }
  server.session.announceDrain();
  for (let round = 0; round < 4; round++) pass();
  return { opened: client.streams.length, client: Buffer.concat(said.client), server: Buffer.concat(said.server) };
}

/** The events of a fresh session that hears these bytes, in pieces of the given lengths. */
function hear(own: OwnSettings, opened: number, bytes: Buffer, nextLength: () => number): readonly string[] {
  const end = endOf(own, 'listens');
  if (own.role === 'client') for (let count = 0; count < opened; count++) end.open();
  for (let at = 0; at < bytes.length; ) {
    const length = nextLength();
    // A copy, which the session may keep nothing of.
    const piece = Buffer.from(bytes.subarray(at, at + length));
    end.session.receive(piece);
    piece.fill(0xff);
    at += length;
    taken(end);
  }
  return end.log;
}

for (const [side, own] of [
  ['client', serverSettings],
  ['server', clientSettings],
] as const) {
  t.test(`what a ${side} said means the same in any pieces`, async (t) => {
    const random = randomFrom(41);
    for (let seed = 1; seed <= 6; seed++) {
      const recorded = recordConversation(seed);
      const bytes = recorded[side];
      const whole = hear(own, recorded.opened, bytes, () => bytes.length);
      t.notOk(
        whole.some((line) => line.startsWith('fault')),
        String(whole.at(-1)),
      );
      t.ok(whole.length > 50, `${whole.length} events`);
      if (seed === 1)
        t.same(
          hear(own, recorded.opened, bytes, () => 1),
          whole,
          'byte by byte',
        );
      for (const most of [3, 11, 40, 1_000, 20_000]) {
        const heard = hear(own, recorded.opened, bytes, () => 1 + Math.floor(random() * most));
        t.same(heard, whole, `pieces of up to ${most} bytes`);
      }
    }
  });
}
