// One TCP connection of a client that pipelines, stalls, does not read or talks too large.
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { DnsConnection } from '../../../ztunnel/dns/dns-connection.ts';
import { frameMessage, MessageFrames } from '../../../ztunnel/dns/message-frames.ts';
import { createStreamPair } from '../../support/memory-stream.ts';

interface Talk {
  /** What the client got. */
  readonly answers: string[];
  /** How the client's side ended. */
  readonly ending: Promise<'end' | 'reset'>;
  send(...messages: readonly string[]): void;
  raw(bytes: Buffer): void;
  pause(): void;
  resume(): void;
  end(): void;
}

function talk(answer: (message: string) => Promise<string | undefined>, idleMs = 60_000): Talk {
  const [client, server] = createStreamPair({ highWaterMarkBytes: 200 });
  const ending = Promise.withResolvers<'end' | 'reset'>();
  const answers: string[] = [];
  const frames = new MessageFrames(65_535);
  const respond = async (message: Buffer): Promise<Buffer | undefined> => {
    const response = await answer(String(message));
    return response === undefined ? undefined : Buffer.from(response);
  };
  new DnsConnection(server, { answer: respond, idleMs, onClose: () => {} }).open();
  client.open({
    onData(chunk) {
      const step = frames.feed(chunk);
      if (step.kind === 'messages') answers.push(...step.messages.map(String));
    },
    onEnd: () => ending.resolve('end'),
    onWritable() {},
    onClose: () => ending.resolve('reset'),
  });
  return {
    answers,
    ending: ending.promise,
    send: (...messages) => void client.write(Buffer.concat(messages.map((text) => frameMessage(Buffer.from(text))))),
    raw: (bytes) => void client.write(bytes),
    pause: () => client.pause(),
    resume: () => client.resume(),
    end: () => client.end(),
  };
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}

t.test('answers come when they are there, in whatever order, and the end comes last', async (t) => {
  const first = Promise.withResolvers<string>();
  const { answers, send, end, ending } = talk(async (message) =>
    message === 'a' ? await first.promise : `${message}!`,
  );
  send('a', 'b');
  send('c');
  end();
  await turns();
  t.same(answers, ['b!', 'c!']);
  first.resolve('a!');
  t.equal(await ending, 'end');
  t.same(answers, ['b!', 'c!', 'a!']);
});

t.test('what is no query gets no answer', async (t) => {
  const { answers, send, end, ending } = talk(async (message) => (message === 'x' ? undefined : message));
  send('x', 'y');
  end();
  t.equal(await ending, 'end');
  t.same(answers, ['y']);
});

t.test('only so many are answered at a time', async (t) => {
  let waiting = 0;
  let most = 0;
  const { answers, send, end, ending } = talk(async (message) => {
    most = Math.max(most, ++waiting);
    await setImmediate();
    waiting--;
    return message;
  });
  send(...Array.from({ length: 500 }, (_, index) => `${index}`));
  end();
  t.equal(await ending, 'end');
  t.equal(answers.length, 500);
  t.equal(most, 32);
});

t.test('a client that does not read is not answered further, and goes on when it reads', async (t) => {
  let asked = 0;
  const { answers, send, pause, resume, end, ending } = talk(async () => {
    asked++;
    return 'x'.repeat(100);
  });
  pause();
  send(...Array.from({ length: 100 }, (_, index) => `${index}`));
  end();
  await turns();
  t.ok(asked < 50, `${asked} of 100 were answered`);
  resume();
  t.equal(await ending, 'end');
  t.equal(answers.length, 100);
});

t.test('a message that is too large ends the connection', async (t) => {
  const { raw, ending } = talk(async (message) => message);
  raw(Buffer.from([0x10, 0x01]));
  t.equal(await ending, 'reset');
});

t.test('a silent client is said goodbye to', async (t) => {
  const { send, answers, ending } = talk(async (message) => message, 20);
  // A socket would keep the process.
  const late = setTimeout(() => t.fail('nothing came'), 5_000);
  t.teardown(() => clearTimeout(late));
  send('a');
  t.equal(await ending, 'end');
  t.same(answers, ['a']);
});
