// The works of the tunnel benchmark: what the load generator or the paced client is asked to do, and what its answer means.
// In: a work's name. Out: its command line; from the answer a rate or latency, and how many units were done, to share CPU among them.

export interface Figures {
  /** GB/s, 1/s, or µs of the median round trip, by `unit` of the work. */
  readonly value: number;
  readonly p99Us: number | undefined;
  /** Megabytes, requests or connections. */
  readonly units: number;
  /** What was asked for, whatever it took; of a steady load only. */
  readonly seconds?: number;
}

type LoadArgs = (seconds: number) => readonly (string | number)[];

export interface Work {
  readonly args: LoadArgs;
  /** A load that stays the same however fast the proxies are: what each daemon takes for it is told too. Default: as fast as they can. */
  readonly pace?: 'steady';
  /** Goes on beside it, longer than it takes. */
  readonly beside?: LoadArgs;
  readonly unit: 'GB/s' | '1/s' | 'µs';
  /** What CPU time is shared among. */
  readonly per: 'MB' | 'request' | 'connection';
}

const bulkBytes = 400_000_000;
/** More than can be read in the time, of which the work begins in the second half second. */
const elephants: LoadArgs = (seconds) => ['get', 8, 1e12, seconds + 1];

const steadyRate = 1_000;

export const works: Readonly<Record<string, Work>> = {
  up1: { args: () => ['up', 1, bulkBytes], unit: 'GB/s', per: 'MB' },
  down1: { args: () => ['down', 1, bulkBytes], unit: 'GB/s', per: 'MB' },
  up8: { args: () => ['up', 8, bulkBytes], unit: 'GB/s', per: 'MB' },
  down8: { args: () => ['down', 8, bulkBytes], unit: 'GB/s', per: 'MB' },
  echo64: { args: (seconds) => ['pp', 64, 1024, seconds], unit: '1/s', per: 'request' },
  connect64: { args: (seconds) => ['rate', 64, seconds], unit: '1/s', per: 'connection' },
  fetch16: { args: (seconds) => ['get', 16, 100_000, seconds], unit: '1/s', per: 'connection' },
  answer8: { args: (seconds) => ['rs', 8, 65_536, seconds], unit: '1/s', per: 'request' },
  mouse1: { args: (seconds) => ['pp', 1, 1024, seconds], unit: 'µs', per: 'request' },
  mouse8: { args: (seconds) => ['pp', 1, 1024, seconds], beside: elephants, unit: 'µs', per: 'request' },
  steady1000: {
    pace: 'steady',
    args: (seconds) => [16, steadyRate, 1024, seconds],
    ...{ unit: 'µs', per: 'request' },
  },
  ping1: { args: (seconds) => ['pp', 1, 1, seconds], unit: 'µs', per: 'request' },
};

/** The load generator does not count the requests of its first fifth. */
const countedShare = 0.8;

export function readFigures(work: Work, output: string): Figures {
  const answer = JSON.parse(output) as Readonly<Record<string, number>>;
  const of = (name: string): number => answer[name] ?? Number.NaN;
  const p99Us = answer['p99'];
  if (work.per === 'MB') return { value: of('gbps'), p99Us, units: of('bytes') / 1e6 };
  if (work.pace === 'steady') return { value: of('p50'), p99Us, units: of('n'), seconds: of('n') / steadyRate };
  const units = answer['cps'] === undefined && answer['gbytes'] === undefined ? of('n') / countedShare : of('n');
  const value = work.unit === 'µs' ? of('p50') : (answer['cps'] ?? of('rps'));
  return { value, p99Us, units };
}
