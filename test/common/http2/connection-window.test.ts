// The window of a whole connection: small where the way is short, as large as configured where the way needs it.
import t from 'tap';
import {
  firstConnectionWindow,
  nextConnectionWindow,
  wholeRoundTripMs,
} from '../../../common/http2/connection-window.ts';

const mib = 1 << 20;

t.test('the first window is 1 MiB, or less where less is configured', async (t) => {
  t.equal(firstConnectionWindow(16 * mib), mib);
  t.equal(firstConnectionWindow(65_535), 65_535);
});

t.test('a window doubles while half of it lasts no longer than two round trips', async (t) => {
  const cases = [
    { why: 'the peer waits for the window', elapsedMs: 20, roundTripMs: 40, next: 2 * mib },
    { why: 'the window is little more than the way holds', elapsedMs: 80, roundTripMs: 40, next: 2 * mib },
    { why: 'the reader is slower than the way', elapsedMs: 81, roundTripMs: 40, next: mib },
    { why: 'a way within one machine at 1 GB/s', elapsedMs: 0.5, roundTripMs: 0.05, next: mib },
    { why: 'nobody knows the way', elapsedMs: 1_000, roundTripMs: undefined, next: 16 * mib },
  ];
  for (const { why, elapsedMs, roundTripMs, next } of cases) {
    t.equal(nextConnectionWindow({ sizeBytes: mib, mostBytes: 16 * mib, elapsedMs, roundTripMs }), next, why);
  }
});

t.test("a round trip is the kernel's, unless PING shows that the way goes on behind a proxy", async (t) => {
  t.equal(wholeRoundTripMs(0.05, undefined), 0.05);
  t.equal(wholeRoundTripMs(0.05, 9), 0.05, 'a process is busy');
  t.equal(wholeRoundTripMs(0.05, 40), 40);
  t.equal(wholeRoundTripMs(undefined, 40), 40);
  t.equal(wholeRoundTripMs(undefined, undefined), undefined);
});

t.test('a window never grows beyond what is configured', async (t) => {
  const use = { sizeBytes: 12 * mib, mostBytes: 16 * mib, elapsedMs: 1, roundTripMs: 50 };
  t.equal(nextConnectionWindow(use), 16 * mib);
});

t.test('on a way of 100 Gbit/s and 1 ms, a sender that fills each window gets one that holds the way', async (t) => {
  const bytesPerMs = 12_500_000;
  let sizeBytes = firstConnectionWindow(64 * mib);
  for (let half = 0; half < 20; half += 1) {
    const elapsedMs = Math.max(sizeBytes / 2 / bytesPerMs, 0.5);
    sizeBytes = nextConnectionWindow({ sizeBytes, mostBytes: 64 * mib, elapsedMs, roundTripMs: 1 });
  }
  t.ok(sizeBytes >= bytesPerMs, `${sizeBytes} bytes`);
  t.ok(sizeBytes <= 8 * bytesPerMs, 'and not many times that');
});
