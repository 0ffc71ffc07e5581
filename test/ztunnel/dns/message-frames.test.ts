import t from 'tap';
import { frameMessage, MessageFrames } from '../../../ztunnel/dns/message-frames.ts';

const words = ['one', '', 'three and four', 'x'.repeat(100)];
const stream = Buffer.concat(words.map((word) => frameMessage(Buffer.from(word))));

t.test('a message has two bytes of length before it', async (t) => {
  t.same(frameMessage(Buffer.from('abc')), Buffer.from('\0\x03abc'));
});

t.test('messages come out as they went in, however the stream is cut', async (t) => {
  for (let size = 1; size <= stream.length; size++) {
    const frames = new MessageFrames(100);
    const seen: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      const step = frames.feed(stream.subarray(at, at + size));
      if (step.kind === 'messages') seen.push(...step.messages.map(String));
    }
    t.same(seen, words, `${size} bytes at a time`);
  }
});

t.test('a message does not change when the chunk it came in is used again', async (t) => {
  const frames = new MessageFrames(100);
  const chunk = Buffer.from('\0\x03abc\0\x03d');
  const step = frames.feed(chunk);
  chunk.fill(0);
  t.same(step.kind === 'messages' && step.messages.map(String), ['abc']);
  const next = frames.feed(Buffer.from('ef'));
  t.same(next.kind === 'messages' && next.messages.map(String), ['def']);
});

t.test('a message that is too large is refused by its length', async (t) => {
  t.same(new MessageFrames(100).feed(Buffer.from([0, 101])), { kind: 'too-large', bytes: 101 });
});
