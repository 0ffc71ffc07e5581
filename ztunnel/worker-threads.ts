// How many threads carry connections (ztunnel.md §2): a number, or a part of the processors. In: texts. Out: a number. One is this
// process' main thread and costs nothing; each worker holds some 20 MB. So one is the default where Istio's ztunnel,
// whose threads cost next to nothing, has two.
import type { EnvReader } from '../common/config/env-reader.ts';

const defaultThreads = 1;
const maxThreads = 1_024;

/**
 * @param concurrency of ProxyConfig, for where the variable says nothing
 * @param processors that this process may use
 */
export function readWorkerThreads(read: EnvReader, concurrency: number | undefined, processors: number): number {
  const name = 'ZTUNNEL_WORKER_THREADS';
  const limit = read.optionalInteger('ZTUNNEL_CPU_LIMIT', { min: 1, max: maxThreads }) ?? processors;
  const text = read.text(name) ?? (concurrency === undefined ? undefined : String(concurrency));
  if (text === undefined) return defaultThreads;
  const [, digits, percent] = /^(\d{1,4})(%?)$/.exec(text) ?? [];
  const number = Number(digits);
  if (digits === undefined || number > maxThreads) {
    read.problem(
      `invalid env var ${name}=${text}: expected a number (0: one for each processor) or a part such as 50%`,
    );
    return defaultThreads;
  }
  if (percent === '%') return Math.max(1, Math.ceil((limit * number) / 100));
  return number === 0 ? limit : number;
}
