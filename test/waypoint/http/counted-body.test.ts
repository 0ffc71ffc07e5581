// A body on its way through is the body that came in, whenever it is read.
import { PassThrough } from 'node:stream';
import t from 'tap';
import { CountedBody } from '../../../waypoint/http/counted-body.ts';

async function read(body: CountedBody): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('bytes are passed on and counted', async (t) => {
  const source = new PassThrough();
  const body = new CountedBody(source);
  source.write('ab');
  source.end('cd');
  t.equal(await read(body), 'abcd');
  t.equal(body.bytes, 4);
});

t.test('a body without bytes has ended for who reads it later, too', async (t) => {
  const source = new PassThrough();
  const body = new CountedBody(source);
  source.end();
  // As HTTP/2 does with a message that has nothing to read.
  source.resume();
  await aTurn();
  await aTurn();
  t.equal(await read(body), '');
});

t.test('a body that is cut off is an error', async (t) => {
  const source = new PassThrough();
  const body = new CountedBody(source);
  source.write('ab');
  source.destroy();
  await t.rejects(read(body), /cut off/);
});
