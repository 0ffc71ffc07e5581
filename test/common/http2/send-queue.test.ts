import t from 'tap';
import { SendQueue } from '../../../common/http2/send-queue.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('bytes are taken in order, never more than asked for', async (t) => {
  const random = randomFrom(29);
  const queue = new SendQueue();
  const source = Buffer.from(Array.from({ length: 500_000 }, (_, index) => index % 251));
  const taken: Buffer[] = [];
  let at = 0;
  while (at < source.length || queue.bytes > 0) {
    const size = Math.floor(random() * (random() < 0.1 ? 20_000 : 100));
    queue.push(Buffer.from(source.subarray(at, at + size)));
    at += size;
    const limit = Math.floor(random() * (random() < 0.1 ? 30_000 : 120));
    const before = queue.bytes;
    const pieces: Buffer[] = [];
    t.equal(queue.take(limit, pieces, []), Math.min(limit, before));
    t.equal(Buffer.concat(pieces).length, Math.min(limit, before));
    taken.push(...pieces);
  }
  t.ok(Buffer.concat(taken).equals(source));
  t.equal(queue.count, 0);
});

t.test(
  'a chunk that is alone, and a large one, are never copied; small ones that wait behind others are put together',
  async (t) => {
    const queue = new SendQueue();
    const chunks = [10, 20_000, 1, 2, 16_384, 3].map((size) => Buffer.alloc(size, size));
    for (const chunk of chunks) queue.push(chunk);
    const pieces: Buffer[] = [];
    queue.take(100_000, pieces, []);
    t.same(
      pieces.map((piece) => piece.length),
      [10, 20_000, 3, 16_384, 3],
    );
    t.equal(pieces[0]?.buffer, chunks[0]?.buffer);
    t.equal(pieces[1]?.buffer, chunks[1]?.buffer);
    t.equal(pieces[3]?.buffer, chunks[4]?.buffer);
    t.ok(Buffer.concat(pieces).equals(Buffer.concat(chunks)));
  },
);

t.test('what grows in the queue does not change what was taken from it', async (t) => {
  const queue = new SendQueue();
  const pieces: Buffer[] = [];
  for (let count = 0; count < 100; count++) {
    queue.push(Buffer.from([count]));
    if (count % 3 === 1) queue.take(1, pieces, []);
  }
  queue.take(1000, pieces, []);
  t.same(
    [...Buffer.concat(pieces)],
    Array.from({ length: 100 }, (_, index) => index),
  );
});

t.test('clear drops what waits', async (t) => {
  const queue = new SendQueue();
  queue.push(Buffer.from('old'));
  queue.clear();
  t.same([queue.bytes, queue.count], [0, 0]);
});
