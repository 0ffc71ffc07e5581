import { once } from 'node:events';
import t from 'tap';
import { ByteStreamDuplex } from '../../../waypoint/http/byte-stream-duplex.ts';
import { createStreamPair } from '../../support/memory-stream.ts';
import { record } from '../../support/recording-sink.ts';

t.test('bytes pass both ways and are counted, ends included', async (t) => {
  const [near, far] = createStreamPair();
  const duplex = new ByteStreamDuplex(near);
  const sink = record(far);
  duplex.write('abc');
  duplex.end('def');
  await sink.ended();
  t.equal(sink.text, 'abcdef');
  far.write(Buffer.from('answer'));
  far.end();
  let text = '';
  for await (const chunk of duplex) text += String(chunk);
  t.equal(text, 'answer', 'after this side has ended');
  t.equal(duplex.writtenBytes, 6);
  t.equal(duplex.readBytes, 6);
  await sink.closed();
  t.equal(sink.closeError, undefined);
});

t.test('writes of one turn leave together', async (t) => {
  const [near, far] = createStreamPair();
  const duplex = new ByteStreamDuplex(near);
  const sink = record(far);
  duplex.cork();
  duplex.write('head');
  duplex.write('body');
  duplex.uncork();
  duplex.end();
  await sink.ended();
  t.equal(sink.chunks.length, 1);
});

t.test('a peer that does not read stops the writer', async (t) => {
  const [near, far] = createStreamPair();
  const duplex = new ByteStreamDuplex(near);
  const chunk = Buffer.alloc(32 * 1024);
  let written = 0;
  while (duplex.write(chunk)) written += 1;
  t.ok(written < 20, `${written} chunks`);
  const drained = once(duplex, 'drain');
  record(far);
  await drained;
});

t.test('a reset arrives as an error, and giving up in the middle of a message is a reset', async (t) => {
  const [near, far] = createStreamPair();
  const duplex = new ByteStreamDuplex(near);
  const failed = once(duplex, 'error');
  far.reset();
  t.match((await failed)[0], { code: 'CONNECTION_RESET' });

  const [left, right] = createStreamPair();
  const sink = record(right);
  const given = new ByteStreamDuplex(left);
  given.on('error', () => undefined);
  given.write('half');
  given.destroy();
  await sink.closed();
  t.ok(sink.closeError);
});

t.test('an idle connection that is dropped ends, it is not reset', async (t) => {
  const [near, far] = createStreamPair();
  const sink = record(far);
  const duplex = new ByteStreamDuplex(near);
  duplex.on('error', () => undefined);
  duplex.destroy(Object.assign(new Error('socket idle timeout'), { code: 'UND_ERR_INFO' }));
  await sink.ended();
  far.end();
  await sink.closed();
  t.equal(sink.closeError, undefined);
});
