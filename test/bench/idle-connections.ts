// What a connection that says nothing costs a daemon: memory beside many against memory beside none, once the daemon is warm.
import { setTimeout } from 'node:timers/promises';
import { pssMegabytes } from './process-figures.ts';
import type { ProxyPair } from './proxy-pair.ts';

const warmUp = 1_000;
/** Enough that what a heap grows by anyhow is little beside it. */
const connections = 8_000;
/** Until garbage of the opening is collected. */
const settleMs = 5_000;

/** @returns kB for each connection, of the client's daemon and of the server's */
export async function idleConnectionKilobytes(pair: ProxyPair): Promise<readonly number[]> {
  await (await pair.hold(warmUp))();
  await setTimeout(settleMs);
  const before = pair.pids.map(pssMegabytes);
  const release = await pair.hold(connections);
  await setTimeout(settleMs);
  const after = pair.pids.map(pssMegabytes);
  await release();
  return after.map((megabytes, index) => ((megabytes - (before[index] ?? 0)) * 1_024) / connections);
}
