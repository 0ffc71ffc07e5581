// Measures a scrape of 20 000 series with ztunnel's labels: how long it takes, how long it keeps other work waiting, and what a
// series costs. Prints one JSON object; run it alone: node --expose-gc test/bench/scrape.ts
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { createTcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import { tcpLabelsOfPeer } from '../support/tcp-labels.ts';

interface Round {
  readonly totalMs: number;
  readonly longestPauseMs: number;
  readonly megabytes: number;
}

const peers = Number(process.argv[2] ?? 5_000);
/** opened, closed, received, sent */
const series = peers * 4;
const metrics = createMetricsRegistry();
const reporter = createTcpReporter({ recorder: metrics.recorder, intervalMs: 0, countsFailures: true });

const empty = heapBytes();
for (let peer = 0; peer < peers; peer += 1) {
  const report = reporter.open(tcpLabelsOfPeer(peer));
  report.received(1_000);
  report.close('-');
}
const bytesPerSeries = Math.round((heapBytes() - empty) / series);

const rounds: Round[] = [];
for (let round = 0; round < 6; round += 1) rounds.push(await scrape());
const bytesPerScrapedSeries = Math.round((heapBytes() - empty) / series);
process.stdout.write(`${JSON.stringify({ series, bytesPerSeries, bytesPerScrapedSeries, rounds }, undefined, 2)}\n`);

async function scrape(): Promise<Round> {
  globalThis.gc?.();
  const otherWork = watchPauses();
  const startedAt = performance.now();
  let bytes = 0;
  for await (const slice of metrics.expose(undefined).slices) bytes += Buffer.byteLength(slice);
  const totalMs = performance.now() - startedAt;
  return { totalMs: rounded(totalMs), longestPauseMs: rounded(otherWork.end()), megabytes: rounded(bytes / 1e6) };
}

/** What waits for its turn at the event loop, and how long it had to at most. */
function watchPauses(): { end(): number } {
  let longestMs = 0;
  let lastTurn = performance.now();
  let next = setImmediate(function turn() {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - lastTurn);
    lastTurn = now;
    next = setImmediate(turn);
  });
  return {
    end() {
      clearImmediate(next);
      return Math.max(longestMs, performance.now() - lastTurn);
    },
  };
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
