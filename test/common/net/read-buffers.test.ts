import t from 'tap';
import { lendPart, ReadBlock, release, withHeadroom } from '../../../common/net/read-buffers.ts';

/** Reads `text` into the block. */
function read(block: ReadBlock, text: string): Buffer {
  block.space(1024).write(text);
  return block.lend(text.length);
}

t.test('chunks that are out are not overwritten by later reads', async (t) => {
  const block = new ReadBlock();
  const first = read(block, 'first');
  block.rewind();
  const second = read(block, 'second');
  t.equal(`${first} ${second}`, 'first second');
});

t.test('a block is read into from the front again once all its chunks are back', async (t) => {
  const block = new ReadBlock();
  const first = read(block, 'first');
  release(first);
  block.rewind();
  const second = read(block, 'again');
  t.equal(second.byteOffset, first.byteOffset);
});

t.test('a chunk that was given back twice counts once', async (t) => {
  const block = new ReadBlock();
  const first = read(block, 'first');
  const second = read(block, 'second');
  release(first);
  release(first);
  block.rewind();
  t.not(read(block, 'third').byteOffset, first.byteOffset);
  t.equal(`${second}`, 'second');
});

t.test('a part that was not lent gives nothing back', async (t) => {
  const block = new ReadBlock();
  const chunk = read(block, 'chunk');
  release(chunk.subarray(0, 2));
  block.rewind();
  read(block, 'other');
  t.equal(`${chunk}`, 'chunk');
});

t.test('a lent part outlives its chunk', async (t) => {
  const block = new ReadBlock();
  const chunk = read(block, 'chunk');
  const part = lendPart(chunk, 2, 5);
  release(chunk);
  block.rewind();
  read(block, 'other');
  t.equal(`${part}`, 'unk');
  t.equal(withHeadroom(part, 9), undefined, 'and has no room in front, for there stands the rest of the chunk');
});

t.test('a full block is left for another, and used again when its chunks are back', async (t) => {
  const block = new ReadBlock();
  const chunks: Buffer[] = [];
  for (let index = 0; index < 300; index += 1) chunks.push(read(block, `chunk ${index}`.padEnd(1_000)));
  t.ok(new Set(chunks.map((chunk) => chunk.buffer)).size > 1);
  t.same(
    chunks.map((chunk) => `${chunk}`.trim()),
    chunks.map((_, index) => `chunk ${index}`),
  );
  const [first] = chunks;
  for (const chunk of chunks) release(chunk);
  block.close();
  const blocks = [new ReadBlock(), new ReadBlock()].map((next) => read(next, 'x').buffer);
  t.ok(blocks.includes(first?.buffer ?? new ArrayBuffer(0)));
});

t.test('the room in front of a chunk takes a header without touching the chunk before', async (t) => {
  const block = new ReadBlock();
  const first = read(block, 'first');
  const second = read(block, 'second');
  const frame = withHeadroom(second, 9);
  frame?.write('123456789');
  t.equal(`${frame}`, '123456789second');
  t.equal(`${first}`, 'first');
  t.equal(withHeadroom(Buffer.from('not lent'), 9), undefined);
});
