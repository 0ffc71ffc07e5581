// What a client says to the explicit entry before its bytes begin, however its bytes are split.
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { type EntryConnect, EntrySession, type EntryStep } from '../../../ztunnel/socks5/entry-session.ts';
import { randomFrom } from '../../support/random-from.ts';

const socks = Buffer.concat([
  Buffer.from([5, 2, 2, 0]),
  Buffer.from([5, 1, 0, 3, 4]),
  Buffer.from('echo'),
  Buffer.from([0, 7]),
  Buffer.from('early bytes'),
]);
const connect = Buffer.from('CONNECT echo:7 HTTP/1.1\r\nHost: echo\r\n\r\nearly bytes');
const get = Buffer.from('GET http://echo:7/a HTTP/1.1\r\n\r\nearly bytes');

/** Replies so far, and the last step. What a client sends after the step that ends the talk is the stream's. */
function talk(chunks: readonly Buffer[]): {
  readonly replies: Buffer;
  readonly last: EntryStep;
  readonly rest: Buffer;
} {
  const session = new EntrySession();
  const replies: Buffer[] = [];
  for (const [index, chunk] of chunks.entries()) {
    const step = session.feed(chunk);
    if (step.kind === 'wait') {
      replies.push(step.reply);
      continue;
    }
    return { replies: Buffer.concat(replies), last: step, rest: Buffer.concat(chunks.slice(index + 1)) };
  }
  return { replies: Buffer.concat(replies), last: { kind: 'wait', reply: Buffer.alloc(0) }, rest: Buffer.alloc(0) };
}

function split(bytes: Buffer, random: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + Math.floor(random() * 12);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}

function connected(step: EntryStep): EntryConnect {
  if (step.kind !== 'connect') throw new Error(`is ${step.kind}`);
  return step;
}

t.test('a target is found wherever the bytes are split, and none of them is lost', async (t) => {
  const random = randomFrom(3);
  const target = { kind: 'name', hostname: 'echo', port: 7 };
  for (let round = 0; round < 300; round++) {
    for (const [bytes, replied, first] of [
      [socks, '05000500000100000000' + '0000', 'early bytes'],
      [connect, Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n').toString('hex'), 'early bytes'],
      [get, '', 'GET /a HTTP/1.1\r\nHost: echo:7\r\nConnection: close\r\n\r\nearly bytes'],
    ] as const) {
      const { replies, last, rest } = talk(split(bytes, random));
      const step = connected(last);
      const same =
        JSON.stringify(step.target) === JSON.stringify(target) &&
        Buffer.concat([replies, step.connectedReply]).toString('hex') === replied &&
        Buffer.concat([step.first, rest]).toString() === first;
      if (!same) t.fail(`round ${round}: ${step.first.toString()} ${replies.toString('hex')}`);
    }
  }
  t.pass('300 rounds');
});

t.test('SOCKS5 says why a connection failed as far as its replies can', async (t) => {
  const step = connected(talk([socks]).last);
  const replyTo = (error: Error): number | undefined => step.failedReply(error)[2 + 1];
  t.equal(replyTo(new MeshError('UPSTREAM_REFUSED', 'x')), 5);
  t.equal(replyTo(new MeshError('TARGET_UNKNOWN', 'x')), 4);
  t.equal(replyTo(new MeshError('AUTHORIZATION_DENIED', 'x')), 2);
  t.equal(replyTo(new Error('x')), 1);
});

t.test('an HTTP client reads code and reason', async (t) => {
  const reply = connected(talk([connect]).last).failedReply(new MeshError('WAYPOINT_UNKNOWN', 'unknown waypoint: a/b'));
  t.match(reply.toString(), /^HTTP\/1\.1 503 .*WAYPOINT_UNKNOWN: unknown waypoint: a\/b\n$/s);
  const denied = connected(talk([get]).last).failedReply(new MeshError('AUTHORIZATION_DENIED', 'no'));
  t.match(denied.toString(), /^HTTP\/1\.1 403 /);
});

t.test('what is neither is refused with an answer', async (t) => {
  const refused = (text: Buffer): string => {
    const { last } = talk([text]);
    return last.kind === 'refuse' ? last.reply.toString('latin1') : last.kind;
  };
  t.equal(refused(Buffer.from([5, 1, 2])), '\x05\xff', 'authentication only');
  t.match(refused(Buffer.from('SSH-2.0-x\r\n\r\n')), /^HTTP\/1\.1 400 /);
});
