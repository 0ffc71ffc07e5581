// The window of a whole connection: as large as configured for bulk alone; beside messages no larger than the way needs.
import t from 'tap';
import {
  ConnectionWindowFit,
  firstConnectionWindow,
  wholeRoundTripMs,
} from '../../../common/http2/connection-window.ts';

const mib = 1 << 20;

t.test('the first window is 1 MiB, or less where less is configured', async (t) => {
  t.equal(firstConnectionWindow(16 * mib), mib);
  t.equal(firstConnectionWindow(65_535), 65_535);
});

t.test('bulk alone has all that is configured', async (t) => {
  const fit = new ConnectionWindowFit(16 * mib);
  t.equal(fit.next({ sizeBytes: mib, messages: 'none', nowMs: 5_000, roundTripMs: 0.05 }), 16 * mib);
});

t.test(
  'messages beside bulk make the window small, and a second after the last of them it is large again',
  async (t) => {
    const fit = new ConnectionWindowFit(16 * mib);
    const next = (messages: 'some' | 'none', nowMs: number): number =>
      fit.next({ sizeBytes: 16 * mib, messages, nowMs, roundTripMs: 0.05 });
    t.equal(next('some', 4_000), 16 * mib, 'they may have come long before the bulk');
    t.equal(next('some', 5_000), mib);
    t.equal(next('none', 6_000), mib);
    t.equal(next('none', 6_001), 16 * mib);
  },
);

t.test('a small window doubles while half of it lasts no longer than two round trips', async (t) => {
  const cases = [
    { why: 'the peer waits for the window', elapsedMs: 20, roundTripMs: 40, next: 2 * mib },
    { why: 'the window is little more than the way holds', elapsedMs: 80, roundTripMs: 40, next: 2 * mib },
    { why: 'the reader is slower than the way', elapsedMs: 81, roundTripMs: 40, next: mib },
    { why: 'a way within one machine, however fast it is', elapsedMs: 0.05, roundTripMs: 0.05, next: mib },
    { why: 'nobody knows the way', elapsedMs: 900, roundTripMs: undefined, next: 16 * mib },
  ];
  for (const { why, elapsedMs, roundTripMs, next } of cases) {
    const fit = new ConnectionWindowFit(16 * mib);
    const use = { sizeBytes: mib, messages: 'some', roundTripMs } as const;
    fit.next({ ...use, nowMs: 4_500 });
    fit.next({ ...use, nowMs: 5_000 });
    t.equal(fit.next({ ...use, nowMs: 5_000 + elapsedMs }), next, why);
  }
});

t.test('what was used up of a larger window says nothing about the small one', async (t) => {
  const fit = new ConnectionWindowFit(16 * mib);
  const use = { sizeBytes: 16 * mib, messages: 'some', roundTripMs: 40 } as const;
  fit.next({ ...use, nowMs: 5_000 });
  t.equal(fit.next({ ...use, nowMs: 5_001 }), mib);
  t.equal(fit.next({ ...use, nowMs: 5_002 }), mib);
});

t.test("a round trip is the kernel's, unless PING shows that the way goes on behind a proxy", async (t) => {
  t.equal(wholeRoundTripMs(0.05, undefined), 0.05);
  t.equal(wholeRoundTripMs(0.05, 9), 0.05, 'a process is busy');
  t.equal(wholeRoundTripMs(0.05, 40), 40);
  t.equal(wholeRoundTripMs(undefined, 40), 40);
  t.equal(wholeRoundTripMs(undefined, undefined), undefined);
});

t.test(
  'on a way of 100 Gbit/s and 1 ms, a sender that fills each window gets one that holds the way, and keeps it',
  async (t) => {
    const bytesPerMs = 12_500_000;
    const fit = new ConnectionWindowFit(64 * mib);
    let sizeBytes = firstConnectionWindow(64 * mib);
    let nowMs = 5_000;
    for (let half = 0; half < 20; half += 1) {
      sizeBytes = fit.next({ sizeBytes, messages: 'some', nowMs, roundTripMs: 1 });
      nowMs += Math.max(sizeBytes / 2 / bytesPerMs, 0.5);
    }
    t.ok(sizeBytes >= bytesPerMs, `${sizeBytes} bytes`);
    t.ok(sizeBytes <= 8 * bytesPerMs, 'and not many times that');
    t.equal(fit.next({ sizeBytes, messages: 'none', nowMs: nowMs + 10_000, roundTripMs: 1 }), 64 * mib);
    const again = { sizeBytes: 64 * mib, messages: 'some', nowMs: nowMs + 10_500, roundTripMs: 1 } as const;
    t.equal(fit.next(again), sizeBytes, 'what the way needs is known when messages come again');
  },
);

t.test('a window never grows beyond what is configured', async (t) => {
  const fit = new ConnectionWindowFit(3 * mib);
  const use = { messages: 'some', roundTripMs: 50 } as const;
  let sizeBytes = fit.next({ ...use, sizeBytes: mib, nowMs: 5_000 });
  for (let half = 1; half < 5; half += 1) sizeBytes = fit.next({ ...use, sizeBytes, nowMs: 5_000 + half });
  t.equal(sizeBytes, 3 * mib);
});
