// Runs each connection case from both pods at the same time, and compares what both proxies log and count of it: each must
// be the mirror image of the other, key by key, in the same order, and ours may say more where a connection fails.
import type { Test } from 'tap';
import { type AccessLine, accessLines } from './access-lines.ts';
import { type ConnectionCase, connectionCases } from './connection-cases.ts';
import { eventually } from './eventually.ts';
import type { IstiodMesh } from './istiod-mesh.ts';
import { mirror } from './mirror.ts';
import type { PodProxy } from './pod-proxy-process.ts';
import { type SeriesChange, tcpChanges } from './tcp-series.ts';

export async function compareConnections(t: Test, { sides, theirs, ours }: IstiodMesh): Promise<void> {
  const proxies = [theirs.proxy, ours.proxy] as const;
  for (const each of connectionCases) {
    await t.test(each.name, async (t) => {
      const before = await Promise.all(proxies.map(startOf));
      await Promise.all([each.call(t, sides.theirs, sides.ours), each.call(t, sides.ours, sides.theirs)]);
      const since = () => Promise.all(proxies.map((proxy, index) => changesOf(proxy, before[index])));
      const isDone = (all: readonly Changes[]): boolean =>
        all.every((changes) => finished(changes) >= (each.lines ?? 2));
      const [their, our] = await eventually(since, isDone);
      if (their === undefined || our === undefined) throw new Error('there are two proxies');
      compareLines(t, each, inOrder(mirror(their.lines)), inOrder(our.lines));
      t.strictSame(counted(each, our.series), counted(each, mirror(their.series)), 'metrics');
    });
  }
}

interface Changes {
  readonly lines: readonly AccessLine[];
  readonly series: readonly SeriesChange[];
}

async function startOf(proxy: PodProxy) {
  return { logged: proxy.log().length, samples: await proxy.metrics() };
}

async function changesOf(proxy: PodProxy, before: Awaited<ReturnType<typeof startOf>> | undefined): Promise<Changes> {
  const { logged = 0, samples = [] } = before ?? {};
  const lines = accessLines(proxy.log().slice(logged));
  return { lines, series: tcpChanges(samples, await proxy.metrics()) };
}

/** Outbound first, and opened before ended, whichever of the calls was quicker. */
function inOrder(lines: readonly AccessLine[]): readonly AccessLine[] {
  const keyOf = ({ direction, level, fields }: AccessLine): string =>
    JSON.stringify([direction === 'inbound', level, fields]);
  return [...lines].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function finished({ lines }: Changes): number {
  return lines.filter(({ level }) => level !== 'debug').length;
}

function compareLines(
  t: Test,
  { error, flags }: ConnectionCase,
  their: readonly AccessLine[],
  our: readonly AccessLine[],
): void {
  t.equal(our.length, their.length, 'as many lines');
  for (const [index, ourLine] of our.entries()) {
    const theirLine = their[index];
    if (theirLine === undefined) continue;
    const levelOf = ({ level }: AccessLine): string => (flags !== undefined && level === 'error' ? 'info' : level);
    t.strictSame(
      [levelOf(ourLine), ourLine.message, ...ourLine.fields],
      [levelOf(theirLine), theirLine.message, ...theirLine.fields],
    );
    t.equal(ourLine.code === undefined, ourLine.error === undefined, 'an error has a code');
    if (error === undefined || theirLine.error === undefined) {
      t.equal(ourLine.error?.slice(0, theirLine.error?.length), theirLine.error, 'error');
      continue;
    }
    t.match(theirLine.error, error.theirs);
    t.match(ourLine.error ?? '', error.ours, error.why);
  }
}

/** Without how they ended, where the case says why that differs. */
function counted({ flags }: ConnectionCase, series: readonly SeriesChange[]): readonly SeriesChange[] {
  if (flags === undefined) return sorted(series);
  return sorted(
    series
      .filter(({ name }) => name !== 'istio_tcp_connections_failed_total')
      .map(({ labels, ...change }) => ({ ...change, labels: labels.filter(([name]) => name !== 'response_flags') })),
  );
}

function sorted(series: readonly SeriesChange[]): readonly SeriesChange[] {
  return [...series].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
