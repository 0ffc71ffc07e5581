// gRPC's framing: messages come out as they went in, however the network cuts them, and none larger than the bound.
import t from 'tap';
import { frameMessage, GrpcFrameReader } from '../../../common/grpc/grpc-frames.ts';

const texts = ['one', '', 'x'.repeat(1_000), 'last'];
const stream = Buffer.concat(texts.map((text) => frameMessage(Buffer.from(text))));

t.test('a frame is its prefix and the message', async (t) => {
  t.same(frameMessage(Buffer.from('ab')), Buffer.from([0, 0, 0, 0, 2, 97, 98]));
});

t.test('messages come out whole, in whatever chunks they come', async (t) => {
  for (const size of [1, 2, 3, 5, 7, 64, stream.length]) {
    const reader = new GrpcFrameReader(1_000);
    const read: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const pieces of reader.read(stream.subarray(at, at + size))) read.push(Buffer.concat(pieces).toString());
    }
    t.same(read, texts, `${size} bytes at a time`);
  }
});

t.test('a message that is too large is refused at its prefix, and so is a compressed one', async (t) => {
  const large = frameMessage(Buffer.alloc(1_001)).subarray(0, 5);
  t.throws(() => new GrpcFrameReader(1_000).read(large), { code: 'RESOURCE_INVALID', message: /1001 bytes/ });
  const compressed = Buffer.from([1, 0, 0, 0, 1, 0]);
  t.throws(() => new GrpcFrameReader(1_000).read(compressed), { code: 'RESOURCE_INVALID', message: /compressed/ });
});
