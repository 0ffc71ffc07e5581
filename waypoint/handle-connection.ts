// One connection that the waypoint carries unread: choose an endpoint, dial it, copy both ways, tell telemetry how it went.
// In: the stream and whose it is; what it needs of the other parts comes as functions. Source: waypoint-telemetry.md §1.13, §8.1.
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
  | { readonly kind: 'refused'; readonly flags: readonly ResponseFlag[] };

export interface ConnectionHandling {
  chooseUpstream(downstream: Downstream): ConnectionChoice;
  opened(downstream: Downstream, upstream: UpstreamFacts | undefined): TcpReport;
  ended(facts: TcpFacts, error: Error | undefined): void;
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
  const report = handling.opened(downstream, upstream);
  const finish = (flags: readonly ResponseFlag[], error: Error | undefined): void => {
    // As in Istio, the labels of a connection are those of its first report: failures do not open new series.
    report.close('-');
    const { receivedBytes, sentBytes } = report;
    const durationMs = handling.now() - start;
    handling.ended({ downstream, upstream, flags, startEpochMs, durationMs, receivedBytes, sentBytes }, error);
  };
  if (choice.kind === 'refused') {
    stream.reset();
    finish(choice.flags, undefined);
    return;
  }
  try {
    const dialled = await choice.upstream.dial();
    copyStreams(stream, dialled, report, (error) => finish(error === undefined ? [] : ['UC'], error));
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    stream.reset(error);
    finish(['UF'], error);
  }
}
