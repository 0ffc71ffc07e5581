import t from 'tap';
import { SendQueue } from '../../../common/http2/send-queue.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('bytes are taken in order, never more than asked for, and never copied', async (t) => {
  const random = randomFrom(29);
  const queue = new SendQueue();
  const source = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251));
  const taken: Buffer[] = [];
  let at = 0;
  while (at < source.length || queue.bytes > 0) {
    const size = Math.floor(random() * 100);
    queue.push(source.subarray(at, at + size));
    at += size;
    const limit = Math.floor(random() * 120);
    const before = queue.bytes;
    const pieces: Buffer[] = [];
    t.equal(queue.take(limit, pieces, []), Math.min(limit, before));
    t.equal(Buffer.concat(pieces).length, Math.min(limit, before));
    t.ok(pieces.every((piece) => piece.buffer === source.buffer));
    taken.push(...pieces);
  }
  t.ok(Buffer.concat(taken).equals(source));
  t.equal(queue.count, 0);
});

t.test('clear drops what waits', async (t) => {
  const queue = new SendQueue();
  queue.push(Buffer.from('old'));
  queue.clear();
  t.same([queue.bytes, queue.count], [0, 0]);
});
