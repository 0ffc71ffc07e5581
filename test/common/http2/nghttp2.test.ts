// Differential: our session as a server against the clients of nghttp2, `h2load` (many streams, whatever windows and tables) and
// `nghttp` (padding, trailers, priorities), over cleartext HTTP/2. As a client it meets nghttp2 in node-http2.test.ts.
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startHttp2Service } from '../../support/http2-service.ts';

t.setTimeout(170_000);

const missing = ['h2load', 'nghttp'].find((program) => spawnSync(program, ['--version']).error !== undefined);
const skip = missing !== undefined && `the program ${missing} is missing; on Debian: apt install nghttp2-client`;
const run = promisify(execFile);

interface Load {
  readonly title: string;
  readonly requests: number;
  /** Of each answer. */
  readonly bytes: number;
  readonly args: string;
  /** Whether the client sends as many bytes, and we send them back. */
  readonly way?: 'down' | 'echo';
}

const mebibyte = 1 << 20;
const loads: readonly Load[] = [
  { title: 'thousands of small answers', requests: 4_000, bytes: 100, args: '-c 4 -m 100' },
  { title: 'answers without a byte', requests: 1_000, bytes: 0, args: '-m 50' },
  { title: 'one stream at a time', requests: 300, bytes: 1, args: '-m 1' },
  { title: 'more streams at once than we allow', requests: 2_000, bytes: 10, args: '-m 1000' },
  { title: 'many connections', requests: 400, bytes: 1_000, args: '-c 40 -m 5' },
  { title: 'answers below a frame', requests: 200, bytes: 16_383, args: '-m 20' },
  { title: 'answers of a frame', requests: 200, bytes: 16_384, args: '-m 20' },
  { title: 'answers above a frame', requests: 200, bytes: 16_385, args: '-m 20' },
  { title: 'answers below the least window', requests: 100, bytes: 65_534, args: '-m 20 -w 16 -W 16' },
  { title: 'answers of the least window', requests: 100, bytes: 65_535, args: '-m 20 -w 16 -W 16' },
  { title: 'answers above the least window', requests: 100, bytes: 65_536, args: '-m 20 -w 16 -W 16' },
  { title: 'large answers in large frames', requests: 20, bytes: 3 * mebibyte + 1, args: '-m 10 -f 16777215' },
  { title: 'windows of 1 byte', requests: 20, bytes: 300, args: '-m 5 -w 1' },
  { title: 'windows of 127 bytes', requests: 100, bytes: 5_000, args: '-m 100 -w 7' },
  { title: 'small windows of the connection', requests: 100, bytes: 100_000, args: '-m 50 -w 30 -W 16' },
  { title: 'no header table', requests: 500, bytes: 10, args: '--header-table-size=0 --encoder-header-table-size=0' },
  {
    title: 'large header tables',
    requests: 500,
    bytes: 10,
    args: '--header-table-size=1M --encoder-header-table-size=1M',
  },
  { title: 'bodies of 1 byte', requests: 500, bytes: 1, args: '-m 50', way: 'echo' },
  { title: 'bodies around a window', requests: 50, bytes: 65_536, args: '-m 20 -w 16 -W 16', way: 'echo' },
  { title: 'large bodies', requests: 16, bytes: 2 * mebibyte, args: '-c 2 -m 8', way: 'echo' },
];

t.test('every request of h2load is answered, byte for byte in number', { skip }, async (t) => {
  const service = await startHttp2Service(t);
  const folder = t.testdir();
  for (const { title, requests, bytes, args, way = 'down' } of loads) {
    await t.test(title, async (t) => {
      const body = join(folder, `${bytes}`);
      if (way === 'echo') writeFileSync(body, Buffer.alloc(bytes, 0x62));
      const what = way === 'echo' ? ['-d', body] : ['-H', `x-bytes: ${bytes}`];
      const { stdout } = await run('h2load', ['-n', `${requests}`, ...args.split(' '), ...what, service.url]);
      t.match(stdout, new RegExp(`${requests} succeeded, 0 failed, 0 errored, 0 timeout`));
      t.match(stdout, new RegExp(`status codes: ${requests} 2xx, 0 3xx, 0 4xx, 0 5xx`));
      t.match(stdout, new RegExp(`\\(${requests * bytes}\\) data`));
    });
  }
  while (service.openStreams() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const faults = service.ends.filter((reason) => !/the peer closed the connection|it was closed/.test(reason));
  t.same(faults, [], 'no connection ended with an error');
});

const kinds: readonly (readonly [title: string, args: readonly string[]])[] = [
  ['as they are', []],
  ['with padding', ['--padding=255']],
  ['with a trailer', ['--trailer', 'x-checksum: 1']],
  ['without a length', ['--no-content-length']],
  ['with little windows', ['-w', '4', '-W', '16']],
  ['with padding and little windows', ['--padding=200', '-w', '6']],
  ['with tables that shrink and grow', ['-c', '0', '-c', '4096', '--encoder-header-table-size=0']],
  ['with a head of 30 kB', Array.from({ length: 30 }, (_, index) => ['-H', `x-${index}: ${'v'.repeat(1_000)}`]).flat()],
  ['without priorities', ['--no-rfc7540-pri']],
];

t.test('what nghttp sends comes back unchanged', { skip }, async (t) => {
  const service = await startHttp2Service(t);
  const folder = t.testdir();
  for (const [title, args] of kinds) {
    for (const bytes of [1, 20_000, 200_000]) {
      const payload = randomBytes(bytes);
      writeFileSync(join(folder, 'body'), payload);
      const options = { encoding: 'buffer', maxBuffer: mebibyte } as const;
      const { stdout } = await run('nghttp', [...args, '-d', join(folder, 'body'), service.url], options);
      t.ok(stdout.equals(payload), `${bytes} bytes ${title}`);
    }
  }
});
