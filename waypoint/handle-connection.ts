// One connection that the waypoint carries unread: choose an endpoint, dial it, copy both ways, tell telemetry how it went.
// In: the stream and whose it is; what it needs of the other parts comes as functions. Source: waypoint-telemetry.md §1.13, §8.1.
import { asError, type MeshError } from '../common/errors.ts';
import type { ByteStream } from '../common/net/byte-stream.ts';
import { copyStreams } from '../common/net/copy-streams.ts';
import type { TcpReport } from '../common/telemetry/tcp-reporter.ts';
import type { Downstream } from './served-target.ts';
import type { TcpFacts } from './telemetry/log-facts.ts';
import type { UpstreamFacts } from './telemetry/request-facts.ts';
import type { ResponseFlag } from './telemetry/response-flags.ts';

export interface ConnectionUpstream extends UpstreamFacts {
  dial(): Promise<ByteStream>;
}

export type ConnectionChoice =
  | { readonly kind: 'upstream'; readonly upstream: ConnectionUpstream }
  | { readonly kind: 'refused'; readonly flags: readonly ResponseFlag[]; readonly failure: MeshError };

export interface ConnectionHandling {
  chooseUpstream(downstream: Downstream): ConnectionChoice;
  /** Once it is connected, or will not be. */
  opened(downstream: Downstream, upstream: UpstreamFacts | undefined, flags: readonly ResponseFlag[]): TcpReport;
  ended(facts: TcpFacts): void;
  /** Milliseconds that only grow. */
  now(): number;
}

export async function handleConnection(
  stream: ByteStream,
  downstream: Downstream,
  handling: ConnectionHandling,
): Promise<void> {
  const startEpochMs = Date.now();
  const start = handling.now();
  const choice = handling.chooseUpstream(downstream);
  const upstream = choice.kind === 'upstream' ? choice.upstream : undefined;
  const finish = (report: TcpReport, flags: readonly ResponseFlag[], failure: Error | undefined): void => {
    report.close('-');
    const { receivedBytes, sentBytes } = report;
    const durationMs = handling.now() - start;
    handling.ended({ downstream, upstream, flags, failure, startEpochMs, durationMs, receivedBytes, sentBytes });
  };
  const refuse = (flags: readonly ResponseFlag[], failure: Error): void => {
    stream.reset(failure);
    finish(handling.opened(downstream, upstream, flags), flags, failure);
  };
  if (choice.kind === 'refused') {
    refuse(choice.flags, choice.failure);
    return;
  }
  try {
    const dialled = await choice.upstream.dial();
    const report = handling.opened(downstream, upstream, []);
    copyStreams(stream, dialled, report, (error) => finish(report, error === undefined ? [] : ['UC'], error));
  } catch (cause) {
    refuse(['UF'], asError(cause));
  }
}
