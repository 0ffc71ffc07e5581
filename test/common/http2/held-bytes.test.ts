import t from 'tap';
import { HeldBytes } from '../../../common/http2/held-bytes.ts';
import { SendQueue } from '../../../common/http2/send-queue.ts';
import { ReadBlock, release } from '../../../common/net/read-buffers.ts';
import { arrayBufferBytes } from '../../support/memory-in-use.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('bytes come out as they went in, whatever the sizes and the order of pushes and shifts', async (t) => {
  const random = randomFrom(17);
  for (let round = 0; round < 50; round++) {
    const held = new HeldBytes();
    const pushed: Buffer[] = [];
    const shifted: Buffer[] = [];
    for (let step = 0; step < 200; step++) {
      if (random() < 0.7) {
        const size = Math.floor(random() < 0.1 ? random() * 20_000 : random() * 50) + 1;
        const chunk = Buffer.alloc(size, Math.floor(random() * 256));
        pushed.push(Buffer.from(chunk));
        held.push(chunk);
        // A small chunk is copied, so that its buffer is free again.
        if (size < 100) chunk.fill(0);
      } else {
        const chunk = held.shift();
        if (chunk) shifted.push(chunk);
      }
    }
    for (let chunk = held.shift(); chunk; chunk = held.shift()) shifted.push(chunk);
    t.ok(Buffer.concat(shifted).equals(Buffer.concat(pushed)));
    t.equal(held.isEmpty, true);
  }
});

t.test('many small chunks are held as few', async (t) => {
  const held = new HeldBytes();
  for (let count = 0; count < 16_384; count++) held.push(Buffer.from('x'));
  t.equal(held.shift()?.length, 16_384);
  t.equal(held.shift(), undefined);
});

t.test('a little of each of many reads does not keep all that was read', async (t) => {
  const [held, queue] = [new HeldBytes(), new SendQueue()];
  const before = await arrayBufferBytes();
  // Blocks of 256 KiB, of which a stream that cannot go on holds 8 KiB each.
  const block = new ReadBlock();
  for (let count = 0; count < 256; count++) {
    for (const owner of [held, queue]) {
      block.space(8_192);
      owner.push(block.lend(8_192));
    }
    block.space(200_000);
    release(block.lend(200_000));
  }
  block.close();
  const grownBytes = (await arrayBufferBytes()) - before;
  t.ok(grownBytes < 12 << 20, `${grownBytes} bytes for 4 MiB that are held`);
  t.equal(queue.bytes, 2 << 20);
  t.equal(held.isEmpty, false);
});

t.test('clear drops what is held', async (t) => {
  const held = new HeldBytes();
  held.push(Buffer.from('old'));
  held.clear();
  held.push(Buffer.from('new'));
  t.equal(String(held.shift()), 'new');
});
